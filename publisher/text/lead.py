"""Makes plain text of Markdown, and of a body its lead: the first paragraph of prose, in whole sentences."""

import html
import re
from functools import lru_cache

from publisher.text.clean import clean_line, clean_text, fence_of

# A lead is long enough at the first figure and at most as long as the second; a single sentence is cut only past the third. Japanese
# characters, and for other languages characters as well (60 words are about 360).
_LENGTHS = {"ja": (120, 200, 300), "en": (240, 380, 560)}
_SCANNED = 6000
_LINK = re.compile(r"!?\[((?:[^\[\]\\]|\\.|\[[^\[\]]*\])*)\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\[\]]*\]\([^()\n]*\)")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_EMPHASIS = re.compile(r"\*\*+|(?<!\d)\*(?=\S)|(?<=\S)\*(?!\d)|(?<![A-Za-z0-9_])_+(?=[^\s_])|(?<=[^\s_])_+(?![A-Za-z0-9_])|~~|`+")
_LINE_MARK = re.compile(r"^[ ]*(?:(?:#{1,6}|>|[-*+•]|\d{1,3}[.)])[ ]+)+", re.MULTILINE)
_RULE = re.compile(r"^[ ]*(?:(?:[-*_][ ]*){3,}|\|?[ ]*:?-{2,}[-:| ]*|=+)$", re.MULTILINE)
_NO_PROSE = re.compile(r"\s*(?:#{1,6}(?:\s|$)|[-*+•・][ ]|\d{1,3}[.)．)]\s|[|]|>|\[[^\[\]]*\]\([^()]*\)\s*$|(?:[-*_][ ]*){3,}$|<|!\[)")
_SENTENCE_END = re.compile(r"[。!?！？.][\s\"'”’」』）)\]】]*$")
_OPENING, _CLOSING = "「『（【〈《", "」』）】〉》"
_ABBREVIATED = frozenset({"mr", "mrs", "ms", "dr", "no", "vs", "inc", "ltd", "co", "corp", "st", "e.g", "i.e"})
_BREAK = "、，,;；：: 　はがをにで"


def plain(markdown: str) -> str:
    """The text of Markdown as a reader sees it, without marks; lines and paragraphs stay where they were."""
    text = _PICTURE.sub("", markdown) if "![" in markdown else markdown
    text = _LINK.sub(r"\1", text) if "](" in text else text
    # An escaped mark waits among private-use characters, which cleaned text has not got, while the marks are taken away.
    text = _ESCAPED.sub(lambda found: chr(0xE100 + ord(found[1])), text) if "\\" in text else text
    text = _LINE_MARK.sub("", _RULE.sub("", text))
    text = _EMPHASIS.sub("", text)
    text = re.sub("[\ue100-\ue17f]", lambda found: chr(ord(found[0]) - 0xE100), text)
    return clean_text(html.unescape(text)).strip()


def as_markdown(text: str) -> str:
    """Plain `text` as Markdown: what looks like a tag stays text."""
    return text.replace("<", "&lt;")


@lru_cache(maxsize=4096)
def plain_line(markdown: str) -> str:
    """`plain` on one line: a headline, a label, a value."""
    return clean_line(plain(clean_line(markdown)))


def lead(body_markdown: str, language: str) -> str:
    """The first paragraph of prose in `body_markdown`, as plain text in whole sentences; empty where there is no text at all.

    Headings, lists, quotations, tables, pictures and code are no prose. Where nothing else is there, the first lines of whatever is there serve.
    """
    short = fallback = ""
    for paragraph in _paragraphs(body_markdown):
        text = join_lines(plain(paragraph), language)
        if not text:
            continue
        fallback = fallback or text
        if _NO_PROSE.match(paragraph) or not _SENTENCE_END.search(text):
            continue
        if len(text) >= (30 if language == "ja" else 60):
            return shorten(text, language)
        short = short or text
    return shorten(short or fallback, language)


def shorten(text: str, language: str) -> str:
    """`text` (plain, one line) cut to whole sentences; a sentence of its own that is far too long is cut at a phrase, with …"""
    enough, most, longest = _LENGTHS["ja" if language == "ja" else "en"]
    taken = ""
    for sentence in sentences(text[:_SCANNED]):
        if taken and len(taken) + len(sentence) > most:
            break
        taken += sentence
        if len(taken) >= enough:
            break
    taken = taken.strip()
    return taken if len(taken) <= longest else _cut(taken, most)


def sentences(text: str) -> list[str]:
    """The sentences of `text`, which joined give `text` again. A full stop within brackets ends none, unless a bracket is never closed."""
    nested = _split(text, heed_brackets=True)
    return nested if len(nested) > 1 or not any(mark in text for mark in _OPENING) else _split(text, heed_brackets=_balanced(text))


def join_lines(text: str, language: str) -> str:
    """The lines of one paragraph as one line; Japanese takes no space between them."""
    lines = [line.strip() for line in text.split("\n")]
    joined = ""
    for line in filter(None, lines):
        wide = joined and (ord(joined[-1]) > 0x2E7F or ord(line[0]) > 0x2E7F)
        joined += ("" if not joined or wide and language == "ja" else " ") + line
    return joined


def _balanced(text: str) -> bool:
    return all(text.count(opening) == text.count(closing) for opening, closing in zip(_OPENING, _CLOSING, strict=True))


def _split(text: str, *, heed_brackets: bool) -> list[str]:
    found: list[str] = []
    start = depth = 0
    for index, char in enumerate(text):
        if heed_brackets and char in _OPENING:
            depth += 1
        elif heed_brackets and char in _CLOSING:
            depth = max(0, depth - 1)
        elif depth == 0 and _ends(text, index):
            end = index + 1
            while end < len(text) and text[end] in "。！？!?.\"”’')」』）":
                end += 1
            while end < len(text) and text[end].isspace():
                end += 1
            if end > start:
                found.append(text[start:end])
                start = max(end, start)
    return [*found, text[start:]] if start < len(text) else found


def _ends(text: str, index: int) -> bool:
    """Whether a sentence ends with the mark at `index`. "U.S. firms", "No. 5" and "3.5" do not end there."""
    char = text[index]
    if char in "。！？":
        return True
    if char not in ".!?" or (index + 1 < len(text) and not text[index + 1].isspace() and text[index + 1] not in "\"”’')"):
        return False
    if char != ".":
        return True
    word = re.search(r"[\w.]*$", text[max(0, index - 12):index])
    before = word[0] if word else ""
    following = text[index + 1:index + 3].strip("\"”’') ")
    abbreviation = "." in before or (len(before) == 1 and before.isupper()) or before.lower() in _ABBREVIATED
    return not abbreviation or not following


def _cut(text: str, most: int) -> str:
    """`text` up to a border of phrases before `most`, and …"""
    head = text[:most - 1]
    for index in range(len(head) - 1, len(head) * 2 // 3, -1):
        if head[index] in _BREAK:
            return head[:index + 1].rstrip("、，,;；：: 　") + "…"
    return head.rstrip() + "…"


def _paragraphs(body: str) -> list[str]:
    """The paragraphs of the beginning of `body`, fenced code left out, each heading on its own."""
    found: list[list[str]] = [[]]
    fence = ""
    size = 0
    for line in body[:40 * _SCANNED].split("\n"):
        mark = fence_of(line)
        if fence or mark:
            fence = "" if fence and mark.startswith(fence) else fence or mark
            found.append([])
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            found += [[line], []] if line.strip() else [[]]
            continue
        found[-1].append(line)
        size += len(line)
        if size > 4 * _SCANNED:
            break
    return ["\n".join(lines) for lines in found if lines]
