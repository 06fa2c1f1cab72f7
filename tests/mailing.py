"""An approved issue with readers, ready to be sent to a relay of ours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from publisher.compose.drafting import compose_draft
from publisher.curate.desk import approve_issue
from publisher.db import Database
from publisher.deliver.control import counts
from publisher.deliver.start import start_issue
from publisher.deliver.verdict import Counts
from publisher.deliver.worker import send_issue
from publisher.models import Delivery, Issue
from publisher.settings import Settings
from subscribers.models import ReaderListRow, Subscriber, Subscription
from tests import composing
from tests.readers import KEYS, join, lists

START = datetime(2025, 12, 4, 22, 0, tzinfo=UTC)


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, span: timedelta) -> None:
        """Let time pass."""
        self.now += span


@dataclass
class Newsroom:
    """A newsroom at the moment before it sends."""

    database: Database
    settings: Settings
    issue_id: int
    clock: Clock

    def send(self, **more: Any) -> Counts:
        """Send what is due."""
        return send_issue(self.database, self.settings, KEYS, self.issue_id, clock=self.clock, **({"secrets": {}} | more))

    def start(self) -> int:
        """Fix the readers."""
        return start_issue(self.database, self.settings, self.issue_id, self.clock())

    def counts(self) -> Counts:
        """What is known."""
        return counts(self.database, self.issue_id)

    def rows(self) -> dict[str, Delivery]:
        """The row of each reader, by address."""
        with self.database.reading() as session:
            found = session.execute(select(Delivery, Subscriber.address).join(Subscriber, Subscriber.id == Delivery.subscriber_id)
                                    .where(Delivery.issue_id == self.issue_id))
            return {address: row for row, address in found}

    def state(self) -> str:
        """The state of the issue."""
        with self.database.reading() as session:
            return session.get_one(Issue, self.issue_id).state


def newsroom(database: Database, folder: Path, relay: str, readers: Iterable[str], *, started: bool = True, **mail: Any) -> Newsroom:
    """An approved issue, started unless told otherwise, for `readers` who agreed."""
    lists(database)
    for address in readers:
        join(database, address)
    made = composing.settings(root=folder, site={"url": "http://127.0.0.1:8000"}, mail={"relay": relay, "timeout": "3s"} | mail)
    issue_id = composing.Newsroom(database, made).draft(composing.morning())
    compose_draft(database, made, issue_id, START)
    approve_issue(database, issue_id, "Hanako", START)
    room = Newsroom(database, made, issue_id, Clock())
    if started:
        room.start()
    return room


def crowd(database: Database, number: int, now: datetime = START) -> None:
    """Many readers at once: r0@example.jp, r1@example.jp …"""
    with database.writing() as session:
        list_id = session.scalars(select(ReaderListRow.id).where(ReaderListRow.name == "daily")).one()
        people = [{"address": f"r{index}@example.jp", "address_key": f"r{index}@example.jp", "address_hash": f"{index:040d}", "created_at": now}
                  for index in range(number)]
        session.execute(insert(Subscriber), people)
        ids = session.scalars(select(Subscriber.id).where(Subscriber.address_key.like("r%@example.jp"))).all()
        usual = {"list_id": list_id, "state": "subscribed", "created_at": now, "confirmed_at": now}
        session.execute(insert(Subscription), [usual | {"subscriber_id": one} for one in ids])
