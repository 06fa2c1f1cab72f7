"""A newsroom that sends over several ways: its relays, limits and clock, and what each relay saw."""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from publisher.compose.drafting import compose_draft
from publisher.curate.desk import approve_issue
from publisher.db import Database
from publisher.models import Delivery
from publisher.models_sending import RelayDay
from tests import composing
from tests.mailing import START, Clock, Newsroom, crowd
from tests.readers import join, lists
from tests.relay import Plan, Relay


def entry(name: str, relay: Relay | str, **more: Any) -> dict[str, Any]:
    """An entry of `relays` that is not warmed up, unless told otherwise."""
    return {"name": name, "url": relay if isinstance(relay, str) else relay.url, "warm_up": False} | more


def office(database: Database, folder: Path, relays: Iterable[dict[str, Any]], readers: Iterable[str] | int, *, started: bool = True,
           mail: dict[str, Any] | None = None, newsletter: dict[str, Any] | None = None, **sections: Any) -> Newsroom:
    """An approved issue, started unless told otherwise, for these readers (a number: r0@example.jp, r1@example.jp …) over these relays."""
    lists(database)
    relays = list(relays)
    if isinstance(readers, int):
        crowd(database, readers)
    else:
        for address in readers:
            join(database, address)
    site = {"url": "http://127.0.0.1:8000" if all("://127.0.0.1" in one["url"].replace("news@", "") for one in relays) else "https://news.example.jp"}
    made = composing.settings(root=folder, site=site, mail={"timeout": "3s"} | (mail or {}), newsletter=newsletter,
                              relays=relays, **sections)
    issue_id = composing.Newsroom(database, made).draft(composing.morning())
    compose_draft(database, made, issue_id, START)
    approve_issue(database, issue_id, "Hanako", START)
    room = Newsroom(database, made, issue_id, Clock())
    if started:
        room.start()
    return room


def by_relay(room: Newsroom) -> Counter[str | None]:
    """Which relay took how many mails, as the rows say."""
    with room.database.reading() as session:
        return Counter(session.scalars(select(Delivery.relay).where(Delivery.issue_id == room.issue_id, Delivery.state == "accepted")))


def waiting_reasons(room: Newsroom) -> Counter[str | None]:
    """Why mails wait, as their rows say."""
    return Counter(row.reason for row in room.rows().values() if row.state == "queued")


def each_once(*relays: Relay) -> set[str]:
    """The readers whose mail was taken, each of them once over all relays."""
    taken = Counter(mail.recipient for relay in relays for mail in relay.taken)
    assert set(taken.values()) <= {1}, taken.most_common(3)
    return set(taken)


def given(database: Database, relay: str, day: str) -> int:
    """What a relay was given on a day, as it is counted."""
    with database.reading() as session:
        row = session.get(RelayDay, (relay, day))
        return row.given if row else 0


class RunningClock(Clock):
    """Begins at START and goes on with the time of the machine, times `speed`."""

    def __init__(self, speed: float = 1.0) -> None:
        super().__init__()
        self._began, self._speed = time.monotonic(), speed

    def __call__(self) -> datetime:
        return self.now + timedelta(seconds=(time.monotonic() - self._began) * self._speed)


@dataclass
class Watch:
    """A relay's plan that notes when mails were taken, and how many to each domain were on the wire at once; then it does as `then` says."""

    then: Plan = lambda _verb, _argument: None
    takes: float = 0.0  # seconds
    moments: list[float] = field(default_factory=list)
    most: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._now: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, verb: str, argument: str) -> str | None:
        answer = self.then(verb, argument)
        domain = argument.partition(">")[0].rpartition("@")[2]
        if verb == "RCPT" and answer is None:
            with self._lock:
                self._now[domain] += 1
                self.most[domain] = max(self.most[domain], self._now[domain])
        elif verb == ".":
            time.sleep(self.takes)
            with self._lock:
                self._now[domain] -= 1
                self.moments.append(time.monotonic())
        return answer

    def most_within(self, seconds: float) -> int:
        """The most mails that came within so many seconds."""
        return max(sum(begin <= moment < begin + seconds for moment in self.moments) for begin in self.moments)
