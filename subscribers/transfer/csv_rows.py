"""The rows of a file of readers, one at a time whatever its size: encoding, delimiter and columns are found, a broken row costs one row."""

import csv
import io
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from publisher.errors import BadInput, Problem
from publisher.i18n import _

# Longer than any row of readers; a file without line ends must not fill the memory.
_LONGEST_LINE = 64 * 1024
# A quoted field may go over lines, but a quote that is never closed must not eat the file.
_LINES_OF_A_ROW = 50
_EMAIL = {"email", "e-mail", "mail", "email address", "e-mail address", "メールアドレス", "メール"}
_NAME = {"name", "full name", "名前", "お名前", "氏名"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it begins, and its two columns."""

    line: int
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What a first look at a file tells."""

    encoding: str
    lines: int


def look(file: BinaryIO) -> Shape:
    """The encoding of `file` and the number of its lines; leaves the file at its beginning.

    Text that is not UTF-8 is CP932. Most lines decide, so that one broken line costs one line and not the names of all the others.
    """
    lines = valid = invalid = 0
    start = file.read(2)
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
    if start in (b"\xff\xfe", b"\xfe\xff"):
        return Shape("utf-16", lines)
    return Shape("utf-8-sig" if valid >= invalid else "cp932", lines)


def rows(file: BinaryIO, shape: Shape, where: str) -> Iterator[Row | Problem]:
    """Each row of the file, or what is wrong with it. Raises BadInput when the first line names no column of addresses."""
    text = io.TextIOWrapper(file, shape.encoding, errors="replace")
    try:
        records = _records(text)
        delimiter, columns = _header(next(records, None), where)
        for line, record in records:
            found = _row(line, record, delimiter, columns, where)
            if found is not None:
                yield found
    finally:
        text.detach()


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_LONGEST_LINE):
        yield line
        while len(line) >= _LONGEST_LINE and not line.endswith("\n"):
            line = text.readline(_LONGEST_LINE)


def _records(text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    """The records with the line on which each begins. A quote that no later line closes leaves a record of one line."""
    lines, waiting, number = _lines(text), deque[str](), 1
    while True:
        record = waiting.popleft() if waiting else next(lines, None)
        if record is None:
            return
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


def _header(first: tuple[int, str] | None, where: str) -> tuple[str, dict[str, int]]:
    """The delimiter, and the places of `email` and `name`."""
    if first is None or not first[1].strip():
        raise BadInput(where, _("the file is empty, or its first line is"), remedy=_HEADER())
    for delimiter in ",;\t":
        cells = [unicodedata.normalize("NFKC", cell).strip().casefold() for cell in _cells(first[1], delimiter) or ()]
        columns = {name: cells.index(found) for name, known in (("email", _EMAIL), ("name", _NAME))
                   if (found := next((cell for cell in cells if cell in known), None)) is not None}
        if "email" in columns:
            return delimiter, columns
    raise BadInput(where, _("no column is called email"), line=1, remedy=_HEADER())


def _HEADER() -> str:
    return _("the first line must name the columns: email,name")


def _row(line: int, record: str, delimiter: str, columns: dict[str, int], where: str) -> Row | Problem | None:
    if not record.strip(delimiter + ' \t\r\n"\u3000'):
        return None
    if "\ufffd" in record:
        return Problem(where, _("characters cannot be read in the encoding of this file"), line)
    if len(record) >= _LONGEST_LINE:
        return Problem(where, _("the row is too long"), line)
    cells = _cells(record, delimiter)
    if cells is None:
        return Problem(where, _("a quote is not closed, or stands in the wrong place"), line)
    email, name = (cells[place] if (place := columns.get(column, -1)) in range(len(cells)) else "" for column in ("email", "name"))
    return Row(line, email, name)


def _cells(record: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([record], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None
