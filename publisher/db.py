"""The database: one MetaData, short transactions, the same promises on SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import DateTime, Dialect, Engine, MetaData, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.locks import hold
from publisher.shipped import shipped


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


def _tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        # The driver's own BEGIN is switched off so that ours decides when a write lock is taken.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        # A deferred transaction that turns into a writer fails at once when another one wrote; IMMEDIATE waits its turn.
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


class Database:
    """An open database. `writing` and `reading` are the only ways in; neither is held over the network."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            if url.startswith("sqlite:///"):
                Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
                self.engine = create_engine(url, connect_args={"timeout": 30})
                _tune_sqlite(self.engine)
            else:
                self.engine = create_engine(url, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise PublisherError(_("database.url is not an address this program can use"),
                                 remedy=_("write sqlite:///publisher.db or postgresql+psycopg://user@host/name")) from error

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the one-machine database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that commits when the block ends and rolls back when it raises."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only looks; it never waits for a writer on SQLite."""
        with Session(self.engine.execution_options(reading=True), expire_on_commit=False) as session:
            yield session
            session.rollback()

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
                with self.engine.begin() as connection:
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
        except OperationalError as error:
            raise PublisherError(_("the database cannot be opened: %(reason)s", reason=str(error.orig).splitlines()[0]),
                                 remedy=_("check database.url, and that the folder or server is there and may be written to")) from error

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
