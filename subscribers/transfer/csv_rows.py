"""The rows of a file of readers, one at a time whatever its size: encoding, delimiter and columns are found, a broken row costs one row."""

import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

from publisher.errors import BadInput
from publisher.i18n import _
from subscribers.transfer.columns import Columns, find_columns

# Longer than any row of readers; a file without line ends must not fill the memory.
_LONGEST_LINE = 64 * 1024
# A quoted field may go over lines, but a quote that is never closed must not eat the file.
_LINES_OF_A_ROW = 50
_DELIMITERS = ",;\t"
# Bytes that are none in the file's encoding: kept so that a refused row can be written as it stood (PEP 383).
_BROKEN = re.compile("[\ufffd\udc80-\udcff]")
# Some programs tell Excel the delimiter on a line before the first.
_HINT = re.compile(r'"?sep=.?"?', re.IGNORECASE)
_EMPTY = ' \t\r\n"\u3000'


class Record(NamedTuple):
    """One row: where it begins, as it stood, and its cells; without cells `reason` says what is wrong with it."""

    line: int
    raw: str
    cells: list[str] | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a first look at a file tells."""

    encoding: str
    lines: int


@dataclass(frozen=True, slots=True)
class Head:
    """What the first line tells: it itself, how cells are parted (nothing: JSON lines), and which column is what."""

    line: str
    delimiter: str
    columns: Columns
    names: tuple[str, ...]


def look(file: BinaryIO) -> Shape:
    """The encoding of `file` and the number of its lines; leaves the file at its beginning.

    Text that is not UTF-8 is CP932. Most lines decide, so that one broken line costs one line and not the names of all the others.
    """
    lines = valid = invalid = 0
    start = file.read(3)
    file.seek(0)
    while line := file.readline(_LONGEST_LINE):
        lines += 1
        if not line.isascii():
            try:
                line.decode("utf-8")
                valid += 1
            except UnicodeDecodeError:
                invalid += 1
    file.seek(0)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Shape("utf-16", lines)
    if valid < invalid:
        return Shape("cp932", lines)
    return Shape("utf-8-sig" if start == b"\xef\xbb\xbf" else "utf-8", lines)


class Sheet:
    """An open file of readers: its head, and its rows when it is iterated, once. Raises BadInput when the first line names no column of addresses."""

    def __init__(self, file: BinaryIO, shape: Shape, where: str) -> None:
        self.encoding, self.where = shape.encoding, where
        self._text = io.TextIOWrapper(file, shape.encoding, errors="replace" if shape.encoding == "utf-16" else "surrogateescape", newline=None)
        self._lines = _lines(self._text)
        first = next(self._lines, "")
        # In JSON a quote may stand alone on its line, so that records are not what they are in CSV.
        found = _json_head(first)
        self._records = _records(chain([first] if first else [], self._lines)) if found is None else iter(())
        self._first = first
        self.head = found or _head(self._records, where)

    def __iter__(self) -> Iterator[Record]:
        try:
            if self.head.delimiter:
                for line, raw in self._records:
                    found = _record(line, raw, self.head.delimiter)
                    if found is not None:
                        yield found
            else:
                yield from _objects(self._first, self._lines, self.head.names)
        finally:
            self._text.detach()


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_LONGEST_LINE):
        yield line
        while len(line) >= _LONGEST_LINE and not line.endswith("\n"):
            line = text.readline(_LONGEST_LINE)


def _records(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    """The records with the line on which each begins. A quote that no later line closes leaves a record of one line."""
    waiting, number = deque[str](), 1
    while True:
        record = waiting.popleft() if waiting else next(lines, None)
        if record is None:
            return
        if '"' not in record:
            yield number, record
            number += 1
            continue
        quotes, taken = record.count('"'), 0
        while quotes % 2 and taken < _LINES_OF_A_ROW:
            if taken == len(waiting):
                more = next(lines, None)
                if more is None:
                    break
                waiting.append(more)
            quotes += waiting[taken].count('"')
            taken += 1
        if quotes % 2:
            taken = 0
        yield number, record + "".join(waiting.popleft() for _line in range(taken))
        number += 1 + taken


def _json_head(first: str) -> Head | None:
    """The head of a file of JSON lines, whose first line is a row already; None for any other file."""
    names = tuple(_object(first) or ()) if first.startswith("{") else ()
    columns = find_columns(names)
    return Head("", "", columns, names) if columns is not None else None


def _head(records: Iterator[tuple[int, str]], where: str) -> Head:
    """The head of a CSV file. Raises BadInput."""
    remedy = _("the first line must name the columns: email,name")
    first = next(records, None)
    if first is not None and _HINT.fullmatch(first[1].strip()):
        first = next(records, None)
    if first is None or not first[1].strip():
        raise BadInput(where, _("the file is empty, or its first line is"), remedy=remedy)
    for delimiter in _DELIMITERS:
        cells = _cells(first[1], delimiter) or []
        columns = find_columns(cells)
        if columns is not None:
            return Head(first[1].rstrip("\r\n"), delimiter, columns, tuple(cells))
    raise BadInput(where, _("no column is called email"), line=1, remedy=remedy)


def _record(line: int, raw: str, delimiter: str) -> Record | None:
    if not raw.strip(delimiter + _EMPTY):
        return None
    if not raw.isascii() and _BROKEN.search(raw):
        return Record(line, raw, None, _("characters cannot be read in the encoding of this file"))
    if len(raw) >= _LONGEST_LINE:
        return Record(line, raw, None, _("the row is too long"))
    if '"' not in raw:
        return Record(line, raw, raw.rstrip("\n").split(delimiter))
    read = _cells(raw, delimiter)
    return Record(line, raw, read) if read is not None else Record(line, raw, None, _("a quote is not closed, or stands in the wrong place"))


def _cells(record: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([record], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _objects(first: str, lines: Iterator[str], names: tuple[str, ...]) -> Iterator[Record]:
    number, line = 1, first
    while line:
        if line.strip():
            found = _object(line) if not _BROKEN.search(line) else None
            yield (Record(number, line, [_text(found.get(name)) for name in names]) if found is not None
                   else Record(number, line, None, _("this line is no JSON object")))
        number, line = number + 1, next(lines, "")


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: object) -> str:
    """A value of JSON as a cell says it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
