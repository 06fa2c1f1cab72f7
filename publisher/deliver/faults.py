"""What can go wrong at the database or the disk in the middle of sending, as one sentence that says what to do; nothing is lost by any of it."""

import errno
import sqlite3

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from publisher.errors import PublisherError
from publisher.i18n import N_, _

# What happened and what to do, by kind.
_WORDS = {
    "full": (N_("the disk is full (%(said)s): the work has stopped, and nothing was lost"),
             N_("make room, then: publisher issues resume; publisher run goes on by itself")),
    "readonly": (N_("the disk or the database can only be read (%(said)s): the work has stopped, and nothing was lost"),
                 N_("make the folders of the database and of paths.state writable for this program, then: publisher issues resume")),
    "io": (N_("the disk does not read or write (%(said)s): the work has stopped"),
           N_("look at the system's log before anything else is written; bring a backup back if the disk is broken")),
    "broken": (N_("the database is damaged (%(said)s): the work has stopped"),
               N_("stop every publisher, keep a copy of the file, and bring a backup back: docs/recovery.md")),
    "memory": (N_("memory has run out (%(said)s): the work has stopped, and nothing was lost"),
               N_("give the machine more, or fewer mail.processes and connections; then: publisher issues resume")),
    "files": (N_("too many files or connections are open (%(said)s): the work has stopped, and nothing was lost"),
              N_("raise the limit (LimitNOFILE, max_connections), or lower mail.connections; then: publisher issues resume")),
    "busy": (N_("another program holds the database (%(said)s): the work has stopped, and nothing was lost"),
             N_("end what holds it, a backup or an open tool; then: publisher issues resume")),
    "gone": (N_("the connection to the database was lost (%(said)s): the work has stopped, and nothing was lost"),
             N_("publisher run goes on when it is back; by hand: publisher issues resume")),
}
# https://sqlite.org/rescode.html: the lowest eight bits are the primary code.
_SQLITE = {sqlite3.SQLITE_FULL: "full", sqlite3.SQLITE_READONLY: "readonly", sqlite3.SQLITE_PERM: "readonly", sqlite3.SQLITE_CANTOPEN: "readonly",
           sqlite3.SQLITE_IOERR: "io", sqlite3.SQLITE_CORRUPT: "broken", sqlite3.SQLITE_NOTADB: "broken", sqlite3.SQLITE_NOMEM: "memory",
           sqlite3.SQLITE_BUSY: "busy", sqlite3.SQLITE_LOCKED: "busy"}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES = {"53100": "full", "53200": "memory", "53300": "files", "25006": "readonly", "58030": "io", "XX001": "broken", "XX002": "broken",
           "55P03": "busy", "57P01": "gone", "57P02": "gone", "57P03": "gone", "57P05": "gone"}
_ERRNO = {errno.ENOSPC: "full", errno.EDQUOT: "full", errno.EFBIG: "full", errno.EROFS: "readonly", errno.EACCES: "readonly",
          errno.EPERM: "readonly", errno.EIO: "io", errno.ENOMEM: "memory", errno.EMFILE: "files", errno.ENFILE: "files"}


def as_trouble(error: BaseException) -> PublisherError | None:
    """A fault of the machine as a sentence with its remedy; None for anything else, which is a fault of ours and is to be seen as one.

    An error that is a sentence already comes back as it is. The first one in the chain of causes that says something counts.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, PublisherError):
            return seen
        kind = _kind(seen)
        if kind is not None:
            what, remedy = _WORDS[kind]
            return PublisherError(_(what, said=_said(seen)), remedy=_(remedy))
        seen = seen.__cause__
    return None


def _kind(error: BaseException) -> str | None:
    if isinstance(error, DBAPIError):
        # SQLAlchemy knows of more ways to lose a connection than the server can tell.
        return (_kind(error.orig) if error.orig is not None else None) or ("gone" if error.connection_invalidated else None)
    if isinstance(error, sqlite3.Error):
        return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        lost = state.startswith("08") or (not state and isinstance(error, psycopg.OperationalError))
        return _STATES.get(state) or ("gone" if lost else None)
    if isinstance(error, NoConnectionFree):
        return "files"
    if isinstance(error, MemoryError):
        return "memory"
    return _ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None


def _said(error: BaseException) -> str:
    """What the system said, in one line and without a statement, whose values may be a reader's."""
    if isinstance(error, DBAPIError):
        error = error.orig or error
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.strip().splitlines() or [""])[0][:200] or type(error).__name__
