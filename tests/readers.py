"""Readers with names for tests: the lists of a newsroom, and who agreed to be on them."""

from datetime import UTC, datetime

from sqlalchemy import select

from publisher.db import Database
from publisher.settings import ReaderList
from publisher.tokens import Keys
from subscribers.addresses import parse_address
from subscribers.models import Consent, ReaderListRow, Subscriber, Subscription
from subscribers.registry.enrolment import Joined, Person
from subscribers.registry.lists import sync_lists
from subscribers.registry.readers import add

KEYS = Keys(["a key for tests only"])
NOW = datetime(2025, 12, 5, 7, 0, tzinfo=UTC)
HANAKO, TARO, ALICE = "hanako@example.jp", "taro@example.jp", "alice@example.com"


def lists(database: Database, *names: str) -> None:
    """The lists that publisher.toml would name; `daily` without names."""
    with database.writing() as session:
        sync_lists(session, [ReaderList(name=name) for name in names or ("daily",)])


def join(database: Database, address: str, list_name: str = "daily", *, keys: Keys = KEYS, rejoin: bool = False, name: str | None = None) -> Joined:
    """Somebody asks to be on a list."""
    return add(database, keys, Person(parse_address(address), name), list_name, "asked at the open day", NOW, rejoin=rejoin)


def state_of(database: Database, address: str, list_name: str = "daily") -> str | None:
    """The state of one person's membership of one list."""
    with database.reading() as session:
        return session.scalar(select(Subscription.state).join(Subscriber).join(ReaderListRow)
                              .where(Subscriber.address_key == parse_address(address).key, ReaderListRow.name == list_name))


def consents(database: Database) -> list[tuple[str, str]]:
    """Every consent row in its order: what was done, and in which words."""
    with database.reading() as session:
        return [(action, wording) for action, wording in session.execute(select(Consent.action, Consent.wording).order_by(Consent.id))]


def ids_of(database: Database, address: str, list_name: str = "daily") -> tuple[int, int]:
    """The list's and the person's id, as a leave link holds them."""
    with database.reading() as session:
        found = session.execute(select(Subscription.list_id, Subscription.subscriber_id).join(Subscriber).join(ReaderListRow)
                                .where(Subscriber.address_key == parse_address(address).key, ReaderListRow.name == list_name)).one()
        return found[0], found[1]
