"""Reads list items that could be stories: a linked or labelled title, what stands beside it, and the lines nested below."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from publisher.ingest.markdown import EMOJI, Outline
from publisher.ingest.report_fields import Fields, labelled, read_fields, source_of
from publisher.text.clean import safe_target
from publisher.text.dates import find_date, is_only_date
from publisher.text.lead import plain_line
from publisher.text.urls import is_web_url

_ITEM = re.compile(r"^(?P<indent>[ ]*)(?P<mark>[-*+•・◦]|[0-9０-９]{1,3}[.)．]|[①-⑳])[ \u3000]*(?P<text>\S.*)$")
_LINK = r"\[(?P<title>(?:[^\[\]\\]|\\.|\[[^\[\]]*\])+)\]\((?P<target>[^()\n]*(?:\([^()\n]*\)[^()\n]*)*)\)"
# Looks like a link but leads to no story.
_PICTURE = re.compile(r"!\[[^\[\]]*\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
_LINKED = re.compile(
    rf"(?P<before>[^\[\]]{{0,40}}?|[^\[\]]{{0,5}}\[[^\[\]]{{4,20}}\][^\[\]]{{0,5}})(?:\*\*|__)?{_LINK}(?:\*\*|__)?(?P<rest>.*)", re.DOTALL)
_BOLD = re.compile(r"(?:\*\*|__)(?P<title>[^*_\n]{4,200}?)(?:\*\*|__)(?P<rest>.*)")
_LEADING = re.compile(f"^[{EMOJI}]+[ ]*")
_PARTING = re.compile(r"^[ ]*(?:[-–—―:：|｜・~〜→]+[ ]*)+")
_ASIDE = re.compile(r"^[ ]*[(（\[](?P<aside>[^()（）\[\]]{2,60})[)）\]][ ]*|[ ]*[(（\[](?P<last>[^()（）\[\]]{2,60})[)）\]][ 。.]*$")


@dataclass(frozen=True, slots=True)
class Item:
    """One item: `heading` is the index of the heading it stands under, `rest` what stands beside its title, `nested` the lines below it."""

    heading: int | None
    line: int
    title: str
    url: str | None
    linked: bool
    date: str | None
    source_name: str | None
    summary: str
    nested: tuple[str, ...]
    fields: Fields
    size: int

    @property
    def has_fields(self) -> bool:
        return bool(self.fields.values) or self.date is not None


def read_items(outline: Outline, start: int, stop: int, day: date | None) -> list[Item]:
    """The items among the lines from `start` to before `stop` whose title is a link, or which have labelled lines that name date, source or URL."""
    found: list[Item] = []
    upcoming = bisect_left(outline.headings, start, key=lambda heading: heading.line)
    heading = upcoming - 1 if upcoming else None
    row = start
    while row < stop:
        if upcoming < len(outline.headings) and outline.headings[upcoming].line <= row:
            heading, row = upcoming, max(row, outline.headings[upcoming].after)
            upcoming += 1
            continue
        opening = None if outline.code[row] else _ITEM.match(outline.lines[row][:3000])
        limit = min(stop, outline.headings[upcoming].line) if upcoming < len(outline.headings) else stop
        if opening is None or len(opening["indent"]) > 3:
            row += 1
            continue
        end = _end(outline, row, limit, len(opening["indent"]))
        item = _read(outline, heading, row, end, opening, day)
        if item:
            found.append(item)
        row = end
    return found


def _end(outline: Outline, row: int, limit: int, indent: int) -> int:
    """The line at which the item of `row` ends: the next item of its depth, or the paragraph after a blank line, unless that continues it."""
    lines = outline.lines
    blank = False
    nested = False
    for index in range(row + 1, limit):
        line = lines[index]
        if not line.strip():
            blank = True
            continue
        depth = len(line) - len(line.lstrip())
        if depth <= indent and _ITEM.match(line[:200]) and not (depth == indent and line.lstrip()[0] == "*" and line.lstrip()[1:2] == "*"):
            return index
        if line.strip().startswith(("---", "***", "|")) and depth <= indent:
            return index
        if blank and depth <= indent:
            # "1. **[title](url)**", a blank line, and the summary unindented: taken once, before the next item only.
            if nested or not _more_items(lines, index, limit):
                return index
            nested = True
        elif depth > indent:
            nested = True
    return limit


def _more_items(lines: Sequence[str], start: int, limit: int) -> bool:
    """Whether the paragraph at `start` is followed by another item or by the end of its part."""
    for index in range(start, min(start + 12, limit)):
        if not lines[index].strip():
            following = next((line for line in lines[index:min(index + 5, limit)] if line.strip()), None)
            return following is None or bool(_ITEM.match(following[:200]))
    return start + 12 >= limit


def _read(outline: Outline, heading: int | None, row: int, end: int, opening: re.Match[str], day: date | None) -> Item | None:
    below = [index for index in range(row + 1, end) if not outline.code[index]]
    text = _LEADING.sub("", _PICTURE.sub("", opening["text"]).strip()).strip()
    linked = _LINKED.fullmatch(text)
    bold = None if linked else _BOLD.fullmatch(text)
    label = labelled(outline.lines[row])
    if (label and label.kind and label.kind != "title") or not (linked or below):
        return None
    fields = read_fields(outline.lines, below, day)
    if linked and is_web_url(target := safe_target(linked["target"]) or ""):
        before, title, rest, url = linked["before"], linked["title"], linked["rest"], target
    elif fields.triggers and (bold or len(text) <= 200):
        before, title, rest, url = "", bold["title"] if bold else text, bold["rest"] if bold else "", None
        linked = None
    else:
        return None
    if label and label.kind == "title":
        title, before = label.value if not linked else title, ""
    title = plain_line(title).strip("-–—:： ")
    size = sum(len(line.strip()) for line in outline.lines[row:end])
    return _item(outline, heading, row, (before, title, rest, url), below, fields, size, bool(linked), day)


def _item(
    outline: Outline, heading: int | None, row: int, parts: tuple[str, str, str, str | None], below: Sequence[int], fields: Fields, size: int,
    linked: bool, day: date | None,
) -> Item | None:
    before, title, rest, url = parts
    before_date, before_name = _aside(plain_line(before).strip("[]()（）:：-–— 　"), day)
    if not re.search(r"\w", title) or (before and not before_date and len(plain_line(before)) > 24):
        return None
    rest, date_beside, name_beside = _beside(rest, day)
    nested = [outline.lines[index] for index in below if index not in fields.used]
    summary = plain_line(fields.values.get("summary", "")) or rest
    return Item(heading, row, title, url, linked, fields.date or date_beside or before_date, fields.source_name or name_beside or before_name,
                summary or next((plain_line(line) for line in nested if line.strip() and len(plain_line(line)) >= 10), ""),
                tuple(nested), fields, size)


def _beside(rest: str, day: date | None) -> tuple[str, str | None, str | None]:
    """What stands beside the title, as (summary, date, source name): an aside in brackets or a short name is no summary."""
    found_date = name = None
    for _round in range(3):
        rest = _PARTING.sub("", rest).strip()
        aside = _ASIDE.search(rest)
        if not aside:
            break
        text = plain_line(aside["aside"] or aside["last"])
        iso, called = _aside(text, day)
        if not iso and not called:
            break
        found_date, name = found_date or iso, name or called
        rest = rest[:aside.start()] + rest[aside.end():]
    text = plain_line(rest)
    if text and len(text) <= 40 and text[-1] not in "。.!?！？":
        iso, called = _aside(text, day)
        if iso or (called and len(text) <= 24):
            return "", found_date or iso, name or called
    return text, found_date, name


def _aside(text: str, day: date | None) -> tuple[str | None, str | None]:
    """Date and source name of an aside: 「例示新聞、2026年3月2日」, "Example Wire", "2026-03-02"."""
    if not text or len(text) > 60 or text[-1] in "。!?！？":
        return None, None
    if is_only_date(text):
        return find_date(text, year_hint=day), None
    parts = [part.strip() for part in re.split(r"[、,|｜/／·•]\s*|\s[-–—]\s", text) if part.strip()]
    dates = [part for part in parts if is_only_date(part)]
    names = [part for part in parts if part not in dates]
    if dates and len(names) <= 1:
        return find_date(dates[0], year_hint=day), source_of(names[0])[0] if names else None
    if dates or len(parts) != 1 or len(text) > 30:
        iso = find_date(text, year_hint=day) if dates else None
        return iso, None
    return None, source_of(text)[0]
