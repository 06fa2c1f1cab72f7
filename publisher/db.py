"""The database: one MetaData, short transactions, the same promises on SQLite and PostgreSQL."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, DateTime, Dialect, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.locks import KEEP_ALIVE, hold
from publisher.shipped import shipped

BUSY_SECONDS = 30


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware datetimes in, aware datetimes in UTC out. A naive one is a fault of ours and is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive moments; SQLite stores UTC without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone")
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of every table of `publisher` and `subscribers`."""

    metadata = MetaData(naming_convention={
        "ix": "ix_%(column_0_label)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"})
    type_annotation_map = {datetime: UtcDateTime}


def _use_wal(connection: Any) -> None:
    # The very first switch needs the file alone and does not wait for it as everything else does (sqlite3_busy_handler: a lock that could
    # end in a deadlock is refused at once), so that two first commands at the same moment would meet here.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        # The driver's own BEGIN is switched off so that ours decides when a write lock is taken.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        _use_wal(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        # A deferred transaction that turns into a writer fails at once when another one wrote; IMMEDIATE waits its turn.
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        # A database in memory would be gone with the command that filled it.
        if not url.database or url.database == ":memory:":
            raise ArgumentError(str(url))
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        # It holds every address: a new one is its owner's alone, and SQLite gives the files beside it the same mode.
        with suppress(FileExistsError):
            os.close(os.open(url.database, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)  # values may be addresses, and errors reach the log
        _tune_sqlite(engine)
        return engine
    if url.get_backend_name() != "postgresql":
        raise ArgumentError(str(url))
    return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20, connect_args=KEEP_ALIVE, hide_parameters=True)


def _cannot_be_opened(reason: str) -> PublisherError:
    return PublisherError(_("the database cannot be opened: %(reason)s", reason=reason.partition("\n")[0]),
                          remedy=_("check database.url, and that the folder or server is there and may be written to"))


class Database:
    """An open database. `writing` and `reading` are the only ways in; neither is held over the network."""

    def __init__(self, url: str) -> None:
        self.url = url
        # SQLite has one writer at a time, and lets the others poll for their turn: in this process they queue instead.
        self._turn = threading.RLock()
        try:
            self.engine = _engine(make_url(url))
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise PublisherError(_("database.url is not an address this program can use"),
                                 remedy=_("write sqlite:///publisher.db or postgresql+psycopg://user@host/name")) from error
        except OSError as error:
            raise _cannot_be_opened(error.strerror or str(error)) from error

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the one-machine database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that commits when the block ends and rolls back when it raises."""
        with self._turn if self.is_sqlite else nullcontext(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only looks; it never waits for a writer on SQLite."""
        with Session(self.engine.execution_options(reading=True), expire_on_commit=False) as session:
            # Closing ends the transaction; an explicit rollback would expire every row that was read and is used afterwards.
            yield session

    def migrate(self) -> None:
        """Bring the tables up to date, under a lock; does nothing quickly when they are. Raises PublisherError when it cannot."""
        config = migration_config()
        head = ScriptDirectory.from_config(config).get_current_head()
        try:
            if self._revision() == head:
                return
            with hold(self.engine, "migrate", wait=True):
                revision = self._revision()
                if revision == head:
                    return
                known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
                if revision is not None and revision not in known:
                    raise PublisherError(_("the database was made by a newer version of this program"), remedy=_("install that version or newer"))
                self._upgrade(config)
        except DatabaseError as error:
            raise _cannot_be_opened(str(error.orig)) from error

    def _upgrade(self, config: Config) -> None:
        with self.engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            # SQLite changes a table by copying it, which foreign keys would take for a deletion; inside a transaction the switch is ignored
            # (https://sqlite.org/lang_altertable.html section 7).
            if self.is_sqlite:
                driver.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
            finally:
                if self.is_sqlite:
                    driver.execute("PRAGMA foreign_keys=ON")

    def _revision(self) -> str | None:
        with self.engine.execution_options(reading=True).connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def migration_config() -> Config:
    """Alembic's configuration for the shipped migrations."""
    config = Config()
    config.set_main_option("script_location", str(shipped("alembic")).replace("%", "%%"))
    return config
