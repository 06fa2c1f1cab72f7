"""Makes a story of one entry of a feed, whatever kind the feed is of."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from publisher.ingest.draft import Draft
from publisher.ingest.markdown import clean_document
from publisher.ingest.report_story import LONGEST_HEADLINE
from publisher.text.clean import clean_line, clean_text
from publisher.text.from_html import html_line, html_markdown
from publisher.text.language import language_of
from publisher.text.lead import as_markdown, lead, plain, plain_line, sentences, shorten
from publisher.text.reading import reading_minutes

_LONGEST_KEY = 300
_MOST_TAGS = 20
_PICTURE = re.compile(r"!\[(?P<alt>[^\[\]]*)\]\((?P<url>https?://[^()\s]+)\)")
# What blog programs add below each entry.
_FOOTER = re.compile(
    r"(?:\s*(?:The post \S.{0,300}? (?:first )?appeared (?:first )?on .{1,200}|\\?\[(?:…|\.\.\.)\\?\]"
    r"|投稿 .{1,300} は .{1,200} に最初に表示されました。)"
    r"|(?:\A|\n)[ ]*\\?\[?(?:Continue reading|Read more|続きを読む|もっと読む)\b[^\n。]{0,200})\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as its feed has it; texts are HTML where `is_html` says so, the title always may be."""

    key: str
    title: str
    body: str
    summary: str = ""
    is_html: bool = True
    link: str | None = None
    date: str | None = None
    tags: Sequence[str] = field(default_factory=list)
    author: str | None = None
    image: str | None = None
    language: str | None = None


def draft_of(entry: Entry, source_name: str, base: str) -> Draft | None:
    """The story of `entry`, or None where it holds no word."""
    body = _markdown(entry.body, entry.is_html, entry.link or base)
    told = _without_footer(plain(_markdown(entry.summary, entry.is_html, base)).replace("\n", " "))
    headline = clean_line(html_line(entry.title))
    words = f"{headline}\n{plain(body[:6000])}"
    if not re.search(r"\w", words):
        return None
    language = _language(words, entry.language)
    headline = headline or _first_sentence(body)
    summary = shorten(told, language) if told else lead(body, language)
    body = body or as_markdown(summary or headline)
    picture = _PICTURE.search(body)
    return Draft(
        headline=headline[:LONGEST_HEADLINE], summary=summary or headline, body=body, tags=_tags(entry.tags),
        author=clean_line(html_line(entry.author))[:200] or None if entry.author else None, source_name=source_name or None, source_url=entry.link,
        image_url=entry.image or (picture["url"] if picture else None), image_alt=picture["alt"] or None if picture and not entry.image else None,
        date=entry.date, language=language, reading_minutes=reading_minutes(body, language), key=_short_key(entry.key))


def _markdown(source: str, is_html: bool, base: str) -> str:
    text = html_markdown(source, base) if is_html else clean_text(source)
    return _without_footer(clean_document(text)).strip()


def _without_footer(text: str) -> str:
    for _round in range(3):
        text = text[:-600] + _FOOTER.sub("", text[-600:]) if len(text) > 600 else _FOOTER.sub("", text)
    return text.strip()


def _language(words: str, declared: str | None) -> str:
    """What the script says of Japanese counts more than what a feed declares: many say `en` because nobody changed it."""
    found = language_of(words)
    return found if found == "ja" or declared in (None, "ja") else declared or found


def _first_sentence(body: str) -> str:
    text = plain_line(body[:2000])
    sentence = sentences(text)[0].strip().rstrip("。.") if text else ""
    return sentence if 0 < len(sentence) <= 100 else text[:99].rstrip() + "…"


def _tags(given: Sequence[str]) -> tuple[str, ...]:
    tags = (clean_line(html_line(tag)).lstrip("#＃").strip() for tag in given)
    return tuple(dict.fromkeys(tag for tag in tags if tag and len(tag) <= 60 and "://" not in tag))[:_MOST_TAGS]


def _short_key(key: str) -> str:
    """The id on one line; one that is too long for a unique index stands there as its hash."""
    key = clean_line(key)
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
