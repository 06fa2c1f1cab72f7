"""Takes mails for an attempt and settles them, in batches: compare-and-set, with every reader's wish looked at once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.journal import Entry, Journal
from publisher.deliver.retry import next_try
from publisher.deliver.verdict import Verdict
from publisher.models import Delivery, Issue
from subscribers.models import Subscriber, Subscription, Suppression

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Claimed:
    """One mail in our hands: its row says `sending`, and nothing of it has left yet."""

    delivery_id: int
    subscriber_id: int
    address: str
    attempts: int
    first_tried_at: datetime
    edition_id: int


@dataclass(frozen=True, slots=True)
class Settled:
    """One outcome on its way to the database."""

    mail: Claimed
    verdict: Verdict
    at: datetime


def claim(database: Database, issue_id: int, list_id: int, now: datetime, most: int, *, thorough: bool = True) -> list[Claimed] | None:
    """At most `most` due mails, their rows set to `sending`; those whose readers left or were suppressed are skipped for good.

    None when the issue is no longer being sent. An empty list means that nothing is due now; without `thorough` there may be mails behind some that
    have to wait.
    """
    with database.writing() as session:
        while True:
            # Locked where the server knows how: a cancelling that commits between look and claim would be overwritten.
            if session.scalar(select(Issue.state).where(Issue.id == issue_id).with_for_update()) != "sending":
                return None
            rows = _due(session, issue_id, now, most, thorough=thorough)
            if not rows:
                return []
            claimed = _take(session, rows, list_id, now)
            if claimed:
                return claimed


def _due(session: Session, issue_id: int, now: datetime, most: int, *, thorough: bool) -> list[Delivery]:
    """What a dead process may have left on the wire first, then new mails, then those whose pause is over."""
    found: list[Delivery] = []
    for state in ("unknown", "queued", "deferred"):
        if len(found) >= most:
            break
        waiting = select(Delivery).where(Delivery.issue_id == issue_id, Delivery.state == state).order_by(Delivery.id)
        due = waiting.where(is_due(now)).limit(most - len(found))
        if state == "queued":
            # Their ids stand in the order in which they are due: when the first ones are not, a million behind them need no look. Somebody may
            # have put off some of them since, so that the order holds no more: then the long look finds the rest.
            head = [row for row in session.scalars(waiting.limit(most - len(found))) if row.not_before is None or row.not_before <= now]
            found += head or (session.scalars(due) if thorough else ())
        else:
            found += session.scalars(due)
    return found


def is_due(now: datetime) -> ColumnElement[bool]:
    """The condition for rows that may be tried now."""
    return (Delivery.not_before.is_(None)) | (Delivery.not_before <= now)


def _take(session: Session, rows: Sequence[Delivery], list_id: int, now: datetime) -> list[Claimed]:
    people = {found[0]: found for found in session.execute(
        select(Subscriber.id, Subscriber.address, Subscription.state, Suppression.address_hash)
        .outerjoin(Subscription, (Subscription.subscriber_id == Subscriber.id) & (Subscription.list_id == list_id))
        .outerjoin(Suppression, Suppression.address_hash == Subscriber.address_hash)
        .where(Subscriber.id.in_([row.subscriber_id for row in rows])))}
    claimed = []
    for row in rows:
        _id, address, state, suppressed = people.get(row.subscriber_id, (row.subscriber_id, "", None, None))
        if state != "subscribed" or suppressed:
            row.state, row.reason, row.settled_at = "skipped", "suppressed" if suppressed else "left", now
            continue
        row.state, row.attempts, row.first_tried_at = "sending", row.attempts + 1, row.first_tried_at or now
        claimed.append(Claimed(row.id, row.subscriber_id, address, row.attempts, row.first_tried_at, row.edition_id))
    return claimed


def release(database: Database, mails: Sequence[Claimed], now: datetime) -> None:
    """Give back mails of which nothing left; those of a cancelled issue are skipped."""
    if not mails:
        return
    with database.writing() as session:
        rows = session.scalars(select(Delivery).where(Delivery.id.in_([mail.delivery_id for mail in mails]), Delivery.state == "sending")).all()
        cancelled = {row.issue_id: session.scalar(select(Issue.state).where(Issue.id == row.issue_id)) == "cancelled" for row in rows[:1]}
        for row in rows:
            row.attempts -= 1
            if cancelled[row.issue_id]:
                row.state, row.reason, row.settled_at = "skipped", "cancelled", now
            else:
                row.state = "queued"
            if row.attempts == 0:
                row.first_tried_at = None


def settle(database: Database, outcomes: Sequence[Settled], retry_for: timedelta) -> None:
    """Write outcomes to their rows. Only rows that say `sending` are changed: an outcome counts once."""
    if not outcomes:
        return
    values = []
    for one in outcomes:
        state, reason, not_before = _decide(one, retry_for)
        values.append({"row": one.mail.delivery_id, "to": state, "why": reason, "due": not_before, "when": one.at})
    statement = (update(Delivery).where(Delivery.id == bindparam("row"), Delivery.state == "sending")
                 .values(state=bindparam("to"), reason=bindparam("why"), not_before=bindparam("due"), settled_at=bindparam("when")))
    with database.writing() as session:
        session.connection().execute(statement, values)


def _decide(one: Settled, retry_for: timedelta) -> tuple[str, str, datetime | None]:
    """The row's state. What may be tried again gets its moment, or is refused when its time is over."""
    verdict, mail = one.verdict, one.mail
    if verdict.state in ("accepted", "refused"):
        return verdict.state, verdict.reason, None
    again = next_try(mail.attempts, mail.first_tried_at, one.at, retry_for, mail.delivery_id)
    return (verdict.state, verdict.reason, again) if again else ("refused", f"gave up: {verdict.reason}", None)


