"""The tables of procrastinate on PostgreSQL: made once, brought up to date when the library's version needs it, under a lock of ours.

They are no business of our migrations: the library makes them by scripts of its own, and keeps no note of which of them have run. We do.
"""

from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.locks import hold
from publisher.models import Installation

_NOTE = "work:tables"


def need_postgres(database: Database) -> None:
    """Refuse SQLite, which is one machine's. Raises PublisherError."""
    if database.is_sqlite:
        raise PublisherError(_("sending by processes of their own needs PostgreSQL, and database.url names SQLite"),
                             remedy=_("on one machine set mail.processes; publisher run sends by itself"))


def bring_up_to_date(database: Database, now: datetime) -> None:
    """Make or upgrade the tables; does nothing quickly when they are right. Raises PublisherError when they are somebody else's, or newer."""
    need_postgres(database)
    folder = _scripts()
    known = sorted(path.stem for path in (folder / "migrations").glob("*.sql"))
    if _noted(database) == known[-1]:
        return
    with hold(database.engine, "work-tables", wait=True):
        noted = _noted(database)
        if noted == known[-1]:
            return
        if noted is not None and noted not in known:
            raise PublisherError(_("the tables of the queue were made by a newer version of procrastinate"),
                                 remedy=_("install that version or newer"))
        _run(database, _missing(database, folder, known, noted), known[-1], now)


def _scripts() -> Path:
    """The library's scripts, found without importing it: a command that has nothing to do here should not pay for that."""
    found = find_spec("procrastinate")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "sql"


def _noted(database: Database) -> str | None:
    with database.reading() as session:
        row = session.get(Installation, _NOTE)
        return row.value if row is not None else None


def _missing(database: Database, folder: Path, known: list[str], noted: str | None) -> list[Path]:
    """The scripts that have to run: the whole schema where there is nothing, else what came after the last one (file names are in order)."""
    if noted is not None:
        return [folder / "migrations" / f"{name}.sql" for name in known if name > noted]
    with database.reading() as session:
        if session.scalar(text("SELECT to_regclass('procrastinate_jobs')")) is not None:
            raise PublisherError(_("the database has tables of procrastinate that this program did not make"),
                                 remedy=_("give the publisher a database, or a schema, of its own"))
    return [folder / "schema.sql"]


def _run(database: Database, scripts: list[Path], newest: str, now: datetime) -> None:
    """All of them and the note in one transaction: a kill leaves either the old tables or the new ones."""
    try:
        with database.writing() as session:
            driver: Any = session.connection().connection.driver_connection
            for script in scripts:
                driver.execute(script.read_text("utf-8"))
            session.merge(Installation(key=_NOTE, value=newest, noted_at=now))
    except DatabaseError as error:
        raise PublisherError(_("the tables of the queue cannot be made: %(reason)s", reason=str(error.orig).partition("\n")[0]),
                             remedy=_("the database user must be allowed to create tables and functions")) from error
