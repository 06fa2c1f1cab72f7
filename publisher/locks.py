"""Locks that die with their holder: the kernel's on SQLite, the server's on PostgreSQL. Never a lease that must run out."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from publisher.errors import Busy
from publisher.i18n import _


@contextmanager
def hold(engine: Engine, name: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock called `name` over the block, for every process that shares this database.

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


def _until_free(attempt: object, *, wait: bool) -> bool:
    deadline = time.monotonic() + (60 if wait else 0)
    while not attempt():  # type: ignore[operator]
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def _hold_file(path: Path, name: str, *, wait: bool) -> Iterator[None]:
    # The file stays: to delete a lock file is to let two processes lock two files of one name.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

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
    key = int.from_bytes(hashlib.sha256(f"publisher:{name}".encode()).digest()[:8], "big", signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def attempt() -> bool:
            return bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar())

        if not _until_free(attempt, wait=wait):
            raise _busy(name)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
