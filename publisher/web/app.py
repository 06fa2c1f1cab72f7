"""The pages that mails and posts link to: issues and stories as frozen, and the way out. No script, no cookie, no third party."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy import literal, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from publisher.clock import utc_now
from publisher.db import Database
from publisher.models import Installation
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.track.hooks.handling import Hooks
from publisher.web.border import Border
from publisher.web.hooks import Reporting
from publisher.web.moved import Moved
from publisher.web.public import add_public
from publisher.web.readers import add_readers
from publisher.web.rendering import Pages

Health = Callable[[], dict[str, Any]]
_LOOK = ["GET", "HEAD"]
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # A leave link is a key to a subscription: no other site is told the address it was followed from.
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ICON = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="4" fill="#FBFAF7"/>'
         '<path fill="{accent}" d="M6 6h20v4H6z"/><path fill="#1B1A17" d="M6 14h20v2H6zm0 5h20v2H6zm0 5h13v2H6z"/></svg>')
log = structlog.get_logger("publisher")


def create_web(database: Database, settings: Settings, keys: Keys, *, health: Health, clock: Callable[[], datetime] = utc_now,
               hooks: Hooks | None = None) -> FastAPI:
    """The web application over an open database. `health` tells what the service knows of itself; `clock` says when somebody left;
    `hooks` are the providers that may report, without which only what needs no secret may."""
    web = FastAPI(title=settings.site.name, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    secure = {"Strict-Transport-Security": "max-age=31536000"} if settings.site.url.startswith("https:") else {}
    headers = _HEADERS | secure
    web.add_middleware(Border, headers=headers)
    pages = Pages(settings)
    add_public(web, database, settings, pages)
    add_readers(web, database, settings, keys, pages, clock)
    _add_hooks(web, Reporting(hooks or Hooks(database, settings, keys, {}), settings, clock))
    _add_service(web, database, settings, health)
    _add_faults(web, settings.site.language, pages, headers, Moved(database))
    return web


async def _raw(request: Request) -> bytes:
    return await request.body()


def _add_hooks(web: FastAPI, reporting: Reporting) -> None:
    @web.post("/hooks/{provider}")
    def hook(provider: str, request: Request, body: Annotated[bytes, Depends(_raw)]) -> Response:
        return reporting.take(provider, request, body)


def _add_service(web: FastAPI, database: Database, settings: Settings, health: Health) -> None:
    @web.api_route("/healthz", methods=_LOOK)
    def healthz() -> Response:
        try:
            with database.reading() as session:
                session.execute(select(literal(1)).select_from(Installation).limit(1)).all()
            return JSONResponse({"status": "ok", **health()})
        except SQLAlchemyError:
            return JSONResponse({"status": "the database does not answer"}, 503)

    # Browsers ask for the second name where a page names none, as a frozen issue does.
    @web.api_route("/icon.svg", methods=_LOOK)
    @web.api_route("/favicon.ico", methods=_LOOK)
    def icon() -> Response:
        return Response(_ICON.format(accent=settings.site.accent), media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})


def _add_faults(web: FastAPI, language: str, pages: Pages, headers: dict[str, str], old: Moved) -> None:
    @web.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404 and request.method in _LOOK and (moved := old.answer(request.scope["path"])):
            return moved
        return pages.fault(error.status_code, language, dict(error.headers or {}))

    @web.exception_handler(RequestValidationError)
    def misunderstood(_request: Request, _error: RequestValidationError) -> Response:
        return pages.fault(404, language)

    @web.exception_handler(SQLAlchemyError)
    def unanswered(_request: Request, error: SQLAlchemyError) -> Response:
        # Whoever sent a one-click tries again later; the statement's values stay out of the log, they may be a reader's.
        log.error("page_without_database", reason=type(error).__name__)
        return pages.fault(503, language, {"Retry-After": "60"})

    @web.exception_handler(Exception)
    def broken(_request: Request, _error: Exception) -> Response:
        # The server logs the traceback; a reader sees that it is our fault. This answer is made outside the border, hence its headers here.
        return pages.fault(500, language, headers)
