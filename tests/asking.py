"""Readers who ask, confirm and leave at a clock that a test moves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event, select, text

from publisher.db import Database
from publisher.links import confirm_token
from publisher.models_mail import Notice
from publisher.settings import Settings
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.models import Consent, ReaderListRow, Subscriber
from subscribers.registry.confirming import Pending, confirm, look
from subscribers.registry.joining import Ask, Asked, ask
from subscribers.registry.lists import sync_lists
from subscribers.registry.readers import leave
from tests.composing import settings
from tests.readers import HANAKO, KEYS, NOW

BUTTON = Evidence("web", "button")
# As `deliver` chooses the readers of an issue.
_MAILABLE = text("SELECT count(*) FROM subscriptions JOIN subscribers ON subscribers.id = subscriptions.subscriber_id "
                 "JOIN lists ON lists.id = subscriptions.list_id WHERE subscribers.address_key = :key AND lists.name = :list "
                 "AND subscriptions.state = 'subscribed' "
                 "AND NOT EXISTS (SELECT 1 FROM suppressions WHERE suppressions.address_hash = subscribers.address_hash)")


@dataclass
class Door:
    """A newsroom's door: the lists `daily` and `weekly` with double opt-in, and `open` with single opt-in."""

    database: Database
    settings: Settings = field(default_factory=lambda: settings(lists=[
        {"name": "daily"}, {"name": "weekly"}, {"name": "open", "opt_in": "single"}]))
    now: datetime = NOW

    def __post_init__(self) -> None:
        with self.database.writing() as session:
            sync_lists(session, self.settings.lists)

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def list_ids(self, *names: str) -> list[int]:
        """The numbers of lists."""
        with self.database.reading() as session:
            return [session.scalars(select(ReaderListRow.id).where(ReaderListRow.name == name)).one() for name in names]

    def ask(self, address: str = HANAKO, *lists: str, **more: Any) -> Asked:
        """Somebody asks to join; `daily` without names."""
        given = {"list_ids": self.list_ids(*lists or ("daily",)), "door": "web", "language": "ja"} | more
        wanted = Ask(parse_address(address), **given)
        return ask(self.database, KEYS, self.settings, wanted, self.now)

    def token(self, asked: Asked) -> str:
        """The token in the mail that answered."""
        return confirm_token(KEYS, asked.request_id or 0, asked.subscriber_id or 0)

    def confirm(self, asked: Asked, door: str = "web", **more: Any) -> Pending | None:
        """The button, or a reply."""
        return confirm(self.database, KEYS, self.settings, self.token(asked), self.now, door, **more)

    def look(self, asked: Asked) -> Pending | None:
        """The page with the button."""
        with self.database.reading() as session:
            return look(session, KEYS, self.token(asked), self.now)

    def leave(self, address: str = HANAKO, list_name: str = "daily") -> bool:
        """They press leave."""
        return leave(self.database, *self.list_ids(list_name), self.person(address), BUTTON, self.now)

    def person(self, address: str = HANAKO) -> int:
        """The number of a person; 0 for nobody."""
        with self.database.reading() as session:
            return session.scalar(select(Subscriber.id).where(Subscriber.address_key == parse_address(address).key)) or 0

    def joined(self, address: str = HANAKO, *lists: str) -> Asked:
        """Somebody asked and confirmed."""
        asked = self.ask(address, *lists)
        pending = self.confirm(asked)
        assert pending is not None
        assert pending.status == "joined"
        return asked

    def mailable(self, address: str = HANAKO, list_name: str = "daily") -> bool:
        """Whether an issue of this list would go to the address."""
        with self.database.reading() as session:
            return bool(session.scalar(_MAILABLE, {"key": parse_address(address).key, "list": list_name}))

    def notices(self, address: str = HANAKO) -> list[str]:
        """The kinds of mail that were asked for, in their order."""
        with self.database.reading() as session:
            return list(session.scalars(select(Notice.kind).where(Notice.subscriber_id == self.person(address)).order_by(Notice.id)))

    def ledger(self, address: str = HANAKO) -> list[str]:
        """What the consent ledger says of a person."""
        with self.database.reading() as session:
            return list(session.scalars(select(Consent.action).where(Consent.subscriber_id == self.person(address)).order_by(Consent.id)))


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The SQL statements that are run inside the block, each by its first words."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, _values: Any, _context: Any, _many: bool) -> None:
        seen.append(" ".join(statement.split()[:3]))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def every_text(database: Database, without: Sequence[str] = ()) -> str:
    """Every value of every table in one text, but the named tables."""
    with database.reading() as session:
        from publisher.db import Base

        tables = [table for table in Base.metadata.sorted_tables if table.name not in without]
        return "\n".join(str(row) for table in tables for row in session.execute(select(table)).all())
