"""Atom (RFC 4287) and JSON Feed 1.1: the stories as the issues told them, headline and summary, each with a link to its page here."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lxml import etree
from sqlalchemy import func, select
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response

from publisher.compose.issue import title_of
from publisher.db import Database
from publisher.links import story_url
from publisher.models import Issue, NewsletterRow, Pick
from publisher.pictures import copies, wanted_picture
from publisher.published import LISTED
from publisher.settings import Settings
from publisher.text.clean import clean_line
from publisher.text.urls import is_web_url
from publisher.web.conditional import conditional, etag_of

_STORIES = 50
_ATOM = "http://www.w3.org/2005/Atom"
_HEADERS = {"Cache-Control": "public, max-age=300"}
# XML 1.0 section 2.2: what no document may hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One story of a feed. `source` is where others wrote about it, `image` our copy of its picture."""

    url: str
    headline: str
    summary: str
    language: str
    author: str
    source: str | None
    tags: Sequence[str]
    image: str | None
    published: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class _Feed:
    """One feed: of a newsletter, or of all."""

    title: str
    language: str
    path: str
    entries: Sequence[_Entry]

    @property
    def updated(self) -> datetime:
        """When something in it changed last."""
        return max((entry.updated for entry in self.entries), default=_NEVER)


class Feeds:
    """The feeds of one site."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings

    def atom(self, newsletter: str | None, asked: Headers) -> Response:
        """The stories as Atom. Raises HTTPException 404 for a newsletter that there is not."""
        feed = self._feed(newsletter)
        return _answer(asked, self._as_atom(feed), "application/atom+xml; charset=utf-8", feed)

    def json(self, newsletter: str | None, asked: Headers) -> Response:
        """The same as JSON Feed (jsonfeed.org/version/1.1)."""
        feed = self._feed(newsletter)
        return _answer(asked, self._as_json(feed), "application/feed+json; charset=utf-8", feed)

    def _feed(self, name: str | None) -> _Feed:
        newsletter = self._settings.newsletter(name) if name is not None else None
        if name is not None and newsletter is None:
            raise HTTPException(404)
        site = self._settings.site
        title = title_of(self._settings, newsletter) if newsletter else site.name or site.url
        language = self._settings.language_of(newsletter) if newsletter else site.language
        return _Feed(title, language, f"/{name}" if name else "", self._entries(name))

    def _entries(self, newsletter: str | None) -> list[_Entry]:
        of_this = [NewsletterRow.name == newsletter] if newsletter else []
        told = select(Pick, Issue.started_at).join(Issue, Issue.id == Pick.issue_id).join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id)
        with self._database.reading() as session:
            # A story told twice stands there once: twice as many cover all but a newsroom that repeats itself without end.
            rows = session.execute(told.where(LISTED, *of_this).order_by(Issue.started_at.desc(), Issue.id.desc(), Pick.position)
                                   .limit(2 * _STORIES)).all()
            latest: dict[int, tuple[Pick, datetime]] = {}
            for pick, moment in rows:
                latest.setdefault(pick.story_id, (pick, moment or _NEVER))
            chosen = list(latest.values())[:_STORIES]
            first: dict[int, datetime] = {story: moment or _NEVER for story, moment in session.execute(
                select(Pick.story_id, func.min(Issue.started_at)).join(Issue, Issue.id == Pick.issue_id).where(
                    LISTED, Pick.story_id.in_([pick.story_id for pick, _moment in chosen])).group_by(Pick.story_id))}
            pictures = copies(session, [wanted_picture(pick.snapshot) for pick, _moment in chosen])
        return [self._entry(pick, first[pick.story_id], moment, pictures) for pick, moment in chosen]

    def _entry(self, pick: Pick, published: datetime, updated: datetime, pictures: dict[str, Any]) -> _Entry:
        snapshot = pick.snapshot
        picture = pictures.get(wanted_picture(snapshot) or "")
        source = snapshot.get("source_url") or ""
        tags = [clean_line(tag) for tag in [pick.section or "", *(snapshot.get("tags") or [])]]
        return _Entry(
            story_url(self._settings.site.url, pick.story_id), _line(snapshot.get("headline")), _line(snapshot.get("summary")),
            snapshot.get("language") or self._settings.site.language, _line(snapshot.get("author") or snapshot.get("source_name")),
            _NOT_XML.sub("", source) if is_web_url(source) else None, [tag for tag in dict.fromkeys(tags) if tag],
            picture.url(self._settings.site.url) if picture else None, published, updated)

    def _as_atom(self, feed: _Feed) -> bytes:
        site = self._settings.site
        root = etree.Element(f"{{{_ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": feed.language}, {None: _ATOM})
        address = f"{site.url}{feed.path}/feed.atom"
        _add(root, "title", feed.title)
        _add(root, "id", address)
        _add(root, "updated", _moment(feed.updated))
        _add(root, "link", rel="self", type="application/atom+xml", href=address)
        _add(root, "link", rel="alternate", type="text/html", href=f"{site.url}/")
        _add(root, "icon", f"{site.url}/icon.svg")
        _add(_add(root, "author"), "name", site.name or feed.title)
        for entry in feed.entries:
            _atom_entry(root, entry)
        return etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True)

    def _as_json(self, feed: _Feed) -> bytes:
        site = self._settings.site
        made: dict[str, Any] = {
            "version": "https://jsonfeed.org/version/1.1", "title": feed.title, "home_page_url": f"{site.url}/",
            "feed_url": f"{site.url}{feed.path}/feed.json", "language": feed.language,
            "authors": [{"name": site.name or feed.title, "url": f"{site.url}/"}],
            "items": [_json_item(entry) for entry in feed.entries]}
        if site.logo:
            made["icon"] = site.logo
        return json.dumps(made, ensure_ascii=False, indent=1).encode("utf-8", "replace")


def _atom_entry(root: Any, entry: _Entry) -> None:
    made = etree.SubElement(root, f"{{{_ATOM}}}entry", {"{http://www.w3.org/XML/1998/namespace}lang": entry.language})
    _add(made, "title", entry.headline)
    _add(made, "id", entry.url)
    _add(made, "link", rel="alternate", type="text/html", href=entry.url)
    if entry.source:
        _add(made, "link", rel="via", href=entry.source)
    _add(made, "published", _moment(entry.published))
    _add(made, "updated", _moment(entry.updated))
    if entry.author:
        _add(_add(made, "author"), "name", entry.author)
    for tag in entry.tags:
        _add(made, "category", term=tag)
    if entry.summary:
        _add(made, "summary", entry.summary)


def _json_item(entry: _Entry) -> dict[str, Any]:
    """An item must have a content: the summary is all that a feed tells."""
    made: dict[str, Any] = {"id": entry.url, "url": entry.url, "title": entry.headline, "content_text": entry.summary or entry.headline,
                            "date_published": _moment(entry.published), "date_modified": _moment(entry.updated), "language": entry.language}
    optional = {"summary": entry.summary, "external_url": entry.source, "image": entry.image, "tags": list(entry.tags),
                "authors": [{"name": entry.author}] if entry.author else []}
    return made | {name: value for name, value in optional.items() if value}


def _add(parent: Any, name: str, text: str | None = None, **attributes: str) -> Any:
    made = etree.SubElement(parent, f"{{{_ATOM}}}{name}", {key: _NOT_XML.sub("", value) for key, value in attributes.items()})
    made.text = _NOT_XML.sub("", text) if text is not None else None
    return made


def _line(text: Any) -> str:
    return clean_line(str(text or ""))


def _moment(moment: datetime) -> str:
    """RFC 3339, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _answer(asked: Headers, body: bytes, media_type: str, feed: _Feed) -> Response:
    return conditional(asked, body, media_type, etag_of(body), feed.updated if feed.entries else None, _HEADERS)
