"""Where people who arrive are laid: temporary tables that hold one batch, filled past the toolkit and emptied within the same transaction."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, Text, delete, insert
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from publisher.db import Database, UtcDateTime
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.models import EVERY_SECTION
from subscribers.registry.preferences import sections_key

# `join` agreed, `leave` left the list before, `suppress` is never to be mailed again, wherever they are.
Aim = Literal["join", "leave", "suppress"]

_TEMPORARY = MetaData()
ROWS = Table(
    "arriving", _TEMPORARY, Column("place", Integer, primary_key=True), Column("key", Text), Column("typed", Text),
    Column("hash", String(40)), Column("aim", String(8)), Column("suppressed", Integer), Column("name", Text), Column("language", String(8)),
    Column("timezone", String(64)),
    Column("created_at", UtcDateTime), Column("confirmed_at", UtcDateTime), Column("left_at", UtcDateTime), Column("dated", Integer),
    Column("rhythm", String(8)), Column("sections", JSON(none_as_null=True)), Column("sections_key", String(64)), Column("hour", Integer),
    Column("wording", Text), prefixes=["TEMPORARY"], postgresql_on_commit="DELETE ROWS")
# The hashes of the same addresses under keys that were rotated.
OLD = Table("arriving_old", _TEMPORARY, Column("place", Integer), Column("hash", String(40)),
            prefixes=["TEMPORARY"], postgresql_on_commit="DELETE ROWS")
# What a look before an import has seen: it lasts for its one transaction.
SEEN = Table("arriving_seen", _TEMPORARY, Column("hash", String(40), primary_key=True), prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


class Arrival(NamedTuple):
    """One person of a file. Without `agreed_at` they count as agreeing now; without `left_at` nobody knows when they left."""

    address: Address
    aim: Aim = "join"
    wording: str = ""
    name: str | None = None
    language: str | None = None
    timezone: str | None = None
    created_at: datetime | None = None
    agreed_at: datetime | None = None
    left_at: datetime | None = None
    rhythm: str = "each"
    sections: tuple[str, ...] | None = None
    hour: int | None = None
    reason: str = ""


class Staged:
    """A batch as the temporary table takes it, made ready before the database is locked."""

    def __init__(self, database: Database, keys: Keys, people: Sequence[Arrival], now: datetime) -> None:
        unique: dict[str, Arrival] = {}
        for person in people:
            unique.setdefault(person.address.key, person)
        spelled = _spelled(database)
        self._rows: list[tuple[Any, ...]] = []
        self._old: list[dict[str, Any]] = []
        # Two who write the same rows in one order wait for each other; in two orders they would lock each other out.
        for place, key in enumerate(sorted(unique)):
            digests = unique[key].address.digests(keys)
            self._rows.append(_row(place, unique[key], digests[0], now, spelled))
            self._old += [{"place": place, "hash": digest} for digest in digests[1:]]

    def lay(self, session: Session) -> None:
        """Fill the temporary table, which is empty before."""
        for table in (ROWS, OLD):
            session.execute(CreateTable(table, if_not_exists=True))
            session.execute(delete(table))
        if self._rows:
            self._fill(session)
        if self._old:
            session.execute(insert(OLD), self._old)


    def _fill(self, session: Session) -> None:
        """Past the toolkit's own handling of values, which costs more than all the rest of a row."""
        columns = ", ".join(ROWS.c.keys())
        if session.get_bind().dialect.name == "sqlite":
            session.connection().exec_driver_sql(f"INSERT INTO {ROWS.name} ({columns}) VALUES ({', '.join(['?'] * len(ROWS.c))})", self._rows)
            return
        driver: Any = session.connection().connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {ROWS.name} ({columns}) FROM STDIN") as copy:
            for row in self._rows:
                copy.write_row(row)


def clear(session: Session) -> None:
    """No address stays anywhere but in its one table."""
    session.execute(delete(ROWS))
    session.execute(delete(OLD))


def _row(place: int, person: Arrival, digest: str, now: datetime, stored: Callable[[datetime], Any]) -> tuple[Any, ...]:
    """The values in the order of the temporary table's columns."""
    address, aim, wording, name, language, timezone, created, agreed, left, rhythm, sections, hour, _reason = person
    agreed = agreed or created or now
    left = left if aim == "leave" else None
    return (place, address.key, address.typed, digest, aim, 0, name, language, timezone, stored(created or min(agreed, left or agreed)),
            stored(agreed), stored(left or now), 0 if left is None else 1, rhythm,
            None if sections is None else json.dumps(sections, ensure_ascii=False), EVERY_SECTION if sections is None else sections_key(sections),
            hour, wording)


def _spelled(database: Database) -> Callable[[datetime], Any]:
    """How the driver wants a moment: SQLite as the text that UtcDateTime reads, kept for as long as a batch because dates come again."""
    if not database.is_sqlite:
        return lambda moment: moment
    known: dict[datetime, str] = {}

    def spell(moment: datetime) -> str:
        found = known.get(moment)
        if found is None:
            found = known[moment] = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        return found
    return spell
