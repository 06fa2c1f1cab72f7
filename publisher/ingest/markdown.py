"""Reads the outline of a document: its headings, what stands under each, and which lines are code; site-building marks are gone before."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from publisher.text.clean import clean_markdown, clean_text, fence_of, in_prose
from publisher.text.lead import plain_line
from publisher.text.rawhtml import without_html

_LIQUID = re.compile(r"(?P<code>(?P<ticks>`{1,2})[^`\n]+(?P=ticks))|\{%-?\s*(?P<tag>\w*)|\{\{")
_WITH_CONTENT = ("comment", "schema", "javascript", "stylesheet")
# kramdown: attribute lists `{: .note #id}`, extensions `{::nomarkdown}`, and the identifier at the end of a heading.
_ATTRIBUTES = re.compile(r"^[ ]*[*+-] +[^\n]{0,80}\n[ ]*\{:{1,2} ?toc\b[^{}\n]*\}[ ]*$|\{:{1,2}[^{}\n]*\}", re.MULTILINE)
_HEADING_ATTRIBUTE = re.compile(r"[ ]*\{[#.:][^{}\n]*\}[ ]*$")
_IN_PAGE_ITEM = re.compile(r"^[ ]*(?:[-*+•]|\d{1,3}[.)])[ ]+\[[^\[\]\n]*\]\(#[^()\n]*\)[ ]*$", re.MULTILINE)
# What opens a story in reports that set their headings as bold lines, signs or lenticular brackets.
_BOLD_LINE = re.compile(r"(?:\*\*(?P<bold>[^*\n]{2,200})\*\*|[■◆▼●★□◇][ \u3000]*(?P<sign>[^\n]{2,120})|【(?P<lens>[^【】\n]{2,120})】)")
_ENDS_LIKE_LABEL = (":", "：")
EMOJI = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\u3030\u303d\U0001f000-\U0001faff\ufe0f\u200d\u20e3"
_PICTOGRAM = re.compile(
    "[\U0001f000-\U0001faff\ufe0f\u20e3\u231a\u231b\u23e9-\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a0\u26a1\u26aa\u26ab"
                        "\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757"
                        "\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55]|(?<=[^\\w])\u200d")
_KEYCAP = re.compile("^[0-9#*]\ufe0f?\u20e3[ ]*|^\U0001f51f[ ]*")
_LEADING_SIGNS = re.compile(f"^[{EMOJI}\u25a0-\u25ff\u2022\u30fb|:：・-]+[ ]*")
_NUMBER = re.compile(
    r"^(?:(?:ニュース|トピックス?|記事|項目|[Ss]tory|STORY|[Nn]ews|[Tt]opic|[Ii]tem|[Nn]o\.?|第)[ ]*)?[#＃]?[(（\[【]?(?P<number>[0-9０-９]{1,3})"
    r"(?:[)）\]】]|[.．、](?![0-9０-９])|[:：](?![0-9０-９]))[.．:：]?[ ]*|^[①-⑳❶-❿⓪㉑-㉟][ ]*"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """One heading: its level (1 to 6; a line set in bold counts as 7), its text with inline marks, and its lines from `line` to before `after`."""

    level: int
    text: str
    line: int
    after: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A document by its lines: which are code, and the headings in order. `parents` holds the index of the heading each stands under,
    `title` that of the one that is the title of the whole: the first, where it stands on top and is above all others or of level 1."""

    lines: Sequence[str]
    code: Sequence[bool]
    headings: Sequence[Heading]
    parents: Sequence[int | None]
    title: int | None

    def ancestors(self, index: int) -> list[int]:
        """The headings that heading `index` stands under, the nearest first."""
        found: list[int] = []
        above = self.parents[index]
        while above is not None:
            found.append(above)
            above = self.parents[above]
        return found

    def own_end(self, index: int) -> int:
        """The line at which the text directly under heading `index` ends: the next heading, whatever its level."""
        return self.headings[index + 1].line if index + 1 < len(self.headings) else len(self.lines)


def clean_document(text: str) -> str:
    """`text` without Liquid, kramdown attributes and raw HTML, in as many lines as before. Where all of it is one HTML block, its text stays."""
    text = clean_text(text)
    if "{" in text:
        text = in_prose(text, _without_liquid)
        text = in_prose(text, lambda prose: _ATTRIBUTES.sub(lambda found: "\n" * found[0].count("\n"), prose))
    if "](#" in text:
        text = in_prose(text, lambda prose: _IN_PAGE_ITEM.sub("", prose))
    cleaned = clean_markdown(text)
    if "<" in text and not _says_something(cleaned):
        cleaned = clean_markdown(in_prose(text, lambda prose: without_html(prose, keep_blocks=True)))
    return cleaned


def _says_something(text: str) -> bool:
    return any(line.strip(" -*_=>|") and not line.lstrip().startswith("#") for line in text.split("\n"))


