"""Turns the HTML of feeds into Markdown: sanitised first, then written with the few marks that a story needs."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import nh3

from publisher.text.clean import clean_text, safe_target

_TAGS = frozenset({
    "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "i", "strong", "b", "a", "img", "div",
    "section", "article", "tr", "td", "th", "table", "tbody", "thead", "dl", "dt", "dd", "figcaption"})
_NEVER = frozenset({
    "script", "style", "iframe", "noscript", "template", "object", "svg", "canvas", "form", "button", "select", "textarea", "video", "audio", "nav"})
_BLOCKS = frozenset({"p", "div", "section", "article", "tr", "dl", "dt", "dd", "table", "blockquote", "hr", "figcaption"})
_SPACES = re.compile(r"[ \t\r\n\f]+")
_MARKS = re.compile(r"([\\`*_\[\]])")
_LINE_START = re.compile(r"^([ ]*)(#{1,6}(?=\s)|[-+](?=\s)|\d{1,3}[.)](?=\s)|>)")


def html_markdown(source: str, base: str = "") -> str:
    """`source` as Markdown without raw HTML; relative links are taken from `base`, and those that lead nowhere safe leave their text."""
    safe = nh3.clean(clean_text(source), tags=set(_TAGS), clean_content_tags=set(_NEVER), attributes={"a": {"href"}, "img": {"alt", "src"}},
                     url_schemes={"http", "https", "mailto"}, link_rel=None, url_relative="pass_through")
    writer = _Writer(base)
    writer.feed(safe)
    writer.close()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in writer.text().split("\n"))).strip()


def html_line(source: str) -> str:
    """The text of `source` on one line, as a reader sees it."""
    collector = _Text()
    collector.feed(nh3.clean(clean_text(source), tags={"br", "p"}, clean_content_tags=set(_NEVER), attributes={}))
    collector.close()
    return _SPACES.sub(" ", "".join(collector.pieces)).strip()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


class _Writer(HTMLParser):
    """Writes Markdown while it reads; blocks are parted by a blank line, items by a line."""

    def __init__(self, base: str) -> None:
        super().__init__(convert_charrefs=True)
        self._base = base
        self._out: list[str] = []
        self._lists: list[int | None] = []  # the number of the next item, or None in a list without numbers
        self._links: list[tuple[int, str | None]] = []
        self._pre = 0

    def text(self) -> str:
        """What was written."""
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("ul", "ol"):
            self._out.append("" if self._lists else "\n\n")
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag == "pre":
            self._out.append("\n\n```\n")
            self._pre += 1
        elif tag in ("strong", "b"):
            self._out.append("**")
        elif tag[0] == "h" and tag[1:].isdecimal():
            self._out.append(f"\n\n{'#' * max(2, int(tag[1]))} ")
        elif tag == "br":
            self._out.append("  \n")
        elif tag == "a":
            self._links.append((len(self._out), self._target(given.get("href"))))
        elif tag == "img":
            self._picture(given)
        elif tag in ("td", "th"):
            self._out.append(" ")
        elif tag in _BLOCKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            if self._lists:
                self._lists.pop()
            self._out.append("\n" if self._lists else "\n\n")
        elif tag == "pre" and self._pre:
            self._pre -= 1
            self._out.append("\n```\n\n")
        elif tag in ("strong", "b"):
            self._close_bold()
        elif tag == "a" and self._links:
            self._close_link(*self._links.pop())
        elif tag in _BLOCKS or (tag[0] == "h" and tag[1:].isdecimal()):
            self._break()

    def handle_data(self, data: str) -> None:
        if self._pre:
            self._out.append(data.replace("```", "'''"))
            return
        text = _SPACES.sub(" ", data)
        at_start = not self._out or self._out[-1].endswith("\n")
        if at_start:
            text = text.lstrip(" ")
        if not text:
            return
        text = _MARKS.sub(r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")
        self._out.append(_LINE_START.sub(lambda found: f"{found[1]}{_escaped(found[2])}", text) if at_start else text)

    def _break(self) -> None:
        """A new paragraph; within an item a new line would end the item, so that a space serves."""
        if not self._lists:
            self._out.append("\n\n")
        elif self._out and not self._out[-1].endswith((" ", "\n")):
            self._out.append(" ")

    def _item(self) -> None:
        number = self._lists[-1] if self._lists else None
        indent = "    " * max(0, len(self._lists) - 1)
        if not self._out or not self._out[-1].endswith("\n"):
            self._out.append("\n")
        self._out.append(f"{indent}{f'{number}.' if number else '-'} ")
        if number and self._lists:
            self._lists[-1] = number + 1

    def _close_bold(self) -> None:
        opening = next((index for index in range(len(self._out) - 1, -1, -1) if self._out[index] == "**"), None)
        inner = "".join(self._out[opening + 1:]) if opening is not None else ""
        if opening is None:
            return
        if not inner.strip() or "\n" in inner:
            self._out[opening] = ""
        else:
            # CommonMark 6.2: a closing mark takes no space before it.
            self._out[opening + 1:] = [inner.strip(), "**", " " if inner.endswith(" ") else ""]

    def _close_link(self, start: int, target: str | None) -> None:
        text = "".join(self._out[start:]).strip()
        if target and text and "\n" not in text and "](" not in text:
            self._out[start:] = [f"[{text}]({target})"]

    def _target(self, href: str | None) -> str | None:
        try:
            target = safe_target(urljoin(self._base, href.strip())) if href and not href.startswith("#") else None
        except ValueError:  # brackets that hold no IPv6 address
            target = None
        return target.replace("(", "%28").replace(")", "%29").replace(" ", "%20").replace("<", "%3C").replace(">", "%3E") if target else None

    def _picture(self, given: dict[str, str | None]) -> None:
        target, alt = self._target(given.get("src")), _MARKS.sub(r"", given.get("alt") or "").replace("<", "").replace("\n", " ")
        # Pictures of one pixel count readers; they have no description.
        if target and alt.strip() and target.lower().startswith("http"):
            self._out.append(f"![{alt.strip()}]({target})")


def _escaped(mark: str) -> str:
    return f"{mark[:-1]}\\{mark[-1]}" if mark[0].isdecimal() else f"\\{mark}"
