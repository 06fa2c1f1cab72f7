"""Reads a feed (RSS, Atom, JSON Feed) from bytes: never fetches, never fails because of one entry, lets no HTML through."""

import calendar
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.sax import SAXException

import feedparser

from publisher.errors import BadInput
from publisher.i18n import _
from publisher.ingest.draft import Draft, Reading
from publisher.ingest.feed_json import looks_like_json, read_json_feed
from publisher.ingest.feed_text import Entry, draft_of
from publisher.text.clean import clean_line
from publisher.text.dates import find_date, is_only_date
from publisher.text.from_html import html_line
from publisher.text.language import language_tag
from publisher.text.urls import is_web_url

_FEED_TYPES = re.compile(r"application/(?:rss\+xml|atom\+xml|feed\+json|rdf\+xml)", re.IGNORECASE)


def read_feed(data: bytes, *, where: str, url: str | None = None, content_type: str = "") -> Reading:
    """The entries of a feed as stories, in its order; each has the entry's own id as `key`.

    `where` names the feed in problems, `url` (where it was found at last) resolves its relative links. Raises BadInput where it is no feed.
    """
    if not data.strip():
        raise BadInput(where, _("the feed is empty"))
    base = url or where
    if looks_like_json(data):
        title, entries = read_json_feed(data, where, base)
    else:
        title, entries = _read_xml(data, where, base, content_type)
    name = title or (urlsplit(base).hostname or "")
    drafts = [draft for entry in entries if (draft := draft_of(entry, name, base))]
    return Reading(tuple(_once(drafts)))


def _once(drafts: Iterable[Draft]) -> Iterable[Draft]:
    """Each id once: where a feed repeats one, its first entry is the newest."""
    seen: set[str | None] = set()
    for draft in drafts:
        if draft.key not in seen:
            seen.add(draft.key)
            yield draft


def _read_xml(data: bytes, where: str, base: str, content_type: str) -> tuple[str, list[Entry]]:
    headers = {"content-location": base} | ({"content-type": content_type} if content_type else {})
    # A stream, because feedparser takes bare bytes for an address or the name of a file first.
    parsed = feedparser.parse(io.BytesIO(data), response_headers=headers, sanitize_html=True, resolve_relative_uris=True)
    # Without entries, a feed that cannot be parsed is no feed that happens to be empty today.
    if not parsed.entries and (not parsed.version or isinstance(parsed.get("bozo_exception"), SAXException)):
        raise _no_feed(data, where, base, parsed)
    feed_language = language_tag(parsed.feed.get("language") or "")
    return clean_line(html_line(parsed.feed.get("title") or "")), [_entry(entry, feed_language, base) for entry in parsed.entries]


def _no_feed(data: bytes, where: str, base: str, parsed: Any) -> BadInput:
    if re.search(rb"<\s*(?:!doctype\s+html|html|head|body)\b", data[:4096], re.IGNORECASE):
        named = _feeds_of(data, base)
        remedy = _("the page names a feed: %(address)s", address=named[0]) if named else _("read it as a source of kind \"page\"")
        return BadInput(where, _("this is a web page (HTML), not a feed"), remedy=remedy)
    error = parsed.get("bozo_exception")
    line = getattr(error, "getLineNumber", lambda: None)()
    if line is not None and data.lstrip()[:1] == b"<":
        return BadInput(where, _("this is no feed: %(reason)s", reason=clean_line(error.getMessage())[:100]), line=line)
    return BadInput(where, _("this is no feed: neither RSS nor Atom nor JSON Feed"))


def _feeds_of(data: bytes, base: str) -> list[str]:
    """The feeds that a page names (`<link rel="alternate">`)."""
    finder = _FeedLinks()
    finder.feed(data[:200_000].decode("utf-8", "replace"))
    return [clean_line(address)[:300] for href in finder.found if is_web_url(address := _joined(base, href))]


def _joined(base: str, href: str) -> str:
    try:
        return urljoin(base, href)
    except ValueError:
        return ""


class _FeedLinks(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "link" and "alternate" in given.get("rel", "").lower().split() and _FEED_TYPES.match(given.get("type", "")) and given.get("href"):
            self.found.append(given["href"])


def _entry(entry: Any, feed_language: str | None, base: str) -> Entry:
    content = next((part for part in entry.get("content", []) if part.get("value")), None)
    summary = entry.get("summary", "")
    detail = content or entry.get("summary_detail") or {}
    link = entry.get("feedburner_origlink") or entry.get("link") or ""
    return Entry(
        key=_key(entry, link), title=entry.get("title", ""), body=content["value"] if content else summary, summary=summary if content else "",
        is_html=detail.get("type") != "text/plain", link=link if is_web_url(link) else None, date=_date(entry),
        tags=[tag.get("label") or tag.get("term") or "" for tag in entry.get("tags", [])], author=entry.get("author") or None,
        image=_image(entry, base), language=language_tag(detail.get("language") or "") or feed_language)


def _key(entry: Mapping[str, Any], link: str) -> str:
    given = entry.get("id") or link
    if given:
        return str(given)
    told = f"{entry.get('title', '')}\n{entry.get('published', '')}\n{entry.get('summary', '')[:500]}"
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()


def _date(entry: Mapping[str, Any]) -> str | None:
    """The moment with the zone in which it was written; where that zone is a name that only feedparser knows, in UTC."""
    for name in ("published", "updated", "created"):
        written, parsed = entry.get(name), entry.get(f"{name}_parsed")
        found = find_date(written) if written else None
        if found and ("T" in found or is_only_date(written or "")):
            return found
        if parsed and 1900 <= parsed.tm_year < 2200:
            return datetime.fromtimestamp(calendar.timegm(parsed), UTC).isoformat()
        if found:
            return found
    return None


def _image(entry: Mapping[str, Any], base: str) -> str | None:
    media = [part.get("url") for part in (*entry.get("media_thumbnail", []), *entry.get("media_content", []))
             if part.get("medium", "image") == "image" and not str(part.get("type", "image/")).startswith(("video", "audio"))]
    enclosed = [part.get("href") for part in entry.get("enclosures", []) if str(part.get("type", "")).startswith("image/")]
    return next((address for given in (*media, *enclosed) if given and is_web_url(address := _joined(base, given))), None)
