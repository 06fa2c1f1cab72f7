"""Locks that die with their holder: the kernel's on SQLite, the server's on PostgreSQL. Never a lease that must run out."""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from publisher.errors import Busy, PublisherError
from publisher.i18n import _

# A server that is gone is noticed within two minutes, also by who has just asked it something (tcp_user_timeout, in milliseconds), and a firewall
# does not forget a connection that only holds a lock.
KEEP_ALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 6, "tcp_user_timeout": 120_000}


@contextmanager
def hold(engine: Engine, name: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock called `name` over the block, for every process and thread that shares this database.

    Raises Busy at once when another holder lives and `wait` is false; with `wait` it waits up to 60 seconds.
    """
    if engine.dialect.name == "sqlite":
        with _hold_file(Path(f"{engine.url.database}.{name}.lock"), name, wait=wait):
            yield
    else:
        with _hold_advisory(engine, name, wait=wait):
            yield


def _busy(name: str) -> Busy:
    return Busy(_("another process is at work here (lock %(name)s)", name=name), remedy=_("wait until it has finished, or stop it"))


def _until_free(attempt: Callable[[], bool], *, wait: bool) -> bool:
    deadline = time.monotonic() + (60 if wait else 0)
    while not attempt():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def _hold_file(path: Path, name: str, *, wait: bool) -> Iterator[None]:
    # The file stays: to delete a lock file is to let two processes lock two files of one name.
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PublisherError(_("the lock %(path)s cannot be made: %(reason)s", path=path, reason=error.strerror),
                             remedy=_("the folder of the database must be writable")) from error

    def attempt() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        if not _until_free(attempt, wait=wait):
            raise _busy(name)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _hold_advisory(engine: Engine, name: str, *, wait: bool) -> Iterator[None]:
    # A connection of its own: a lock is held for hours, and must not take one of the pool's few places.
    lone = create_engine(engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=KEEP_ALIVE)
    connection = lone.connect()
    # A lock belongs to the whole database of the server, our tables to a schema of it: a rehearsal's must not meet those in earnest.
    schema = connection.execute(text("SELECT current_schema()")).scalar()
    named = f"publisher:{name}" if schema == "public" else f"publisher:{schema}:{name}"
    key = int.from_bytes(hashlib.sha256(named.encode()).digest()[:8], "big", signed=True)

    def attempt() -> bool:
        return bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar())

    try:
        if not _until_free(attempt, wait=wait):
            raise _busy(name)
        try:
            yield
        finally:
            # Said aloud: the server sees a moment later only that a connection was closed, and whoever asks at once would be told that it is held.
            with suppress(DBAPIError):
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
    finally:
        # Closing ends the server's session, and the lock with it. A connection that is lost already has lost it.
        with suppress(DBAPIError):
            connection.close()
