"""What the machine itself has to offer: a folder that can be written, and room on its disks."""

import errno
import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from publisher.doctor.finding import Finding, doubtful, right, wrong
from publisher.i18n import _
from publisher.settings import Settings

_MB = 1_000_000
# The outcomes of a million mails take about a hundred megabytes; below the first figure nothing should be begun.
_LEAST_FREE, _GOOD_FREE = 200 * _MB, 1000 * _MB


@dataclass(frozen=True, slots=True)
class Place:
    """A folder the newsroom writes to: why it cannot (empty when it can), whether it is there yet, and its disk with the bytes free on it."""

    path: Path
    fault: str
    there: bool
    free: int
    device: int = 0


def read_place(path: Path) -> Place:
    """Write something into the folder and take it away again; a folder that is not there yet is tried one higher."""
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    return Place(path, _fault(path, existing), existing == path, shutil.disk_usage(existing).free, existing.stat().st_dev)


def _fault(path: Path, existing: Path) -> str:
    if existing != path:
        return "" if os.access(existing, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"publisher doctor")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def judge_folder(place: Place) -> Finding:
    """Whether a folder can be written."""
    if place.fault:
        return wrong("folder", _("%(path)s cannot be written: %(reason)s", path=place.path, reason=place.fault),
                     _("give it to the user who runs publisher:"), f'sudo chown -R "$USER" {shlex.quote(str(place.path))}')
    if place.there:
        return right("folder", _("%(path)s can be written", path=place.path))
    return right("folder", _("%(path)s is made when it is needed", path=place.path))


def judge_room(place: Place) -> Finding:
    """Whether its disk has room."""
    room = _("%(n)s MB are free at %(path)s", n=f"{place.free // _MB:,}", path=place.path)
    if place.free < _LEAST_FREE:
        return wrong("disk", room, _("make room before anything is sent: a full disk stops an issue in the middle"))
    if place.free < _GOOD_FREE:
        return doubtful("disk", room, _("make room soon"))
    return right("disk", room)


def places(settings: Settings) -> list[Path]:
    """The folders that are written to: the state, and that of an SQLite database."""
    found = [settings.place(settings.paths.state)]
    if settings.database_url.startswith("sqlite:///"):
        found.append(Path(settings.database_url.removeprefix("sqlite:///")).parent)
    return list(dict.fromkeys(found))


def examine_machine(settings: Settings) -> list[Finding]:
    """The folders and their disks, each disk once."""
    found = [read_place(path) for path in places(settings)]
    disks = {place.device: place for place in reversed(found)}
    return [*map(judge_folder, found), *map(judge_room, reversed(disks.values()))]
