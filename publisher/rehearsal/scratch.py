"""A place for a scratch newsroom beside the real one: a temporary folder, and on PostgreSQL a schema of its own; both are gone afterwards."""

import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from publisher.db import Database
from publisher.errors import Busy, PublisherError
from publisher.i18n import _
from publisher.locks import hold

_PREFIX = "rehearsal_"
_NAME = re.compile(_PREFIX + "[0-9a-f]{12}")
_LOCK = "rehearsal"


@dataclass(frozen=True, slots=True)
class Scratch:
    """The folder, the address of the database for us, and the one for the sender, by whose name its connections are found."""

    folder: Path
    url: str
    sender_url: str
    name: str


@contextmanager
def scratch(real: Database) -> Iterator[Scratch]:
    """A place to rehearse in, on the same kind of database as the real one. Raises PublisherError when the server refuses a schema."""
    name = _PREFIX + secrets.token_hex(6)
    with tempfile.TemporaryDirectory(prefix="publisher-rehearsal-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        if real.is_sqlite:
            url = f"sqlite:///{folder / 'rehearsal.db'}"
            yield Scratch(folder, url, url, name)
            return
        with _schema(real, name):
            yield Scratch(folder, _written(within(real.engine.url, name)), _written(within(real.engine.url, name, program=name)), name)


def within(url: URL, schema: str, *, program: str | None = None) -> URL:
    """The address of a database with which only one schema of it is seen; `program` is the name its connections bear."""
    options = f"{_query(url, 'options')} -csearch_path={schema}".strip()
    return url.update_query_dict({"options": options} | ({"application_name": program} if program else {}))


def _query(url: URL, key: str) -> str:
    value = url.query.get(key, "")
    return value if isinstance(value, str) else " ".join(value)


def _written(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@contextmanager
def _schema(real: Database, name: str) -> Iterator[None]:
    """The schema, under a lock of its own: one that lies there without it belonged to a rehearsal that was killed."""
    _sweep(real)
    with hold(real.engine, f"{_LOCK}-{name}"):
        try:
            with real.engine.begin() as connection:
                connection.execute(text(f"CREATE SCHEMA {name}"))
        except DBAPIError as error:
            raise PublisherError(_("the database allows no schema for a rehearsal: %(reason)s", reason=str(error.orig).partition("\n")[0]),
                                 remedy=_("let its user make one: GRANT CREATE ON DATABASE")) from error
        try:
            yield
        finally:
            _drop(real, name)


def _drop(real: Database, name: str) -> None:
    with real.engine.begin() as connection:
        # A sender that was killed a moment ago may be in a transaction as far as the server knows.
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name AND pid <> pg_backend_pid()"),
                           {"name": name})
        connection.execute(text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))


def _sweep(real: Database) -> None:
    with real.engine.connect() as connection:
        names = connection.scalars(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE :names"), {"names": f"{_PREFIX}%"}).all()
    for name in names:
        if _NAME.fullmatch(name):
            try:
                with hold(real.engine, f"{_LOCK}-{name}"):
                    _drop(real, name)
            except Busy:
                continue


def cut_connections(real: Database, place: Scratch) -> int:
    """End every connection of the sender to PostgreSQL, as a restart of the server does; returns how many there were."""
    with real.engine.begin() as connection:
        return connection.scalar(text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = :name"),
                                 {"name": place.name}) or 0
