"""An export as it was downloaded: a zip, a folder or one file. Nothing is unpacked to disk, nothing outside it is read."""

import csv
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self

from publisher.errors import BadInput
from publisher.i18n import _

# One post, and one list of all posts: larger ones are no newsletters.
LARGEST_TEXT, LARGEST_LIST = 20_000_000, 300_000_000
_LONGEST_CELL = 1_000_000


class Export:
    """The files of an export by their names, with / between folders. Raises BadInput for what cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        if path.is_file() and path.suffix.lower() == ".zip":
            try:
                self._zip = zipfile.ZipFile(path)
            except (zipfile.BadZipFile, OSError) as error:
                raise BadInput(str(path), _("this is no zip file, or it is damaged"), remedy=_("download the export again")) from error
            self._sizes = {entry.filename: entry.file_size for entry in self._zip.infolist() if not entry.is_dir()}
        elif path.is_dir():
            self._sizes = {found.relative_to(path).as_posix(): found.stat().st_size for found in sorted(path.rglob("*"))
                           if found.is_file() and not found.is_symlink()}
        elif path.is_file():
            self._sizes = {path.name: path.stat().st_size}
        else:
            raise BadInput(str(path), _("there is no such file or folder"))
        self.names = sorted(name for name in self._sizes if not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def where(self, name: str) -> str:
        """The file as messages call it."""
        return str(self.path) if len(self._sizes) == 1 and self.path.is_file() and self._zip is None else f"{self.path}/{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """The file `name`, which can be read from its beginning more than once. Raises BadInput."""
        try:
            with self._open(name) as file:
                yield file
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
            # What zipfile raises for a damaged member, a method it does not know, and a password.
            raise BadInput(self.where(name), _("this file of the zip is damaged or locked")) from error
        except OSError as error:
            raise BadInput(self.where(name), _("cannot be read: %(reason)s", reason=error.strerror or str(error))) from error

    def _open(self, name: str) -> Any:
        if self._zip is not None:
            return self._zip.open(name)
        return (self.path if self.path.is_file() else self.path / name).open("rb")

    def text(self, name: str, most: int = LARGEST_TEXT) -> str:
        """The file `name` as text; bytes that are no UTF-8 leave a mark. Raises BadInput when it has more than `most` bytes."""
        with self.open(name) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise BadInput(self.where(name), _("the file is larger than %(n)s MB", n=most // 1_000_000))
        return data.decode("utf-8-sig", "replace")

    def columns(self, name: str) -> set[str]:
        """The columns of the CSV file `name`, in small letters: by them a list of readers is told from other lists that hold addresses."""
        if not name.lower().endswith(".csv"):
            return set()
        with self.open(name) as file:
            first = file.readline(_LONGEST_CELL).decode("utf-8-sig", "replace")
        try:
            return {cell.strip().lower() for cell in next(csv.reader([first]), [])}
        except csv.Error:
            return set()

    def json(self, name: str) -> Any:
        """The file `name` read as JSON. Raises BadInput."""
        try:
            return json.loads(self.text(name, LARGEST_LIST))
        except (ValueError, RecursionError) as error:
            raise BadInput(self.where(name), _("this is no JSON: %(reason)s", reason=str(error))) from error

    def table(self, name: str) -> list[Mapping[str, str]]:
        """The rows of a small CSV file, by column. Raises BadInput."""
        csv.field_size_limit(_LONGEST_CELL)
        try:
            return [{key: value or "" for key, value in row.items() if isinstance(key, str)}
                    for row in csv.DictReader(io.StringIO(self.text(name, LARGEST_LIST)))]
        except csv.Error as error:
            raise BadInput(self.where(name), _("this is no CSV: %(reason)s", reason=str(error))) from error
