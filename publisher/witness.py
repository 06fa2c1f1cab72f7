"""What the state folder knows of a database: how often it had begun and ended sending when this machine saw it last.

The file is written whole or not at all, and holds its own mark: a copy of it, or one brought back from a backup, holds another file's.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.whereabouts import mark_of, moved

STATE_FILE = "primary.json"
_LOCK_FILE = "primary.lock"


@dataclass(frozen=True, slots=True)
class Known:
    """What was seen of one database: its count, and its address as a hash."""

    count: int
    address: str


@dataclass(frozen=True, slots=True)
class Notes:
    """What the state folder says of each database, by its line. `copied`: the file is not the one that we wrote, but a copy of it."""

    lines: Mapping[str, Known] = field(default_factory=dict)
    copied: bool = False

    def others(self, address: str, line: str | None) -> list[str]:
        """The lines of other databases that were seen at this address."""
        return [name for name, known in self.lines.items() if known.address == address and name != line]


def read_notes(folder: Path) -> Notes:
    """What is noted in `folder`; a damaged file is as good as a lost one. Raises PublisherError for one that may not be read."""
    path = folder / STATE_FILE
    try:
        text, mark, again = path.read_bytes(), mark_of(path), path.read_bytes()
        while text != again:
            # Another process replaced the file between the reading and the look at it.
            text, mark, again = again, mark_of(path), path.read_bytes()
    except FileNotFoundError:
        return Notes()
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        stored = json.loads(text)
        return Notes({str(line): Known(int(one["count"]), str(one["address"])) for line, one in stored["lines"].items()},
                     copied=bool(moved(stored["mark"], mark)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Notes()


def write_note(folder: Path, line: str, known: Known, *, forget_others: bool = False) -> None:
    """Note a count, unless a higher one stands there: of several processes the last to write need not be the last to count.

    With `forget_others` no other database was ever seen at this address. Raises PublisherError when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The file stays: to delete a lock file is to let two processes lock two files of one name.
        lock = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            notes = read_notes(folder)
            left_out = notes.others(known.address, line) if forget_others else []
            before = notes.lines.get(line)
            if before is None or before.count < known.count or notes.copied or left_out:
                latest = known if before is None or before.count <= known.count else before
                _write(folder, {name: one for name, one in notes.lines.items() if name not in left_out} | {line: latest})
        finally:
            os.close(lock)
    except OSError as error:
        raise _unusable(folder / STATE_FILE, error) from error


def _write(folder: Path, lines: Mapping[str, Known]) -> None:
    """Whole or not at all, and on the disk before this returns."""
    descriptor, name = tempfile.mkstemp(prefix=".primary-", dir=folder)  # its owner's alone
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"mark": mark_of(Path(name)), "lines": {line: asdict(known) for line, known in lines.items()}}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, folder / STATE_FILE)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _unusable(path: Path, error: OSError) -> PublisherError:
    return PublisherError(_("%(path)s cannot be read or written, and nothing is sent without it: %(reason)s", path=path,
                            reason=error.strerror or str(error)),
                          remedy=_("make room on the disk, and let this program write to the folder paths.state"))
