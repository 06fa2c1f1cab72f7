"""Readers who left while the database could not be written: kept in a file that is only appended to, and applied when it can be again.

A line holds ids, the door and the moment, and is on the disk before anybody is told that they have left.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import or_, select

from publisher.db import Database
from publisher.locks import hold
from publisher.settings import Settings
from subscribers.consent import Evidence
from subscribers.models import Subscription
from subscribers.registry.readers import leave

log = structlog.get_logger("publisher")
_FILE, _TAKEN = "left-requests.jsonl", "left-requests.taken"


@dataclass(frozen=True, slots=True)
class QueuedLeave:
    """One leaving that waits: which list (None: all of them), whose, by which mail (0: none) and door, and when."""

    list_id: int | None
    subscriber_id: int
    issue_id: int
    door: str  # one-click, web
    at: datetime


def queue_leave(settings: Settings, queued: QueuedLeave) -> None:
    """Append a leaving and bring it to the disk. Raises OSError when that cannot be done either."""
    folder = settings.place(settings.paths.state)
    folder.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(queued) | {"at": queued.at.isoformat()}) + "\n"
    while True:
        descriptor = os.open(folder / _FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Between opening and locking the file may have been taken away to be applied: then a new one begins.
            if _is_still(folder / _FILE, descriptor):
                size = os.fstat(descriptor).st_size
                # A power failure may have left half a line, which must not take this one with it.
                broken = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, (b"\n" if broken else b"") + line.encode())
                os.fsync(descriptor)
                return
        finally:
            os.close(descriptor)


def apply_queued(database: Database, settings: Settings) -> int:
    """Apply what waits, oldest first; how many. Raises SQLAlchemyError while the database still cannot be written: nothing is lost then.

    A line may be applied twice after a crash: leaving again changes nothing. Who agreed anew since the moment in the line stays.
    """
    folder = settings.place(settings.paths.state)
    waiting, taken, count = folder / _FILE, folder / _TAKEN, 0
    if not waiting.exists() and not taken.exists():
        return 0
    with hold(database.engine, "left-requests", wait=True):
        while taken.exists() or _take(waiting, taken):
            for queued in _read(taken):
                _apply(database, queued)
                count += 1
            taken.unlink()
    log.info("queued_leaves_applied", count=count)
    return count


def _take(source: Path, taken: Path) -> bool:
    try:
        descriptor = os.open(source, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Whoever appends at this moment finishes first.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(source, taken)
    finally:
        os.close(descriptor)
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.stat(path).st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _read(path: Path) -> Iterator[QueuedLeave]:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        queued = _parse(line)
        if queued is not None:
            yield queued
        elif line.strip():
            # A power failure can leave half a line; whoever sent that one-click was told nothing, and sends it again.
            log.warning("queued_leave_unreadable", line=number)


def _parse(line: bytes) -> QueuedLeave | None:
    try:
        given: dict[str, Any] = json.loads(line)
        return QueuedLeave(given["list_id"] and int(given["list_id"]), int(given["subscriber_id"]), int(given["issue_id"]), str(given["door"]),
                           datetime.fromisoformat(given["at"]))
    except (ValueError, KeyError, TypeError):
        return None


def _apply(database: Database, queued: QueuedLeave) -> None:
    evidence = Evidence(queued.door, leaving_words(queued.door, queued.issue_id) + ", applied when the database could be written again")
    with database.reading() as session:
        query = select(Subscription.list_id).where(Subscription.subscriber_id == queued.subscriber_id, Subscription.state != "left",
                                                   or_(Subscription.confirmed_at.is_(None), Subscription.confirmed_at <= queued.at))
        lists = list(session.scalars(query if queued.list_id is None else query.where(Subscription.list_id == queued.list_id)))
    for list_id in lists:
        leave(database, list_id, queued.subscriber_id, evidence, queued.at)


def leaving_words(door: str, issue_id: int) -> str:
    """How somebody left, for the record."""
    how = "one-click, RFC 8058" if door == "one-click" else "button on the leave page"
    return f"{how}, issue {issue_id}" if issue_id else how
