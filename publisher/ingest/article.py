"""Reads a document that is one story: a post with front matter, a page saved as text, a plain article, or a report that names no stories."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from publisher.errors import Problem
from publisher.i18n import _
from publisher.ingest.article_debris import is_debris, is_short_title, without_captions, without_debris
from publisher.ingest.draft import Draft, Fact
from publisher.ingest.excerpt import says_something
from publisher.ingest.markdown import Outline, title_of
from publisher.ingest.post import FrontMatter
from publisher.ingest.report import Context, looks_like_report
from publisher.ingest.report_fields import Fields, labelled, on_one_line, read_facts, read_fields
from publisher.ingest.report_story import LONGEST_HEADLINE, Found, problems_of, summary_of
from publisher.text.clean import clean_line, clean_markdown, safe_target
from publisher.text.dates import find_date, is_only_date
from publisher.text.fingerprint import flat, ngrams
from publisher.text.language import language_of, language_tag
from publisher.text.lead import as_markdown, lead, plain_line, sentences, shorten
from publisher.text.reading import reading_minutes
from publisher.text.urls import is_web_url

_LONGEST_FIRST_LINE = 150
_OPENING_LINES = 12
_MARKDOWN = re.compile(r"^(?:#{1,6} |[-*+] |>|\||```|\d{1,3}\. )|\*\*[^*\n]+\*\*|\]\(https?:", re.MULTILINE)
_PICTURE = re.compile(r"!\[(?P<alt>[^\[\]]*)\]\((?P<url>https?://[^()\s]+)[^()]*\)")
_BULLET_SIGN = re.compile(r"^[ ]*[•・◦▪][ \u3000]*(?=\S)")


@dataclass(frozen=True, slots=True)
class _Page:
    """A headline, and the lines of the document that are left for the body, their numbers kept."""

    headline: str
    lines: list[str]


def read_article(outline: Outline, front: FrontMatter | None, context: Context) -> Found | None:
    """The document as one story, or None where it holds no word."""
    page = _page(outline, clean_line(plain_line(clean_markdown(context.title))) if context.title else None)
    if page is None:
        return None
    fields = _fields(page, outline)
    lines = [line if row not in fields.used else "" for row, line in enumerate(page.lines)]
    lines = without_debris(lines, outline.code)
    body = _body(lines, outline.code, page.headline)
    facts = tuple(dict.fromkeys((*fields.facts, *read_facts(lines, [row for row in range(len(lines)) if not outline.code[row]]))))
    return _found(page.headline, body, facts, fields, front or FrontMatter({}, {}), context)


def _page(outline: Outline, title: str | None) -> _Page | None:
    """The headline (front matter wins, then the first heading, then the first line) and the rest."""
    lines = list(outline.lines)
    first = next((row for row, line in enumerate(lines)
                  if not outline.code[row] and re.search(r"\w", line) and not (is_debris(line) and row + 1 < len(lines))), None)
    heading = next((heading for heading in outline.headings if heading.level <= 6 and re.search(r"\w", plain_line(heading.text))), None)
    if title:
        if heading and first == heading.line and (heading.level == 1 or _nearly_same(plain_line(heading.text), title)):
            lines[heading.line:heading.after] = [""] * (heading.after - heading.line)
        elif first is not None and flat(plain_line(lines[first])) == flat(title):
            lines[first] = ""
        return _Page(title[:LONGEST_HEADLINE], lines)
    if first is None:
        first = next((row for row, line in enumerate(lines) if re.search(r"\w", line)), None)
        if first is None:
            return None
    if heading and (heading.line == first or (heading.level == 1 and not is_short_title(lines[first]))):
        lines[heading.line:heading.after] = [""] * (heading.after - heading.line)
        return _Page(plain_line(heading.text)[:LONGEST_HEADLINE], lines)
    line = plain_line(lines[first]) or clean_line(lines[first])
    if len(line) <= _LONGEST_FIRST_LINE:
        lines[first] = ""
        return _Page(line, lines)
    return _Page(_headline_of(line), lines)


def _headline_of(line: str) -> str:
    """A headline for a text that has none: its first sentence, shortened if need be."""
    sentence = sentences(line[:2000])[0].strip().rstrip("。.")
    return sentence if 0 < len(sentence) <= 100 else line[:99].rstrip() + "…"


def _nearly_same(one: str, other: str) -> bool:
    ours, theirs = ngrams(one, 2), ngrams(other, 2)
    return bool(ours and theirs) and len(ours & theirs) / len(ours | theirs) >= 0.5


def _fields(page: _Page, outline: Outline) -> Fields:
    """The labelled lines at the top of the document: not those of a section further down, which is only a part of the story."""
    rows: list[int] = []
    for row, line in enumerate(page.lines):
        if outline.code[row] or line.lstrip().startswith("#") or len(rows) > _OPENING_LINES:
            break
        if line.strip() and not _opens(line):
            break
        rows.append(row)
    return read_fields(page.lines, rows)


def _opens(line: str) -> bool:
    """Whether a line may stand among the labels at the top: a label, a date, a button, a rule."""
    labels = on_one_line(line)
    first = labels[0] if labels else labelled(line)
    if first and (first.kind or (first.bold and not first.bullet)):
        return True
    return is_debris(line) or is_only_date(plain_line(line)) or (len(line) <= 80 and line.strip("-* ") == "") or _dated(line)


def _dated(line: str) -> bool:
    return len(line) <= 80 and any(is_only_date(part.strip()) for part in re.split(r"[|｜/／·•]", plain_line(line)))


def _body(lines: Sequence[str], code: Sequence[bool], headline: str) -> str:
    """The body as Markdown. Text without Markdown gets its headings and bullets from how it is set; without blank lines, each line is a paragraph."""
    source = "\n".join(lines)
    if not any(code) and not _MARKDOWN.search(re.sub(r"^\d{1,3}\. ", "", source, flags=re.MULTILINE)):
        lines = _from_text(lines, headline)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() if not line.endswith("  ") else line for line in lines))
    return re.sub(r"(?:\n+[ ]*(?:-{3,}|\*{3,}|_{3,})[ ]*)+\s*\Z", "", re.sub(r"\A\s*(?:-{3,}\s*\n\s*)*", "", text)).strip()


def _from_text(lines: Sequence[str], headline: str) -> list[str]:
    rows = [row for row, line in enumerate(lines) if line.strip()]
    filled = [lines[row] for row in rows]
    blank_lines = sum(1 for before, after in zip(rows, rows[1:], strict=False) if after > before + 1)
    if len(filled) > 2 and blank_lines * 5 < len(filled):
        return [part for line in filled for part in (line.strip(), "")]
    lines = without_captions(lines, headline)
    done: list[str] = []
    for row, line in enumerate(lines):
        text = _BULLET_SIGN.sub("- ", line).rstrip() if _BULLET_SIGN.match(line) else line.strip()
        if _is_section(lines, row):
            text = f"## {text}"
        elif text and row + 1 < len(lines) and lines[row + 1].strip() and not text.startswith("- "):
            text += "  "  # CommonMark 6.7: rows of what was a table stay lines
        done.append(text)
    return done


def _is_section(lines: Sequence[str], row: int) -> bool:
    """Whether a line of a saved page heads a section: short, alone, no sentence, no attribution of a quotation, with prose after it."""
    text = lines[row].strip()
    if not is_short_title(text) or re.match(r"[\d①-⑳(（]", text) or find_date(text) or len(text) < 4:
        return False
    before = next((lines[above].strip() for above in range(row - 1, max(-1, row - 4), -1) if lines[above].strip()), "")
    after = next((lines[below].strip() for below in range(row + 1, min(len(lines), row + 4)) if lines[below].strip()), "")
    alone = (row == 0 or not lines[row - 1].strip()) and (row + 1 < len(lines) and not lines[row + 1].strip())
    quoted = before.startswith(("「", "『", "“", "\""))
    return alone and not quoted and len(after) > 8 and bool(re.match(r"[\d①-⑳]", after) or re.search(r"[。.!?！？]", after))


def _found(headline: str, body: str, facts: tuple[Fact, ...], fields: Fields, front: FrontMatter, context: Context) -> Found:
    language = language_tag(front.text("lang", "language", "locale") or "") or context.language or language_of(f"{headline}\n{body}")
    excerpt = clean_line(plain_line(clean_markdown(front.text("excerpt", "description", "summary", "概要", "要約", "subtitle") or ""))) or None
    described = [plain_line(clean_markdown(text)) for name in ("excerpt", "description", "summary", "概要", "要約") if (text := front.text(name))]
    told = next((text for text in described if says_something(text, headline, body)), "")
    summary = told or plain_line(fields.values.get("summary", "")) or _lead_of(body, facts, language) or (excerpt or "") or headline
    section, tags = _section_and_tags(front, fields)
    iso, problems = _date(front, fields, headline, context)
    picture = _PICTURE.search(body)
    image, alt = _image(front)
    written = front.text("reading_time", "reading_minutes", "readingtime")
    minutes = int(written) if written and re.fullmatch(r"[1-9]\d{0,2}", written) else reading_minutes(body or summary, language)
    return Found(Draft(
        headline=headline, summary=summary if len(summary) <= 600 else shorten(summary, language), body=body or as_markdown(summary),
        facts=facts, section=section,
        tags=tags, author=_author(front) or plain_line(fields.values.get("author", "")) or None,
        source_name=_plain(front.text("source_name", "source", "publisher", "情報源", "出典")) or fields.source_name,
        source_url=_address(front, "canonical_url", "source_url", "original_url", "external_url", "link", "url") or fields.source_url,
        image_url=image or (picture["url"] if picture else None),
        image_alt=alt or (clean_line(picture["alt"]) or None if picture and not image else None),
        date=iso, language=language, reading_minutes=minutes, excerpt=excerpt,
    ), problems)


def _lead_of(body: str, facts: tuple[Fact, ...], language: str) -> str:
    return summary_of(body, facts, language) or lead(body, language)


def _section_and_tags(front: FrontMatter, fields: Fields) -> tuple[str | None, tuple[str, ...]]:
    """The first category is the section; further ones and the tags are tags."""
    categories = front.texts("categories", "category", "section", "カテゴリ", "カテゴリー", spaced=True)
    given = [*front.texts("tags", "tag", "keywords", "タグ"), *categories[1:]] or list(fields.tags())
    section = categories[0] if categories else fields.values.get("category")
    tags = (clean_line(tag).lstrip("#＃").strip() for tag in given)
    return (title_of(section) or None) if section else None, tuple(dict.fromkeys(tag for tag in tags if tag))


def _date(front: FrontMatter, fields: Fields, headline: str, context: Context) -> tuple[str | None, tuple[Problem, ...]]:
    """The date of front matter, else of the labels, else of a report's own title."""
    for name in ("date", "published", "publish_date", "published_at", "pubdate", "pub_date", "date_published", "公開日", "日付", "created"):
        if (given := front.text(name)) is None and not isinstance(front.fields.get(name), list | dict):
            continue
        iso = find_date(given or "")
        if iso is None:
            text = clean_line(given or str(type(front.fields[name]).__name__))[:60]
            return None, (Problem(context.where, _("“%(text)s” is no date; the story is kept without one", text=text), front.lines.get(name),
                                  _("write it as 2026-03-02 or 2026年3月2日")),)
        return iso, ()
    if "date" in fields.values:
        return fields.date, problems_of(fields, context.where)
    titled = find_date(headline) if looks_like_report(headline) or is_only_date(headline[:11].rstrip()) else None
    return titled, ()


def _image(front: FrontMatter) -> tuple[str | None, str | None]:
    alt = _plain(front.text("image_alt", "alt") or front.part("image", "alt", "caption"))
    for name in ("image", "cover", "thumbnail", "og_image", "featured_image", "eyecatch"):
        url = front.text(name) or front.part(name, "path", "url", "src", "feature", "image")
        if url and is_web_url(url):
            return url, alt
    return None, None


def _author(front: FrontMatter) -> str | None:
    named = front.text("author", "authors", "著者") or front.part("author", "name") or "、".join(front.texts("authors", "author"))
    return _plain(named)


def _plain(text: str | None) -> str | None:
    return plain_line(clean_markdown(text)) or None if text else None


def _address(front: FrontMatter, *names: str) -> str | None:
    return next((url for name in names if (text := front.text(name)) and (url := safe_target(text)) and is_web_url(url)), None)