def _without_liquid(prose: str) -> str:
    """`prose` without `{% … %}` and `{{ … }}`; a comment goes with what it holds. Each mark looks for its end once."""
    if "{%" not in prose and "{{" not in prose:
        return prose
    pieces: list[str] = []
    done = 0
    unclosed: set[str] = set()
    for found in _LIQUID.finditer(prose):
        if found["code"] or found.start() < done:
            continue
        close = "%}" if found["tag"] is not None else "}}"
        end = -1 if close in unclosed else prose.find(close, found.end())
        if end < 0:  # a tag that never ends goes with its line
            unclosed.add(close)
            end = prose.find("\n", found.end())
            end = len(prose) if end < 0 else end
        else:
            end += 2
            if found["tag"] in _WITH_CONTENT and found["tag"] not in unclosed:
                end = _content_end(prose, found["tag"], end, unclosed)
        pieces += [prose[done:found.start()], "\n" * prose.count("\n", found.start(), end)]
        done = end
    return "".join([*pieces, prose[done:]])


def _content_end(prose: str, tag: str, start: int, unclosed: set[str]) -> int:
    found = re.compile(r"\{%-?\s*end" + tag + r"\s*-?%\}").search(prose, start)
    if found is None:
        unclosed.add(tag)
        return start
    return found.end()


def outline(text: str) -> Outline:
    """The outline of `text`. ATX and setext headings count (CommonMark 4.2, 4.3), `##Heading` without a space too, and bold lines as level 7."""
    lines = text.split("\n")
    code = _code_lines(lines)
    headings: list[Heading] = []
    for index, line in enumerate(lines):
        if not code[index] and line and (found := _heading(lines, index)):
            if headings and headings[-1].after > found.line:
                continue
            headings.append(found)
    return Outline(lines, code, headings, _parents(headings), _title(lines, headings))


def _title(lines: Sequence[str], headings: Sequence[Heading]) -> int | None:
    if not headings or any(line.strip() and not line.startswith("---") for line in lines[:headings[0].line]):
        return None
    return 0 if headings[0].level == 1 or all(other.level > headings[0].level for other in headings[1:]) else None


def _code_lines(lines: Sequence[str]) -> list[bool]:
    code: list[bool] = []
    fence = ""
    for line in lines:
        mark = fence_of(line) if "`" in line or "~" in line else ""
        code.append(bool(fence or mark))
        if mark:
            fence = mark if not fence else ("" if mark.startswith(fence) and not line.strip().strip(fence[0]) else fence)
    return code


def _heading(lines: Sequence[str], index: int) -> Heading | None:
    line = lines[index]
    text = line.strip()
    if text.startswith("#") and len(line) - len(line.lstrip()) <= 3:
        rest = text.lstrip("#")
        level = len(text) - len(rest)
        # "#AI #news" is a line of tags; "##見出し" is a heading whose space was forgotten.
        if level <= 6 and (rest.startswith((" ", "\u3000")) or (rest and level > 1)):
            return Heading(level, _HEADING_ATTRIBUTE.sub("", rest.rstrip("# ") if rest.endswith("#") else rest).strip(), index, index + 1)
        return None
    if index + 1 < len(lines) and (under := lines[index + 1].strip()) and under[0] in "=-" and _underlines(lines, index, under):
        return Heading(1 if under[0] == "=" else 2, text, index, index + 2)
    if len(text) <= 300 and (found := _BOLD_LINE.fullmatch(text)):
        inner = (found["bold"] or found["sign"] or found["lens"]).strip()
        if not inner.endswith(_ENDS_LIKE_LABEL) and not (found["sign"] and inner.endswith("。")):
            return Heading(7, inner, index, index + 1)
    return None


def _underlines(lines: Sequence[str], index: int, under: str) -> bool:
    """Whether `under` makes the line above it a setext heading: a line on its own that is neither a label nor an item."""
    text = lines[index].strip()
    if set(under) != {under[0]} or len(under) < 3 or not text or len(text) > 120 or (index and lines[index - 1].strip()):
        return False
    return text[0] not in "-*+>|#" and not re.match(r"\*?\*?[^:：]{1,20}[:：]|\d{1,3}[.)] ", text)


def _parents(headings: Sequence[Heading]) -> list[int | None]:
    parents: list[int | None] = []
    open_headings: list[int] = []
    for index, heading in enumerate(headings):
        while open_headings and headings[open_headings[-1]].level >= heading.level:
            open_headings.pop()
        parents.append(open_headings[-1] if open_headings else None)
        open_headings.append(index)
    return parents


def title_of(heading: str) -> str:
    """A heading as a title: plain, on one line, without number and without emoji. What is nothing else than these stays as it is."""
    text = plain_line(heading)
    title = _PICTOGRAM.sub("", _KEYCAP.sub("", text)).strip()
    for _round in range(3):  # "🔹 1. ", "1. 🚀 ", "【1】🚀 "
        title = _NUMBER.sub("", _LEADING_SIGNS.sub("", title)).strip()
    return " ".join(title.split()) or text


def without_emoji(text: str) -> str:
    """`text` on one line without emoji."""
    return " ".join(_PICTOGRAM.sub("", _KEYCAP.sub("", text)).split()) or text
