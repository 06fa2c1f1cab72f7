"""Finds the text files of a folder and tells which changed: an unchanged file is not even opened."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from publisher.errors import BadInput
from publisher.i18n import _
from publisher.ingest.decode import MAX_BYTES

SUFFIXES = frozenset({".md", ".markdown", ".txt", ".text"})
# What editors and systems leave beside a file while it is written; hidden files; and, as Jekyll has it, drafts and what is built.
_PASSED_OVER = re.compile(
    r"\.|.*~$|~\$|#.*#$|.*\.(?:swp|swo|tmp|temp|part|crdownload|bak|orig|rej)$|_drafts$|_site$|node_modules$|__MACOSX$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file as the folder shows it. `container` names it for ever: relative to publisher.toml where it is inside that folder."""

    path: Path
    container: str
    size: int
    mtime_ns: int


def container_of(path: Path, root: Path) -> str:
    """How a file is called in origins: relative to `root` (the folder of publisher.toml) where it is inside, else absolute."""
    named = path.relative_to(root) if path.is_relative_to(root) else path
    # Names that are no UTF-8 are shown with a mark; the file itself is opened by its true name.
    return os.fsencode(named.as_posix()).decode("utf-8", "replace")


def text_file(path: Path, root: Path) -> TextFile:
    """The file at `path`, whatever its suffix. Raises OSError."""
    path = path.resolve()
    stat = path.stat()
    return TextFile(path, container_of(path, root), stat.st_size, stat.st_mtime_ns)


def text_files(folder: Path, root: Path, *, without: frozenset[Path] = frozenset()) -> Iterator[TextFile]:
    """The text files of `folder` and of the folders in it, by name. Other files (pictures and so on) are not the newsroom's texts and are left alone.

    Links are not followed: what they lead to inside the folder is read there, and what is outside was not given to us. Folders of `without`
    belong to another source. Raises OSError where `folder` itself cannot be read.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in found:
        if _PASSED_OVER.match(entry.name) or entry.is_symlink():
            continue
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if path not in without:
                yield from _inner(path, root, without)
        elif path.suffix.lower() in SUFFIXES and entry.is_file(follow_symlinks=False):
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # gone since the folder was listed
                continue
            yield TextFile(path, container_of(path, root), stat.st_size, stat.st_mtime_ns)


def _inner(path: Path, root: Path, without: frozenset[Path]) -> Iterator[TextFile]:
    try:
        yield from text_files(path, root, without=without)
    except FileNotFoundError:  # a folder that went away while we looked
        return


def read_bytes(file: TextFile, where: str) -> bytes | None:
    """What stands in the file, or None while somebody is writing it: the next round reads it then. Raises BadInput where it cannot be read."""
    if file.size > MAX_BYTES:
        raise BadInput(where, _("the file is larger than 5 MB"), remedy=_("split it, or remove what is not text"))
    try:
        with file.path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
            stat = os.fstat(opened.fileno())
    except OSError as error:
        raise BadInput(where, _("cannot be read: %(reason)s", reason=error.strerror or error)) from error
    return data if (stat.st_size, stat.st_mtime_ns) == (file.size, file.mtime_ns) else None
