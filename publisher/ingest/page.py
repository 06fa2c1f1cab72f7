"""Reads one web page as one story: trafilatura finds the article in it; nothing is fetched here."""

import re
from typing import Any
from urllib.parse import urlsplit

import trafilatura

from publisher.errors import BadInput
from publisher.i18n import _
from publisher.ingest.decode import decode
from publisher.ingest.document import read_document
from publisher.ingest.draft import Draft, Reading
from publisher.ingest.markdown import clean_document
from publisher.ingest.report_story import LONGEST_HEADLINE
from publisher.text.clean import clean_line
from publisher.text.dates import find_date
from publisher.text.from_html import html_line
from publisher.text.language import language_of, language_tag
from publisher.text.lead import lead, shorten
from publisher.text.reading import reading_minutes
from publisher.text.urls import is_web_url

_CHARSET = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_HTML = re.compile(rb"<\s*(?:!doctype\s+html|html|head|body|meta|title)\b", re.IGNORECASE)
_SHORTEST = 20


def read_page(data: bytes, *, where: str, url: str, content_type: str = "") -> Reading:
    """The article of a page. A document that is no HTML (Markdown, plain text) is read as a file would be. Raises BadInput where there is none."""
    if not _HTML.search(data[:4096]) and "html" not in content_type:
        return read_document(data, where=where)
    source = _decode(data, content_type, where)
    # Dates are taken from what the page states: a guess from its text would make an old page fresh.
    found: Any = trafilatura.bare_extraction(
        source, url=url, with_metadata=True, include_comments=False, include_tables=False, include_formatting=True, include_links=False,
        date_extraction_params={"extensive_search": False, "original_date": True})
    text = trafilatura.extract(source, url=url, output_format="markdown", include_comments=False, include_tables=False, include_formatting=True) or ""
    body = clean_document(text)
    if found is None or len(re.sub(r"\W", "", body)) < _SHORTEST:
        raise BadInput(where, _("no article is to be found on this page"), remedy=_("save it as text and read the file"))
    return Reading((_draft(found, body, url),))


def _draft(found: Any, body: str, url: str) -> Draft:
    headline = clean_line(html_line(found.title or "")) or _first_line(body)
    body = _without_title(body, headline)
    language = _language(headline, body, found.language)
    described = clean_line(html_line(found.description or ""))
    canonical = found.url if found.url and is_web_url(found.url) else url
    tags = dict.fromkeys(clean_line(tag) for tag in [*(found.tags or []), *(found.categories or [])])
    return Draft(
        headline=headline[:LONGEST_HEADLINE], summary=shorten(described, language) if len(described) >= 30 else lead(body, language) or headline,
        body=body, tags=tuple(tag for tag in tags if tag and len(tag) <= 60)[:20], author=clean_line(found.author or "")[:200] or None,
        source_name=clean_line(found.sitename or "")[:200] or urlsplit(url).hostname, source_url=canonical,
        image_url=found.image if found.image and is_web_url(found.image) else None, date=find_date(found.date or ""), language=language,
        reading_minutes=reading_minutes(body, language))


def _language(headline: str, body: str, declared: str | None) -> str:
    found = language_of(f"{headline}\n{body}")
    named = language_tag(declared or "")
    return found if found == "ja" or named in (None, "ja") else named or found


def _without_title(body: str, headline: str) -> str:
    first, _newline, rest = body.partition("\n")
    return rest.strip() if clean_line(first.lstrip("# ")) == headline and rest.strip() else body


def _first_line(body: str) -> str:
    return clean_line(next((line.lstrip("# ") for line in body.split("\n") if line.strip()), ""))[:120]


def _decode(data: bytes, content_type: str, where: str) -> str:
    """The text by what the server says, then by what the page says, then by what it looks like (HTML, "Determining the character encoding")."""
    stated = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{2,40})", content_type, re.IGNORECASE)
    written = _CHARSET.search(data[:4096])
    for name in (stated[1] if stated else None, written[1].decode("ascii") if written else None):
        if not name:
            continue
        # What calls itself Shift_JIS on the web is Microsoft's (Encoding Standard, "Names and labels").
        name = "cp932" if name.lower().replace("-", "_") in ("shift_jis", "sjis", "x_sjis") else name
        try:
            return data.decode(name)
        except (LookupError, ValueError):
            continue
    return decode(data, where)
