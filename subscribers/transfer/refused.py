"""The rows that were refused, as they stood, each with the reason beside it: a file that can be mended and imported."""

import csv
import io
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from publisher.errors import BadInput
from publisher.i18n import _
from subscribers.transfer.csv_rows import Record, Sheet

REASON = "reason"


class RefusedFile:
    """Writes refused rows to `path` in the encoding they came in, readable by its owner alone. Without a refused row there is no file.

    Raises BadInput when `path` is the file that is imported, or its folder is not there.
    """

    def __init__(self, path: Path, source: Path) -> None:
        if path.exists() and path.samefile(source):
            raise BadInput(str(path), _("this is the file that is imported"), remedy=_("name another one for the refused rows"))
        if not path.absolute().parent.is_dir():
            raise BadInput(str(path.parent), _("there is no such file or folder"))
        self.path, self.rows = path, 0
        self._out: IO[str] | None = None

    def __enter__(self) -> Self:
        # What an earlier run refused is not what this one does.
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._out is not None:
            self._out.close()

    def add(self, sheet: Sheet, record: Record, reason: str) -> None:
        """Keep one row."""
        # A reason in a script that the file's encoding does not know must not stop the import.
        reason = reason.encode(sheet.encoding, "replace").decode(sheet.encoding)
        self._out = self._out or self._open(sheet)
        self._out.write(_object(record, reason) if not sheet.head.delimiter else _row(record, reason, sheet.head.delimiter, len(sheet.head.names)))
        self.rows += 1

    def _open(self, sheet: Sheet) -> IO[str]:
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        out = os.fdopen(handle, "w", encoding=sheet.encoding, errors="replace" if sheet.encoding == "utf-16" else "surrogateescape", newline="")
        if sheet.head.delimiter:
            out.write(f"{sheet.head.line}{sheet.head.delimiter}{REASON}\n")
        return out


def _row(record: Record, reason: str, delimiter: str, width: int) -> str:
    raw = record.raw.rstrip("\r\n")
    # A row whose quotes do not match would take the next rows with it: it becomes one cell.
    row = raw if record.cells is not None or '"' not in raw else _line([raw, *[""] * (width - 1)], delimiter)
    if record.cells is not None and row == raw:
        # A row that is too short would have its reason read under the name of another column.
        row += delimiter * (width - len(next(csv.reader([raw], delimiter=delimiter), [])))
    return f"{row}{delimiter}{_line([reason], delimiter)}\n"


def _line(cells: list[str], delimiter: str) -> str:
    made = io.StringIO()
    csv.writer(made, delimiter=delimiter, lineterminator="").writerow(cells)
    return made.getvalue()


def _object(record: Record, reason: str) -> str:
    if record.cells is None:
        return record.raw if record.raw.endswith("\n") else record.raw + "\n"
    return json.dumps(json.loads(record.raw) | {REASON: reason}, ensure_ascii=False) + "\n"
