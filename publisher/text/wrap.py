"""Wraps text at a width in columns: Japanese by phrase and with kinsoku, other languages by word, addresses never."""

import re
import unicodedata

import regex

from publisher.text.phrases import clusters, phrases

WIDTH = 70
_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_ADDRESS = re.compile(r"https?://[!-~]+")
_HALF_MARKS = "\uff9e\uff9f"


def columns(text: str) -> int:
    """The columns `text` takes in a terminal (UAX 11).

    Characters of ambiguous width (…, ·, Greek) count 2, as Japanese terminals show them: a line may be shorter than it could be, never longer.
    """
    return sum(_columns(found) for found in regex.findall(r"\X", text))


def _columns(grapheme: str) -> int:
    if grapheme.isascii():
        return len(grapheme)
    widest = max(_width(char) for char in grapheme)
    widest = 2 if "\ufe0f" in grapheme else widest
    # Half-width voicing marks extend the character before them and still take a column of their own.
    return widest + sum(mark in _HALF_MARKS for mark in grapheme[1:])


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WFA" else 1


def wrap(text: str, width: int = WIDTH) -> list[str]:
    """The lines of one paragraph, none wider than `width` except an address that is. Joined they give the text, up to spaces at the line ends.

    No line begins with 、。」 or ends with 「, and no last line holds a single character, wherever a break in another place allows it.
    """
    units = _units(_SPACE.sub(" ", text).strip(" "), width)
    ends: list[int] = []
    start = 0
    while start < len(units):
        start = _end_of_line(units, start, width)
        ends.append(start)
    _no_lonely_end(units, ends, width)
    starts = [0, *ends]
    return [_line(units, first, last) for first, last in zip(starts, ends, strict=False)]


def _units(text: str, width: int) -> list[tuple[str, bool]]:
    """The unbreakable parts of `text`, each with whether a phrase ends there."""
    found: list[tuple[str, bool]] = []
    for phrase in phrases(text):
        parts: list[str] = []
        for cluster in clusters(phrase):
            whole = _ADDRESS.match(cluster) or columns(cluster.rstrip(" ")) <= width
            parts += [cluster] if whole else regex.findall(r"\X", cluster)
        found += [(part, False) for part in parts[:-1]] + [(parts[-1], True)]
    return found


def _line(units: list[tuple[str, bool]], first: int, last: int) -> str:
    return "".join(text for text, _border in units[first:last]).strip(" ")


def _end_of_line(units: list[tuple[str, bool]], start: int, width: int) -> int:
    """Where the line that begins at `start` ends: at the last border of phrases that fits, else at the last unit that does."""
    taken, border = 0, 0
    for index in range(start, len(units)):
        text, is_border = units[index]
        if index > start and taken + columns(text.rstrip(" ")) > width:
            return border or index
        taken += columns(text)
        border = index + 1 if is_border else border
    return len(units)


def _no_lonely_end(units: list[tuple[str, bool]], ends: list[int], width: int) -> None:
    """Move the last break back where the last line would hold one character."""
    if len(ends) < 2 or len(regex.findall(r"\X", _line(units, ends[-2], ends[-1]))) != 1:
        return
    start = ends[-3] if len(ends) > 2 else 0
    places = range(ends[-2] - 1, start, -1)
    for place in [place for place in places if units[place - 1][1]] or list(places):
        if columns(_line(units, place, ends[-1])) <= width:
            ends[-2] = place
            return
