"""Mails whose answer was lost: listed, and settled by what came back afterwards or by a person's word."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import UNFINISHED, Delivery, Issue
from publisher.models_mail import Event
from subscribers.models import Subscriber

_AT_ONCE = 500
# What is said afterwards of a mail that had left: it came back, or somebody had it in hand.
_CAME_BACK, _HAD = ("bounce",), ("complaint", "delay", "left")


@dataclass(frozen=True, slots=True)
class Unknown:
    """One mail that may have left: to whom (the address is empty when the reader was erased), since when nobody knows, and why."""

    subscriber_id: int
    address: str
    since: datetime | None
    attempts: int
    reason: str


def unknown_mails(session: Session, issue_id: int, only: int | None = None) -> Iterator[Unknown]:
    """The unknown mails of an issue in their order, or one reader's, read as they are wanted."""
    found = session.execute(
        select(Delivery.subscriber_id, Subscriber.address, Delivery.settled_at, Delivery.first_tried_at, Delivery.attempts, Delivery.reason)
        .outerjoin(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(*_unknown(issue_id, only)).order_by(Delivery.id), execution_options={"yield_per": 1000})
    for reader, address, settled_at, first_tried_at, attempts, reason in found:
        yield Unknown(reader, address or "", settled_at or first_tried_at, attempts, reason or "")


def count_unknown(session: Session, issue_id: int, only: int | None = None) -> int:
    """How many there are."""
    return session.scalar(select(func.count()).select_from(Delivery).where(*_unknown(issue_id, only))) or 0


def _unknown(issue_id: int, only: int | None) -> list[ColumnElement[bool]]:
    rows = [Delivery.issue_id == issue_id, Delivery.state == "unknown"]
    return rows if only is None else [*rows, Delivery.subscriber_id == only]


def resend(database: Database, issue_id: int, only: int | None = None) -> int:
    """A person's word that these did not arrive: they are sent again with the same Message-ID. Returns how many, all or one reader's.

    Before they leave it is looked at once more whether the reader is still one. Raises PublisherError for an issue that sends nothing any more.
    """
    with database.writing() as session:
        state = session.scalar(select(Issue.state).where(Issue.id == issue_id).with_for_update())
        if state not in ("sending", "paused"):
            raise PublisherError(_("issue %(id)s is %(state)s: nothing of it is sent again", id=issue_id, state=_(state or "cancelled")),
                                 remedy=_("settle them as they are with --accept"))
        return _settle(session, issue_id, only, state="queued", not_before=None, settled_at=None, reason=None)


def accept(database: Database, issue_id: int, now: datetime, only: int | None = None) -> int:
    """A person's word that these arrived: they count as taken by the relay. Returns how many, all or one reader's.

    An issue of which nothing is left then is sent.
    """
    with database.writing() as session:
        done = _settle(session, issue_id, only, state="accepted", not_before=None, settled_at=now, reason="accepted by an operator's word")
        if not session.scalar(select(exists().where(Delivery.issue_id == issue_id, Delivery.state.in_(UNFINISHED)))):
            session.execute(update(Issue).where(Issue.id == issue_id, Issue.state == "sending").values(state="sent", finished_at=now))
        return done


def _settle(session: Session, issue_id: int, only: int | None, **values: Any) -> int:
    """Rows that are unknown at this moment, and no others: an event may have settled one meanwhile."""
    done = session.execute(update(Delivery).where(*_unknown(issue_id, only)).values(**values), execution_options={"synchronize_session": False})
    return int(done.rowcount)  # type: ignore[attr-defined]


def settle_by_events(database: Database, issue_id: int, now: datetime) -> int:
    """Settle the unknown mails of which something came back already, before they were unknown; returns how many.

    What comes back later settles them as it is applied (`track/apply.py`).
    """
    done = 0
    for kinds, state in ((_CAME_BACK, "refused"), (_HAD, "accepted")):
        after = 0
        while rows := _told(database, issue_id, kinds, after):
            after = max(rows)
            with database.writing() as session:
                for delivery_id, (kind, source) in rows.items():
                    changed = session.execute(update(Delivery).where(Delivery.id == delivery_id, Delivery.state == "unknown").values(
                        state=state, not_before=None, settled_at=now, reason=f"known from {source}: {kind}"))
                    done += int(changed.rowcount)  # type: ignore[attr-defined]
    return done


def _told(database: Database, issue_id: int, kinds: tuple[str, ...], after: int) -> dict[int, tuple[str, str]]:
    """The next unknown rows that an event of these kinds tells of: its kind and source."""
    with database.reading() as session:
        found = session.execute(
            select(Delivery.id, Event.kind, Event.source)
            .join(Event, (Event.issue_id == Delivery.issue_id) & (Event.subscriber_id == Delivery.subscriber_id) & Event.kind.in_(kinds))
            .where(Delivery.issue_id == issue_id, Delivery.state == "unknown", Delivery.id > after).order_by(Delivery.id, Event.id).limit(_AT_ONCE))
        return {delivery_id: (kind, source) for delivery_id, kind, source in found}
