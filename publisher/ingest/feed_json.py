"""Reads JSON Feed 1.x (https://www.jsonfeed.org/version/1.1/): types are checked one by one, because anybody may have written it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from publisher.errors import BadInput
from publisher.i18n import _
from publisher.ingest.feed_text import Entry
from publisher.text.clean import clean_line
from publisher.text.dates import find_date
from publisher.text.from_html import html_line
from publisher.text.language import language_tag
from publisher.text.urls import is_web_url


def looks_like_json(data: bytes) -> bool:
    """Whether `data` begins as JSON does; XML and HTML never do."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def read_json_feed(data: bytes, where: str, base: str) -> tuple[str, list[Entry]]:
    """Title and entries. Raises BadInput where the whole is no JSON Feed."""
    try:
        feed = json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise BadInput(where, _("this is no feed: broken JSON (%(reason)s)", reason=error.msg), line=error.lineno) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadInput(where, _("this is no feed: JSON that cannot be read")) from error
    if not isinstance(feed, dict) or "jsonfeed.org/version/" not in _text(feed, "version") or not isinstance(feed.get("items"), list):
        raise BadInput(where, _("this is JSON, but no JSON Feed"))
    language = language_tag(_text(feed, "language"))
    return clean_line(html_line(_text(feed, "title"))), [_entry(item, language, base) for item in feed["items"] if isinstance(item, dict)]


def _text(values: Mapping[str, Any], *names: str) -> str:
    """The first of `names` that holds a text; an id may be a number (JSON Feed 1.1, items)."""
    for name in names:
        value = values.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _entry(item: Mapping[str, Any], language: str | None, base: str) -> Entry:
    body = _text(item, "content_html", "content_text")
    is_html = bool(_text(item, "content_html"))
    link = next((address for name in ("url", "external_url") if (address := _address(base, _text(item, name)))), None)
    told = f"{_text(item, 'title')}\n{body[:500]}"
    return Entry(
        key=_text(item, "id") or link or hashlib.sha256(told.encode("utf-8", "replace")).hexdigest(), title=_text(item, "title"),
        body=body or _text(item, "summary"), summary=_text(item, "summary") if body else "", is_html=is_html, link=link,
        date=find_date(_text(item, "date_published", "date_modified")), tags=_tags(item), author=_author(item),
        image=_address(base, _text(item, "image", "banner_image")), language=language_tag(_text(item, "language")) or language)


def _address(base: str, given: str) -> str | None:
    try:
        address = urljoin(base, given.strip()) if given.strip() else ""
    except ValueError:
        return None
    return address if is_web_url(address) else None


def _tags(item: Mapping[str, Any]) -> list[str]:
    tags = item.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _author(item: Mapping[str, Any]) -> str | None:
    """The names of version 1.1's `authors`, else of version 1's `author`."""
    authors = item.get("authors")
    people = authors if isinstance(authors, list) else [item.get("author")]
    return ", ".join(name for person in people if isinstance(person, dict) and (name := _text(person, "name"))) or None
