"""An append-only file of intents and outcomes: what a killed process knew is read back before anything is sent.

One line a fact, one write a line: a kill loses no line that was written, and tears at most the last one. The file belongs to one
database (its identity stands in the name); after power loss what was written within the last 100 ms may be missing.
"""

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from publisher.db import Database
from publisher.deliver.verdict import Verdict
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Installation

SYNC_EVERY = 0.1  # seconds
_INTENT = "intent"
_IDENTITY = "database"


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact about one delivery: an outcome, or None for an intent."""

    delivery_id: int
    at: datetime
    verdict: Verdict | None


class Journal:
    """The journal of one issue. Threads may write at the same time."""

    def __init__(self, folder: Path, database_identity: str, issue_id: int) -> None:
        self.path = folder / f"issue-{issue_id}-{database_identity}.journal"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise PublisherError(_("the journal %(path)s cannot be opened: %(reason)s", path=self.path, reason=error.strerror),
                                 remedy=_("the folder paths.state must be writable")) from error
        # A journal that was empty knows nothing: rows in mid-send belong to a process with a journal elsewhere.
        self.is_new = os.fstat(self._file).st_size == 0
        self._synced = time.monotonic()
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        os.write(self._file, b"begin\n")

    def intent(self, delivery_id: int, at: datetime) -> None:
        """Write that the first byte of this mail is about to leave. Raises OSError (disk full): then it must not leave."""
        self._write(delivery_id, _INTENT, at, "")

    def outcome(self, delivery_id: int, verdict: Verdict, at: datetime) -> None:
        """Write what came of it."""
        self._write(delivery_id, verdict.state, at, verdict.reason)

    def _write(self, delivery_id: int, what: str, at: datetime, reason: str) -> None:
        line = "\t".join((str(delivery_id), what, at.isoformat(), " ".join(reason.split())))
        written = os.write(self._file, f"{line}\n".encode())
        if written != len(line.encode()) + 1:
            raise OSError(f"only {written} bytes of a line were written to {self.path}")
        if time.monotonic() - self._synced > SYNC_EVERY and self._lock.acquire(blocking=False):
            try:
                self._synced = time.monotonic()
                os.fdatasync(self._file)
            finally:
                self._lock.release()

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
        os.fdatasync(self._file)
        os.close(self._file)
        if settled:
            self.path.unlink(missing_ok=True)


def _parse(line: str) -> Entry | None:
    parts = line.rstrip("\n").split("\t")
    if not line.endswith("\n") or len(parts) != 4 or not parts[0].isdigit():
        return None
    try:
        at = datetime.fromisoformat(parts[2]).astimezone(UTC)
    except ValueError:
        return None
    if parts[1] == _INTENT:
        return Entry(int(parts[0]), at, None)
    if parts[1] not in ("accepted", "refused", "deferred", "unknown"):
        return None
    return Entry(int(parts[0]), at, Verdict(parts[1], parts[3]))  # type: ignore[arg-type]


def database_identity(database: Database, now: datetime) -> str:
    """A name of this database that no other has, made when it is first asked for."""
    with database.reading() as session:
        known = session.get(Installation, _IDENTITY)
    if known is None:
        with database.writing() as session:
            known = session.get(Installation, _IDENTITY) or Installation(key=_IDENTITY, value=uuid.uuid4().hex[:16], noted_at=now)
            session.add(known)
    return known.value
