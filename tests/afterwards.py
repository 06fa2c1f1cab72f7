"""An issue that has left, and its readers: what comes back afterwards is about these."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from publisher.db import Database
from publisher.jobs import Press
from publisher.models import Delivery, Issue, NewsletterRow
from publisher.models_mail import Event, Notice
from publisher.settings import Settings
from publisher.track.apply import apply
from publisher.track.report import Report, evidence_of_mail
from publisher.track.returned import handle_returned
from subscribers.addresses import parse_address
from subscribers.models import BounceScore, Subscriber, Suppression
from tests import returns, rows
from tests.mailing import Clock
from tests.readers import KEYS, join, lists
from tests.rows import NOW

TARO, HANAKO = "taro@reader.example", "hanako@reader.example"


@dataclass
class Afterwards:
    """The newsroom after its issue was sent."""

    database: Database
    settings: Settings
    issue_id: int
    clock: Clock

    @property
    def press(self) -> Press:
        """What the duties get."""
        return Press(self.settings, self.database, KEYS, {}, {})

    def reader(self, address: str = TARO) -> int:
        """The number of a reader."""
        with self.database.reading() as session:
            return session.scalars(select(Subscriber.id).where(Subscriber.address_key == parse_address(address).key)).one()

    def comes_back(self, name: str, address: str = TARO, *, to: str | None = None, issue: int | None = None) -> str:
        """A mail of tests/returned reaches us about this reader's mail; what came of it."""
        reader = self.reader(address)
        issue = issue or self.issue_id
        return handle_returned(self.database, self.settings, KEYS, to or returns.to(issue, reader),
                               returns.mail(name, issue=issue, reader=reader, address=address), self.clock())

    def told(self, reader: int, kind: str = "bounce", strength: str = "hard", *, source: str = "dsn", issue: int | None = None, at: datetime | None = None,
             evidence: str | None = None) -> str:
        """A report about one of the readers, by number, is applied."""
        about = issue or self.issue_id
        marked = evidence or evidence_of_mail(kind, strength, issue_id=about, notice_id=None, subscriber_id=reader)  # type: ignore[arg-type]
        report = Report(kind, strength, source, marked, at or self.clock(), "550 5.1.1 <…>", about, None, reader)  # type: ignore[arg-type]
        return apply(self.database, self.settings, KEYS, report, self.clock())

    def events(self) -> list[tuple[str, str]]:
        """What is kept, in its order: kind and strength."""
        with self.database.reading() as session:
            return [(kind, strength) for kind, strength in session.execute(select(Event.kind, Event.strength).order_by(Event.id))]

    def suppressed(self, address: str = TARO) -> str | None:
        """Why an address is never mailed again."""
        with self.database.reading() as session:
            return session.scalar(select(Suppression.reason).where(Suppression.address_hash.in_(parse_address(address).digests(KEYS))))

    def score(self, address: str = TARO) -> float | None:
        """How often mail to a reader came back lately."""
        with self.database.reading() as session:
            return session.scalar(select(BounceScore.score).where(BounceScore.subscriber_id == self.reader(address)))

    def alerts(self) -> list[str]:
        """What the operator was told."""
        with self.database.reading() as session:
            return [notice.data["code"] for notice in session.scalars(select(Notice).where(Notice.kind == "alert").order_by(Notice.id))]

    def alert(self) -> dict[str, Any]:
        """What stands in the last one."""
        with self.database.reading() as session:
            return dict(session.scalars(select(Notice.data).where(Notice.kind == "alert").order_by(Notice.id.desc())).first() or {})

    def state(self) -> str:
        """Of the issue."""
        with self.database.reading() as session:
            return session.get_one(Issue, self.issue_id).state

    def is_paused(self) -> bool:
        """Whether the newsletter is."""
        with self.database.reading() as session:
            return session.scalars(select(NewsletterRow.paused_at)).one() is not None

    def deliveries(self, states: Mapping[str, int], reason: str | None = None) -> list[int]:
        """Rows for so many more readers in each state, without a row of theirs elsewhere but in `subscribers`; their numbers."""
        number = sum(states.values())
        now = self.clock()
        with self.database.writing() as session:
            before = session.scalar(select(func.max(Subscriber.id))) or 0
            people = [{"address": f"r{before + n}@example.jp", "address_key": f"r{before + n}@example.jp", "address_hash": f"{before + n:040d}",
                       "created_at": now - timedelta(days=1)} for n in range(1, number + 1)]
            session.execute(insert(Subscriber), people)
            ids = list(session.scalars(select(Subscriber.id).where(Subscriber.id > before).order_by(Subscriber.id)))
            usual = {"issue_id": self.issue_id, "edition_id": 1, "attempts": 1, "settled_at": now, "reason": reason}
            wanted = [state for state, many in states.items() for _ in range(many)]
            session.execute(insert(Delivery), [usual | {"subscriber_id": one, "state": state} for one, state in zip(ids, wanted, strict=True)])
        return ids


def afterwards(database: Database, folder: Path, *readers: str, state: str = "sent", newsletter: str = "", now: datetime = NOW) -> Afterwards:
    """An issue in `state`, taken for these readers (Taro and Hanako unless told otherwise); `newsletter` are more lines of its settings."""
    settings, _newsletter = rows.newsroom(folder, database, newsletter)
    lists(database)
    for address in readers or (TARO, HANAKO):
        join(database, address)
    room = Afterwards(database, settings, add_issue(database, 1, state, now), Clock(now))
    with database.writing() as session:
        for one in session.scalars(select(Subscriber.id).order_by(Subscriber.id)):
            session.add(Delivery(issue_id=room.issue_id, edition_id=1, subscriber_id=one, state="accepted", attempts=1, settled_at=now))
    return room


def add_issue(database: Database, number: int, state: str, now: datetime, **more: Any) -> int:
    """An issue of the morning."""
    with database.writing() as session:
        ended = now if state in ("sent", "cancelled") else None
        issue = Issue(newsletter_id=session.scalars(select(NewsletterRow.id)).one(), number=number, state=state, subject="The morning",
                      created_at=now, started_at=now, finished_at=ended, **more)
        session.add(issue)
        session.flush()
        return issue.id
