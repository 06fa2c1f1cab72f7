"""What comes in is cleaned here, once: no control character, no direction override, no raw HTML and no dangerous link gets past."""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator

from publisher.text.rawhtml import without_html

# Line ends of other systems and of Unicode (UAX 14: VT, FF, NEL, LS, PS).
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# C0, C1, soft hyphen, zero-width space, direction marks and overrides (UTR 36, "Trojan Source"), invisible operators, private use (our slots
# stand there), byte order mark, annotations, lone surrogates, tags. Joiners (emoji, Indic) and ideographic variation selectors (names) stay.
_REMOVED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff\ue000-\uf8ff\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)
_SPACES = re.compile(r"\s+")
_WEB_OR_MAIL = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
_CODE = r"(?P<code>(?P<ticks>`{1,2})[^`\n]+(?P=ticks))"
# One level of brackets in the text and of parentheses in the address. Each alternative begins with another character: no backtracking to speak of.
_LINK = re.compile(
    _CODE + r"|(?P<image>!?)\[(?P<text>(?:[^\[\]\\]|\\.|\[[^\[\]]*\])*)\]\((?P<target>[^()\n]*(?:\([^()\n]*\)[^()\n]*)*)\)", re.DOTALL
)
_OPEN_LINK = re.compile(_CODE + r"|\]\((?!\s*<?(?:https?://|mailto:))", re.IGNORECASE)
_DEFINITION = re.compile(r"^[ \t>]*\[(?P<label>[^\[\]\n]{1,200})\]:[ \t]*<?(?P<target>[^\s<>]*)>?.*$", re.MULTILINE)
_REFERENCE = re.compile(_CODE + r"|(?P<text>\[[^\[\]\n]{1,500}\])(?:\[(?P<label>[^\[\]\n]{0,200})\])?(?![\[(:])")
_FOOTNOTE = re.compile(r"\[\^[^\[\]\s]{1,60}\]:?[ \t]?")


def clean_text(text: str) -> str:
    """`text` in NFC, its lines ended by a line feed, tabs and no-break spaces made spaces, without characters that show nothing or deceive."""
    text = _LINE_END.sub("\n", text).replace("\t", "    ").replace("\xa0", " ")
    return unicodedata.normalize("NFC", _REMOVED.sub("", text))


def clean_line(text: str) -> str:
    """`text` on one line: cleaned, and every run of white space one space."""
    return _SPACES.sub(" ", clean_text(text)).strip()


def clean_markdown(text: str) -> str:
    """Markdown without raw HTML, whose links lead to http, https or mail and nowhere else; code keeps its text. The number of lines stays."""
    text = clean_text(text)
    if "]:" in text:
        text = _resolve_references(text)
    return in_prose(text, lambda prose: _safe_links(without_html(prose)))


def in_prose(text: str, change: Callable[[str], str]) -> str:
    """`text` with `change` applied to all that is outside fenced code."""
    if "```" not in text and "~~~" not in text:
        return change(text)
    return "".join(part if code else change(part) for code, part in _by_fence(text))


def _by_fence(text: str) -> Iterator[tuple[bool, str]]:
    """The parts of `text`, each with whether it is fenced code (CommonMark 4.5); an unclosed fence reaches to the end."""
    part: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = fence_of(line)
        if not fence and mark:
            yield False, "".join(part)
            part, fence = [line], mark
        elif fence and mark.startswith(fence) and not line.strip().strip(fence[0]):
            yield True, "".join([*part, line])
            part, fence = [], ""
        else:
            part.append(line)
    yield bool(fence), "".join(part)


def fence_of(line: str) -> str:
    """The run of back-ticks or tildes that opens or closes fenced code on this line, or nothing."""
    text = line.strip()
    if not text.startswith(("```", "~~~")):
        return ""
    rest = text.lstrip(text[0])
    return "" if text[0] in rest else text[: len(text) - len(rest)]


def safe_target(target: str) -> str | None:
    """The address of a link's parentheses (`<url> "title"` or `url`), or None where it is neither http, https nor mail."""
    target = html.unescape(target).strip()
    target = target[1:].split(">")[0] if target.startswith("<") else (target.split() or [""])[0]
    return target if _WEB_OR_MAIL.match(target) else None


def _safe_links(prose: str) -> str:
    if "](" not in prose:
        return prose
    prose = _LINK.sub(_safe_link, prose)
    # What the pattern above does not understand (brackets within brackets) is no link any more once a space parts the two.
    return _OPEN_LINK.sub(lambda found: found["code"] or "] (", prose)


def _safe_link(found: re.Match[str]) -> str:
    if found["code"]:
        return found[0]
    text = found["text"]
    if "](" in text:  # a picture that is a link
        text = _LINK.sub(_safe_link, text)
    target = safe_target(found["target"])
    if target is None or (found["image"] and target[:7].lower() == "mailto:"):
        return "\n" * text.count("\n") if found["image"] else text
    return f"{found['image']}[{text}]({target})"


def _resolve_references(text: str) -> str:
    """`[text][label]` becomes `[text](address)`, so that a story cut out of its document keeps its links; footnote marks go."""
    targets: dict[str, str | None] = {}

    def _note(found: re.Match[str]) -> str:
        if found["label"].startswith("^"):
            return _FOOTNOTE.sub("", found[0], count=1)
        targets.setdefault(found["label"].strip().casefold(), safe_target(found["target"]))
        return ""

    def _resolve(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        label = (found["label"] or found["text"][1:-1]).strip().casefold()
        if label not in targets:
            return found[0]
        return f"{found['text']}({targets[label]})" if targets[label] else found["text"][1:-1]

    text = in_prose(text, lambda prose: _DEFINITION.sub(_note, prose))
    if targets:
        text = in_prose(text, lambda prose: _REFERENCE.sub(_resolve, prose))
    return in_prose(text, lambda prose: _FOOTNOTE.sub("", prose)) if "[^" in text else text
