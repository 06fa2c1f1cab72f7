"""Takes raw HTML out of Markdown: blocks go with what they hold, inline tags go and their text stays, and code is left alone."""

import html
import re
from collections import defaultdict
from collections.abc import Iterator

# Elements whose content is never prose, wherever they stand.
_NEVER = frozenset({
    "script", "style", "iframe", "noscript", "template", "object", "embed", "svg", "canvas", "form", "button", "select", "textarea", "video", "audio",
    "picture", "math", "figure", "nav", "head", "title", "rt", "rp"})
# Elements that open an HTML block where a line begins with them (CommonMark 4.6, kind 6; kramdown takes all up to the closing tag).
_BLOCK = frozenset({
    "div", "table", "details", "aside", "footer", "header", "section", "article", "fieldset", "dialog", "menu", "center", "frameset", "ins",
    "address"})
_TAG = re.compile(
    r"(?P<code>(?P<ticks>`{1,2})[^`\n]+(?P=ticks))|<(?P<auto>(?:https?://|mailto:)[^<>\s]*)>"
    r"|<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*)(?P<attributes>(?=[\s/>])[^<>]*)>|<[!?][^<>]*>"
)
_COMMENT = re.compile(r"(?P<code>(?P<ticks>`{1,2})[^`\n]+(?P=ticks))|<!--")
_LOOSE = re.compile(r"(?P<code>(?P<ticks>`{1,2})[^`\n]+(?P=ticks))|<(?=[A-Za-z/!?])")
_HREF = re.compile(r"""\bhref\s*=\s*(?:"(https?://[^"]*)"|'(https?://[^']*)'|(https?://[^\s>]*))""", re.IGNORECASE)
_AS_MARKDOWN = re.compile(r"\bmarkdown\s*=\s*[\"']?(?:1|span|block)")


def without_html(prose: str, *, keep_blocks: bool = False) -> str:
    """`prose` without comments, tags and HTML blocks, in as many lines as before.

    With `keep_blocks` the text within blocks stays (never that of scripts and the like): for a document that is nothing but one block.
    """
    if "<" not in prose:
        return prose
    prose = _without_comments(prose)
    pieces: list[str] = []
    done = 0
    for start, end, instead in _changes(prose, keep_blocks=keep_blocks):
        if start < done:
            continue
        pieces += [prose[done:start], instead, "\n" * (prose.count("\n", start, end) - instead.count("\n"))]
        done = end
    pieces.append(prose[done:])
    # A "<" that is left and could open a tag (a piece of a broken one) is parted from what follows: no parser takes "< b" for a tag.
    return _LOOSE.sub(lambda found: found["code"] or "< ", "".join(pieces))


def _without_comments(prose: str) -> str:
    if "<!--" not in prose:
        return prose
    pieces: list[str] = []
    done = 0
    for found in _COMMENT.finditer(prose):
        if found["code"] or found.start() < done:
            continue
        end = prose.find("-->", found.end())
        if end < 0:  # unclosed: to the end of its paragraph
            end = prose.find("\n\n", found.end())
            end = len(prose) if end < 0 else end
        else:
            end += 3
        pieces += [prose[done:found.start()], "\n" * prose.count("\n", found.start(), end)]
        done = end
    return "".join([*pieces, prose[done:]])


def _changes(prose: str, *, keep_blocks: bool) -> Iterator[tuple[int, int, str]]:
    """What is cut, from where to where, and what comes instead, in order of place."""
    tags = [found for found in _TAG.finditer(prose) if not found["code"]]
    closing = _pairs(tags)
    addresses: dict[int, str] = {}
    for found in tags:
        name = (found["name"] or "").lower()
        close = closing.get(found.start())
        if found["auto"]:
            yield found.start(), found.end(), found["auto"].removeprefix("mailto:")
        elif found["end"]:
            address = addresses.get(found.start())
            yield found.start(), found.end(), f"]({address})" if address else ""
        elif name in _NEVER and (close or name in ("script", "style")):
            yield found.start(), close.end() if close else len(prose), ""
        elif name in _BLOCK and close and not keep_blocks and _at_line_start(prose, found) and not _AS_MARKDOWN.search(found["attributes"]):
            yield found.start(), close.end(), ""
        elif name == "a" and close and (href := _HREF.search(found["attributes"])):
            addresses[close.start()] = html.unescape(href[1] or href[2] or href[3]).replace(" ", "%20").replace("(", "%28").replace(")", "%29")
            yield found.start(), found.end(), "["
        else:
            yield found.start(), found.end(), _break(prose, found) if name == "br" else ""


def _pairs(tags: list[re.Match[str]]) -> dict[int, re.Match[str]]:
    """The closing tag of each opening one, by the opening one's place; each tag is looked at once."""
    opened: dict[str, list[re.Match[str]]] = defaultdict(list)
    pairs: dict[int, re.Match[str]] = {}
    for found in tags:
        if not found["name"]:
            continue
        name = found["name"].lower()
        if not found["end"]:
            opened[name].append(found)
        elif opened[name]:
            pairs[opened[name].pop().start()] = found
    return pairs


def _at_line_start(prose: str, found: re.Match[str]) -> bool:
    return not prose[prose.rfind("\n", 0, found.start()) + 1:found.start()].strip(" >")


def _break(prose: str, found: re.Match[str]) -> str:
    """What a `<br>` becomes: a new line, except in a heading or a row, which are one line each."""
    line = prose[prose.rfind("\n", 0, found.start()) + 1:found.start()].lstrip()
    return " " if line.startswith(("#", "|")) or prose[found.end():found.end() + 1] == "\n" else "\n"
