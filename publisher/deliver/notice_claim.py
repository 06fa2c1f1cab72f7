"""Takes notices for an attempt and settles them, one by one: compare-and-set, with the reader's wish looked at once more."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.retry import next_try
from publisher.deliver.verdict import Verdict
from publisher.models_mail import Notice
from publisher.notices import lists_of
from subscribers.models import SignupRequest, Subscriber, Subscription, Suppression

# New ones first: somebody waits before a screen. `sending` is what a dead process left.
_WAITING = ("queued", "unknown", "deferred")
# A mail of these kinds speaks to somebody who is on a list, and to nobody who has left it meanwhile.
_FOR_READERS = ("welcome", "already", "leave")


@dataclass(frozen=True, slots=True)
class Taken:
    """One notice in our hands: its row says `sending`. `address` is empty for the operator."""

    notice: Notice
    address: str
    attempts: int
    first_tried_at: datetime


def waiting(database: Database, now: datetime) -> bool:
    """Whether there is anything to do: one indexed read."""
    with database.reading() as session:
        return session.scalar(select(Notice.id).where(Notice.state.in_((*_WAITING, "sending")), _due(now)).limit(1)) is not None


def _due(now: datetime):  # type: ignore[no-untyped-def]  # SQLAlchemy's type for a condition says nothing to a reader
    return or_(Notice.not_before.is_(None), Notice.not_before <= now)


def recover(database: Database) -> int:
    """Rows that a dead process left in `sending` are `unknown`, and due at once: the same Message-ID tells a repeat from a second mail.

    Only under the lock: while another process lives, its row is its own. Returns how many there were.
    """
    with database.writing() as session:
        done = session.execute(update(Notice).where(Notice.state == "sending").values(
            state="unknown", not_before=None, reason="the process ended before the relay had answered"))
        return int(done.rowcount)  # type: ignore[attr-defined]


def claim(database: Database, now: datetime) -> tuple[Taken | None, int]:
    """The next notice that is due, its row set to `sending`, or None; and how many were skipped for good on the way to it."""
    skipped = 0
    with database.writing() as session:
        while (row := _next(session, now)) is not None:
            address, reason = _recipient(session, row, now)
            if reason is None:
                first = row.first_tried_at or now
                if _moved(session, row, state="sending", attempts=row.attempts + 1, first_tried_at=first):
                    return Taken(row, address, row.attempts + 1, first), skipped
            elif _moved(session, row, state="skipped", reason=reason, settled_at=now):
                skipped += 1
    return None, skipped


def _next(session: Session, now: datetime) -> Notice | None:
    for state in _WAITING:
        # Locked where the server knows how; a row that somebody erases at this moment is passed over.
        found = session.scalars(select(Notice).where(Notice.state == state, _due(now)).order_by(Notice.id).limit(1)
                                .with_for_update(skip_locked=True)).first()
        if found is not None:
            session.expunge(found)
            return found
    return None


def _moved(session: Session, row: Notice, **values: object) -> bool:
    """Change the row where it is still what was read."""
    done = session.execute(update(Notice).where(Notice.id == row.id, Notice.state == row.state, Notice.attempts == row.attempts).values(**values))
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


def _recipient(session: Session, row: Notice, now: datetime) -> tuple[str, str | None]:
    """The reader's address, and why there is no mail to it after all, or None."""
    if row.subscriber_id is None:
        return "", None
    found = session.execute(select(Subscriber.address, Suppression.address_hash)
                            .outerjoin(Suppression, Suppression.address_hash == Subscriber.address_hash)
                            .where(Subscriber.id == row.subscriber_id)).first()
    if found is None:
        return "", "gone"
    if found[1] is not None:
        return "", "suppressed"
    if row.kind == "confirm":
        return found[0], _why_not_confirm(session, row, now)
    if row.kind in _FOR_READERS and not _is_reader(session, row):
        return "", "left"
    return found[0], None


def _why_not_confirm(session: Session, row: Notice, now: datetime) -> str | None:
    request = session.execute(select(SignupRequest.used_at, SignupRequest.expires_at)
                              .where(SignupRequest.id == row.request_id, SignupRequest.subscriber_id == row.subscriber_id)).first()
    if request is None or request.expires_at <= now:
        return "expired"
    return "used" if request.used_at is not None else None


def _is_reader(session: Session, row: Notice) -> bool:
    lists = lists_of(row)
    if row.request_id is not None and not lists:
        lists = session.scalar(select(SignupRequest.list_ids).where(SignupRequest.id == row.request_id)) or []
    query = select(Subscription.id).where(Subscription.subscriber_id == row.subscriber_id, Subscription.state == "subscribed")
    return session.scalar((query.where(Subscription.list_id.in_(lists)) if lists else query).limit(1)) is not None


def release(database: Database, taken: Taken) -> None:
    """Give back a notice of which nothing left."""
    attempts = taken.attempts - 1
    with database.writing() as session:
        session.execute(update(Notice).where(Notice.id == taken.notice.id, Notice.state == "sending").values(
            state="queued", attempts=attempts, first_tried_at=taken.first_tried_at if attempts else None))


def settle(database: Database, taken: Taken, verdict: Verdict, retry_for: timedelta, now: datetime) -> str:
    """Write the outcome to its row, and say which state that is. What may be tried again gets its moment, or is refused when its time is over."""
    state, reason, again = verdict.state, verdict.reason, None
    if verdict.state in ("deferred", "unknown"):
        again = next_try(taken.attempts, taken.first_tried_at, now, retry_for, taken.notice.id)
        if again is None:
            state, reason = "refused", f"gave up: {verdict.reason}"
    with database.writing() as session:
        session.execute(update(Notice).where(Notice.id == taken.notice.id, Notice.state == "sending").values(
            state=state, reason=reason, not_before=again, settled_at=now))
    return state
