"""Makes a story of what was found in a report: headline, facts, summary, and a body without the lines that became fields."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from publisher.errors import Problem
from publisher.i18n import _
from publisher.ingest.draft import Draft, Fact
from publisher.ingest.markdown import Outline, title_of
from publisher.ingest.report_fields import Fields, read_facts
from publisher.ingest.report_list import Item
from publisher.text.clean import clean_line, safe_target
from publisher.text.language import language_of
from publisher.text.lead import as_markdown, lead, plain, plain_line, shorten
from publisher.text.reading import reading_minutes
from publisher.text.urls import is_web_url

LONGEST_HEADLINE = 300
_HEADING_LINK = re.compile(r"\[(?:[^\[\]\\]|\\.|\[[^\[\]]*\])+\]\((?P<target>[^()\n]*(?:\([^()\n]*\)[^()\n]*)*)\)")
_RULE = re.compile(r"^[ ]*(?:(?:-[ ]*){3,}|(?:\*[ ]*){3,}|(?:_[ ]*){3,})$")
_COLOPHON = re.compile(
    r"^[*_\s※]*(?:本|この|当)(?:レポート|記事|資料|ニュースレター|メール)|^[*_\s]*(?:※|©|免責|次回|以上|作成[:：]|this (?:report"
    r"|newsletter|digest)|generated|disclaimer)", re.IGNORECASE)
_ITEM = re.compile(r"\s*(?:[-*+] |[#•|]|\d{1,3}[.)] )")
_LEAD_IN = re.compile(r"^\**[^*\n]{2,60}?\**[:：]\**$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a story stands: file, section, the document's language and day, and the source a heading names."""

    where: str
    section: str | None = None
    language: str | None = None
    day: date | None = None
    source_name: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A story, and what of it could not be used."""

    draft: Draft
    problems: tuple[Problem, ...] = ()


def story_of_heading(outline: Outline, index: int, fields: Fields, place: Place, reach: range) -> Found:
    """The story under heading `index`, whose lines are those of `reach`."""
    heading = outline.headings[index]
    kept = [row for row in _without_colophon(outline, reach) if row not in fields.used]
    body = _body(outline, kept, heading.level)
    facts = (*fields.facts, *read_facts(outline.lines, [row for row in kept if not outline.code[row]]))
    link = _HEADING_LINK.search(heading.text)
    linked = safe_target(link["target"]) if link else None
    headline = title_of(fields.values["title"]) if fields.values.get("title") else title_of(heading.text)
    draft = _draft(headline, body, facts, fields, place, url=fields.source_url or (linked if linked and is_web_url(linked) else None))
    return Found(draft, problems_of(fields, place.where))


def story_of_item(outline: Outline, item: Item, place: Place) -> Found:
    """The story of one list item."""
    nested = _dedented(item.nested)
    beside = item.summary if item.summary and item.summary not in plain(nested).replace("\n", " ") and "summary" not in item.fields.values else ""
    body = "\n\n".join(filter(None, [as_markdown(beside), nested]))
    facts = (*item.fields.facts, *read_facts(item.nested, range(len(item.nested))))
    fields = item.fields
    fields.date = item.date
    fields.source_name = item.source_name or place.source_name
    if item.summary:
        fields.values.setdefault("summary", item.summary)
    draft = _draft(title_of(item.title), body, facts, fields, place, url=fields.source_url or item.url)
    return Found(draft, problems_of(fields, place.where))


def problems_of(fields: Fields, where: str) -> tuple[Problem, ...]:
    """A sentence for each date of a story that is none."""
    return tuple(
        Problem(where, _("“%(text)s” is no date; the story is kept without one", text=clean_line(text)[:60]), line + 1,
                _("write it as 2026-03-02 or 2026年3月2日"))
        for line, text in fields.bad_dates
    )


def _draft(headline: str, body: str, facts: tuple[Fact, ...], fields: Fields, place: Place, *, url: str | None) -> Draft:
    words = f"{headline}\n{fields.values.get('summary', '')}\n{body}"
    language = place.language or language_of(plain(words[:6000]))
    summary = _explicit(fields.values.get("summary", ""), language) or summary_of(body, facts, language)
    body = body or as_markdown(summary)
    return Draft(
        headline=headline[:LONGEST_HEADLINE], summary=summary, body=body, facts=tuple(dict.fromkeys(facts)),
        section=title_of(fields.values["category"]) if fields.values.get("category") else place.section, tags=fields.tags(),
        author=plain_line(fields.values.get("author", "")) or None, source_name=fields.source_name or place.source_name, source_url=url,
        date=fields.date, language=language, reading_minutes=reading_minutes(body, language),
    )


def _explicit(given: str, language: str) -> str:
    text = plain_line(given)
    return text if len(text) <= 600 else shorten(text, language)


def summary_of(body: str, facts: Sequence[Fact], language: str) -> str:
    """The lead of the body's prose; where there is none, its first list told as a sentence, or its first facts."""
    prose = "\n".join(line if not _LEAD_IN.match(line.strip()) else "" for line in body.split("\n"))
    text = lead(prose, language)
    if text and (not _is_item(prose, text) or not facts):
        return text if not _is_item(prose, text) else _told(body, language) or text
    if len(facts) > 1:
        return _facts_told(facts, language)
    return shorten(f"{_facts_told(facts, language)}{'' if language == 'ja' else ' '}{_told(body, language)}".strip(), language) or text