def recover(database: Database, journal: Journal, issue_id: int, retry_for: timedelta, now: datetime) -> int:
    """Bring the rows up to what a dead process knew; returns how many of its mails have an unknown outcome.

    A claimed mail without an intent never left: it is queued again. One with an intent and no outcome was on the wire: `unknown`, and due at
    once, because plain SMTP can be asked nothing and the same Message-ID tells a repeat from a second mail. Without any journal
    (another machine takes over) every claimed mail may have left.
    """
    with database.reading() as session:
        # As many as a process has in hand, however long the journal is.
        open_rows = set(session.scalars(select(Delivery.id).where(Delivery.issue_id == issue_id, Delivery.state == "sending")))
    known = {entry.delivery_id: entry for entry in journal.entries() if entry.delivery_id in open_rows}
    unknown = 0
    while True:
        with database.writing() as session:
            rows = session.scalars(select(Delivery).where(Delivery.issue_id == issue_id, Delivery.state == "sending")
                                   .order_by(Delivery.id).limit(_AT_ONCE)).all()
            for row in rows:
                unknown += _recover_row(row, known.get(row.id), retry_for, now, foreign=journal.is_new)
        if not rows:
            break
    _believe(database, issue_id, journal)
    journal.clear()
    return unknown


def _recover_row(row: Delivery, entry: Entry | None, retry_for: timedelta, now: datetime, *, foreign: bool) -> int:
    if entry is None and not foreign:
        row.state, row.attempts = "queued", max(0, row.attempts - 1)
        return 0
    if entry is None or entry.verdict is None:
        row.state, row.not_before, row.reason = "unknown", None, "the process ended before the relay had answered"
        return 1
    mail = Claimed(row.id, row.subscriber_id, "", row.attempts, row.first_tried_at or now, row.edition_id)
    row.state, row.reason, row.not_before = _decide(Settled(mail, entry.verdict, entry.at), retry_for)
    row.settled_at = entry.at
    return 0


def _believe(database: Database, issue_id: int, journal: Journal) -> None:
    """A row that is older than the journal (the database came from a backup) and whose mail the relay took: it has left."""
    accepted = (entry for entry in journal.entries() if entry.verdict is not None and entry.verdict.state == "accepted")
    while batch := {entry.delivery_id: entry for entry in islice(accepted, _AT_ONCE)}:
        older = select(Delivery).where(Delivery.id.in_(list(batch)), Delivery.issue_id == issue_id, Delivery.state == "queued")
        with database.reading() as session:
            if session.scalars(older.limit(1)).first() is None:
                continue
        with database.writing() as session:
            for row in session.scalars(older):
                entry = batch[row.id]
                row.state, row.reason, row.settled_at = "accepted", entry.verdict.reason if entry.verdict else "", entry.at
                row.attempts += 1
