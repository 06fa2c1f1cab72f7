"""An append-only file of intents and outcomes: what a killed process knew is read back before anything is sent.

One line a fact, one write for what is known at a moment: a kill loses no line that was written, and tears at most the last one. The file belongs to
one database (its identity stands in the name); after power loss what was written within the last 100 ms may be missing.
"""

import errno
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from publisher.db import Database
from publisher.deliver.verdict import Verdict
from publisher.errors import Busy, PublisherError
from publisher.i18n import _
from publisher.locks import hold
from publisher.models import Installation

SYNC_EVERY = 0.1  # seconds
_PATIENCE = 5.0
_INTENT, _FORGOTTEN = "intent", "forgotten"
_IDENTITY = "database"


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact about one delivery: an outcome, or None for an intent; `forgotten`: nothing of it left."""

    delivery_id: int
    at: datetime
    verdict: Verdict | None
    forgotten: bool = False


class Journal:
    """The journal of one slice of an issue; `write` is called by one thread. Raises Busy while another living process writes it.

    A second thread tells the disk to keep it, ten times a second, so that nobody who sends waits for that.
    """

    def __init__(self, folder: Path, database_identity: str, issue_id: int, number: int = 1) -> None:
        self.path = folder / f"issue-{issue_id}-{number}-{database_identity}.journal"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise PublisherError(_("the journal %(path)s cannot be opened: %(reason)s", path=self.path, reason=error.strerror),
                                 remedy=_("the folder paths.state must be writable")) from error
        self._lock()
        # A journal that was empty knows nothing: rows in mid-send belong to a process with a journal elsewhere.
        self.is_new = os.fstat(self._file).st_size == 0
        self._written, self._closing = threading.Event(), threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="journal", daemon=True)
        self._begin()
        self._keeper.start()

    def _lock(self) -> None:
        """Of two processes that think the slice theirs (one was cut from the database and does not know it yet) the second waits for the first."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(self._file)
                    raise Busy(_("another process is at work here (lock %(name)s)", name=self.path.name),
                               remedy=_("wait until it has finished, or stop it")) from None
            time.sleep(0.05)

    def _begin(self) -> None:
        self.write(b"begin\n")

    def write(self, lines: bytes) -> None:
        """Append lines, in one write. Raises OSError (disk full): then what they announce must not happen."""
        written = os.write(self._file, lines)
        if written != len(lines):
            raise OSError(errno.ENOSPC, f"only {written} of {len(lines)} bytes were written", str(self.path))
        self._written.set()

    def _keep(self) -> None:
        while not self._closing.wait(SYNC_EVERY):
            if self._written.is_set():
                self._written.clear()
                # What cannot be kept now (a disk that goes bad) cannot be written soon, and there it is seen.
                with suppress(OSError):
                    os.fdatasync(self._file)

    def entries(self) -> Iterator[Entry]:
        """Every fact in the order in which it was written: the last of a delivery counts. A torn line says nothing."""
        with self.path.open("r", encoding="utf-8", errors="replace") as file:
            for line in file:
                entry = _parse(line)
                if entry is not None:
                    yield entry

    def clear(self) -> None:
        """Forget everything: the database knows it now. A kill before this reads the same facts again, which changes nothing."""
        os.ftruncate(self._file, 0)
        self._begin()

    def close(self, *, settled: bool) -> None:
        """Close the file; a settled one is removed."""
        self._closing.set()
        self._keeper.join()
        with suppress(OSError):
            os.fdatasync(self._file)
        if settled:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


_spelled = lru_cache(maxsize=16)(datetime.isoformat)  # several lines tell of one moment


def intent_line(delivery_id: int, at: datetime) -> bytes:
    """Says that the first byte of this mail's body is about to leave."""
    return f"{delivery_id}\t{_INTENT}\t{_spelled(at)}\t\n".encode()


def outcome_line(delivery_id: int, verdict: Verdict, at: datetime) -> bytes:
    """Says what came of it."""
    reason = verdict.reason if verdict.reason.isprintable() else " ".join(verdict.reason.split())
    return f"{delivery_id}\t{verdict.state}\t{_spelled(at)}\t{reason}\n".encode()


def forgotten_line(delivery_id: int, at: datetime) -> bytes:
    """Says that nothing of this mail left after all."""
    return f"{delivery_id}\t{_FORGOTTEN}\t{at.isoformat()}\t\n".encode()


def _parse(line: str) -> Entry | None:
    parts = line.rstrip("\n").split("\t")
    if not line.endswith("\n") or len(parts) != 4 or not parts[0].isdigit():
        return None
    try:
        at = datetime.fromisoformat(parts[2]).astimezone(UTC)
    except ValueError:
        return None
    if parts[1] in (_INTENT, _FORGOTTEN):
        return Entry(int(parts[0]), at, None, parts[1] == _FORGOTTEN)
    if parts[1] not in ("accepted", "refused", "deferred", "unknown"):
        return None
    return Entry(int(parts[0]), at, Verdict(parts[1], parts[3]))  # type: ignore[arg-type]


def database_identity(database: Database, now: datetime) -> str:
    """A name of this database that no other has, made when it is first asked for."""
    return noted_once(database, _IDENTITY, uuid.uuid4().hex[:16], now)


def noted_once(database: Database, key: str, value: str, now: datetime) -> str:
    """What the database remembers under `key`: `value`, unless another process was first."""
    with database.reading() as session:
        known = session.get(Installation, key)
    if known is None:
        # Several processes may be the first at once.
        with hold(database.engine, "noted-once", wait=True), database.writing() as session:
            known = session.get(Installation, key) or Installation(key=key, value=value, noted_at=now)
            session.add(known)
    return known.value