def _is_item(prose: str, text: str) -> bool:
    """Whether the lead had to be made of a list or a heading, for want of a paragraph."""
    first = text[:20]
    return any(first in plain(line) for line in prose.split("\n") if _ITEM.match(line))


def _facts_told(facts: Sequence[Fact], language: str) -> str:
    if language == "ja":
        return shorten("".join(f"{fact.label}：{fact.value.rstrip('。')}。" for fact in facts[:4]), language)
    return shorten(" ".join(f"{fact.label}: {fact.value.rstrip('.')}." for fact in facts[:4]), language)


def _told(body: str, language: str) -> str:
    """The first list of `body` with the line that leads in to it, as one sentence."""
    head = ""
    items: list[str] = []
    for line in body.split("\n"):
        text = plain_line(line)
        if re.match(r"\s*(?:[-*+•・]|\d{1,3}[.)])\s", line):
            items.append(text.rstrip("。."))
        elif items:
            break
        elif text and _LEAD_IN.match(line.strip()):
            head = text.rstrip(":： ")
    if not items:
        return ""
    colon, comma, stop = ("：", "、", "。") if language == "ja" else (": ", ", ", ".")
    return shorten((f"{head}{colon}" if head else "") + comma.join(items[:4]) + stop, language)


def _without_colophon(outline: Outline, rows: Sequence[int]) -> Sequence[int]:
    """`rows` without what a report says of itself behind a rule at the end of its last story."""
    for place in range(len(rows) - 1, max(-1, len(rows) - 12), -1):
        if _RULE.match(outline.lines[rows[place]]):
            tail = [outline.lines[row] for row in rows[place + 1:] if outline.lines[row].strip()]
            if tail and len(tail) <= 4 and all(_COLOPHON.match(line.strip()) or line.strip().startswith("*") for line in tail):
                return rows[:place]
    return rows


def _body(outline: Outline, rows: Sequence[int], level: int) -> str:
    """The lines as Markdown; a heading that stood beside the story's own goes one level below it, and rules at the ends go."""
    headings = {heading.line: heading for heading in outline.headings}
    lines: list[str] = []
    for row in rows:
        heading = headings.get(row)
        if heading and heading.level <= 6:
            lines.append(f"{'#' * min(6, max(heading.level, level + 1))} {heading.text}")
        elif not (row and (above := headings.get(row - 1)) and above.after > row):  # not the underline of a setext heading
            lines.append(outline.lines[row].rstrip())
    while lines and (not lines[-1] or _RULE.match(lines[-1])):
        lines.pop()
    while lines and (not lines[0] or _RULE.match(lines[0])):
        lines.pop(0)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _dedented(lines: Sequence[str]) -> str:
    """Nested lines as text of their own; a single one loses its bullet."""
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    text = "\n".join(line[margin:].rstrip() for line in lines).strip("\n")
    if len([line for line in lines if line.strip()]) == 1:
        text = re.sub(r"^(?:[-*+•・>]|\d{1,3}[.)])[ ]+", "", text)
    return re.sub(r"^> ?", "", text, flags=re.MULTILINE) if text.startswith(">") else text
