"""The routes of what readers do: join, confirm, choose, leave."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from publisher.db import Database
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.web.client import client_of
from publisher.web.confirming import Confirming
from publisher.web.embed import frame_place
from publisher.web.forms import Fields, fields_of
from publisher.web.guard import Guard
from publisher.web.leaving import Leaving, is_one_click
from publisher.web.preferences import Choosing
from publisher.web.rendering import Pages
from publisher.web.signup import Signup, page_place

Sent = Annotated[Fields, Depends(fields_of)]
_LOOK = ["GET", "HEAD"]


def add_readers(web: FastAPI, database: Database, settings: Settings, keys: Keys, pages: Pages, clock: Callable[[], datetime]) -> None:
    """Endpoints are plain functions: the framework gives each a thread, and the database may wait there."""
    guard, signup = Guard(settings, pages), Signup(database, settings, keys, pages, clock)
    _add_signup(web, settings, signup)
    _add_confirming(web, settings, Confirming(database, settings, keys, pages, clock, guard, signup))
    _add_choosing(web, settings, Choosing(database, settings, keys, pages, clock, guard))
    _add_leaving(web, settings, Leaving(database, settings, keys, pages, clock, guard))


def _add_signup(web: FastAPI, settings: Settings, signup: Signup) -> None:
    @web.api_route("/subscribe", methods=_LOOK)
    @web.api_route("/subscribe/{name}", methods=_LOOK)
    def form(request: Request, name: str | None = None, lang: str | None = None) -> Response:
        return signup.show(name, page_place(request, settings, name, lang))

    @web.post("/subscribe")
    @web.post("/subscribe/{name}")
    def take(request: Request, sent: Sent, name: str | None = None, lang: str | None = None) -> Response:
        return signup.take(name, page_place(request, settings, name, lang, sent), sent)

    @web.api_route("/embed/{name}", methods=_LOOK)
    def frame(request: Request, name: str, lang: str | None = None) -> Response:
        return signup.show(name, frame_place(request, settings, name, lang))

    @web.post("/embed/{name}")
    def take_in_frame(request: Request, sent: Sent, name: str, lang: str | None = None) -> Response:
        return signup.take(name, frame_place(request, settings, name, lang, sent), sent)


def _add_confirming(web: FastAPI, settings: Settings, confirming: Confirming) -> None:
    @web.api_route("/confirm/{token}", methods=_LOOK)
    def show(token: str, request: Request) -> Response:
        return confirming.show(token, client_of(request, settings))

    @web.post("/confirm/{token}")
    def act(token: str, request: Request, sent: Sent) -> Response:
        return confirming.act(token, client_of(request, settings), sent)


def _add_choosing(web: FastAPI, settings: Settings, choosing: Choosing) -> None:
    @web.api_route("/preferences/{token}", methods=_LOOK)
    def show(token: str, request: Request, lang: str | None = None) -> Response:
        return choosing.show(token, client_of(request, settings), lang)

    @web.post("/preferences/{token}")
    def act(token: str, request: Request, sent: Sent, lang: str | None = None) -> Response:
        return choosing.act(token, client_of(request, settings), lang, sent)


def _add_leaving(web: FastAPI, settings: Settings, leaving: Leaving) -> None:
    @web.api_route("/u/{token}", methods=_LOOK)
    def show(token: str, request: Request, lang: str | None = None) -> Response:
        return leaving.show(token, client_of(request, settings), lang)

    @web.post("/u/{token}")
    def act(token: str, request: Request, one_click: Annotated[bool, Depends(is_one_click)], sent: Sent, lang: str | None = None) -> Response:
        return leaving.act(token, client_of(request, settings), sent, one_click=one_click, asked=lang)
