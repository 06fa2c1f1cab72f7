"""The routes of what everybody may read: issues, stories, search, feeds, pictures, and what search engines ask for."""


from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from publisher.db import Database
from publisher.settings import Settings
from publisher.web.archive import Archive
from publisher.web.feeds import Feeds
from publisher.web.pictures import Pictures
from publisher.web.rendering import Pages
from publisher.web.search import Search
from publisher.web.sitemap import Sitemap

_LOOK = ["GET", "HEAD"]


def add_public(web: FastAPI, database: Database, settings: Settings, pages: Pages) -> None:
    """Endpoints are plain functions: the framework gives each a thread, and the database may wait there."""
    _add_pages(web, Archive(database, settings, pages), Search(database, settings, pages))
    _add_feeds(web, Feeds(database, settings))
    _add_files(web, Pictures(database), Sitemap(database, settings))


def _add_pages(web: FastAPI, archive: Archive, search: Search) -> None:
    @web.api_route("/", methods=_LOOK)
    def home(page: str = "1") -> Response:
        return archive.home(page)

    @web.api_route("/issues/{number}", methods=_LOOK)
    def issue(number: str) -> Response:
        return archive.issue(number)

    @web.api_route("/stories/{number}", methods=_LOOK)
    def story(number: str) -> Response:
        return archive.story(number)

    @web.api_route("/search", methods=_LOOK)
    def find(q: str = "", page: str = "1") -> Response:
        return search.find(q, page)


def _add_feeds(web: FastAPI, feeds: Feeds) -> None:
    @web.api_route("/feed.atom", methods=_LOOK)
    def atom(request: Request) -> Response:
        return feeds.atom(None, request.headers)

    @web.api_route("/feed.json", methods=_LOOK)
    def json(request: Request) -> Response:
        return feeds.json(None, request.headers)

    @web.api_route("/{newsletter}/feed.atom", methods=_LOOK)
    def atom_of(newsletter: str, request: Request) -> Response:
        return feeds.atom(newsletter, request.headers)

    @web.api_route("/{newsletter}/feed.json", methods=_LOOK)
    def json_of(newsletter: str, request: Request) -> Response:
        return feeds.json(newsletter, request.headers)


def _add_files(web: FastAPI, pictures: Pictures, sitemap: Sitemap) -> None:
    @web.api_route("/pictures/{name}", methods=_LOOK)
    def picture(name: str, request: Request) -> Response:
        return pictures.serve(name, request.headers)

    @web.api_route("/sitemap.xml", methods=_LOOK)
    def addresses() -> Response:
        return sitemap.whole()

    @web.api_route("/sitemap-{kind}-{part}.xml", methods=_LOOK)
    def some_addresses(kind: str, part: str) -> Response:
        return sitemap.part(kind, part)

    @web.api_route("/robots.txt", methods=_LOOK)
    def robots() -> Response:
        return sitemap.robots()
