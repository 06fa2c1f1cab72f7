"""What is known of people is kept for as long as publisher.toml says, and not longer: applied once a day, in batches, in short transactions."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session, aliased

from publisher.db import Base, Database
from publisher.models_mail import Event, Notice, Received
from publisher.settings import Settings
from subscribers.consent import ASKED
from subscribers.models import BounceScore, Consent, ReaderListRow, SignupRequest, Subscriber, Subscription
from subscribers.registry.erasure import settle_files

RETENTION_EVERY = timedelta(days=1)
AT_ONCE = 500
_LOOKED_AT = 20_000


@dataclass(slots=True)
class Swept:
    """How many rows of each kind went. `subscriptions` were asked for and never confirmed, `people` were on no list."""

    requests: int = 0
    subscriptions: int = 0
    people: int = 0
    consents: int = 0
    notices: int = 0
    events: int = 0
    received: int = 0
    scores: int = 0

    @property
    def all(self) -> int:
        """Rows of every kind together."""
        return sum(asdict(self).values())


def sweep(database: Database, settings: Settings, now: datetime, stop: threading.Event | None = None) -> Swept:
    """Delete what is older than `[retention]` allows; goes on another time when `stop` is set.

    Who left stays known, so that no import brings them back.
    A proof of consent is kept for `retention.consent` after the last act of somebody who has left every list, and for ever while they are on one.
    """
    rules, stop, swept = settings.retention, stop or threading.Event(), Swept()
    stale = now - rules.unconfirmed
    swept.notices = _clear(database, stop, Notice, Notice.settled_at < now - rules.notices)
    swept.events = _clear(database, stop, Event, Event.at < now - rules.events)
    # A mail handed over once more is known by this as long as what it told is.
    swept.received = _clear(database, stop, Received, Received.at < now - rules.events)
    swept.scores = _clear(database, stop, BounceScore, BounceScore.last_day < (now - rules.events).date())
    swept.requests = _clear(database, stop, SignupRequest, SignupRequest.created_at < stale)
    in_a_list = Subscription.list_id.in_(select(ReaderListRow.id))  # the index begins with the list
    swept.subscriptions = _clear(database, stop, Subscription, in_a_list, Subscription.state == "unconfirmed", Subscription.created_at < stale,
                                 ~exists().where(SignupRequest.subscriber_id == Subscription.subscriber_id))
    swept.people = _walk(database, stop, lambda session, after: _strangers(session, stale, after), lambda session, ids: _forget(session, ids))
    swept.consents = _walk(database, stop, lambda session, after: _over(session, now - rules.consent, after),
                           lambda session, ids: _drop_proof(session, ids, now - rules.consent))
    if not stop.is_set():
        # Deleted rows stay readable in SQLite's log of changes until this; an erasure that could not do it is made good here.
        settle_files(database)
    return swept


def _clear(database: Database, stop: threading.Event, model: type[Base], *old: ColumnElement[bool]) -> int:
    """Delete the rows for which all of `old` holds, some at a time: nobody waits long for a writer."""
    key: Any = next(iter(model.__mapper__.primary_key))
    gone = 0
    while not stop.is_set():
        with database.reading() as session:
            found = session.scalars(select(key).where(*old).limit(AT_ONCE)).all()
        if not found:
            break
        with database.writing() as session:
            # Looked at once more: somebody may have confirmed since.
            removed = session.execute(delete(model).where(key.in_(found), *old), execution_options={"synchronize_session": False})
        gone += removed.rowcount  # type: ignore[attr-defined]
    return gone


def _walk(database: Database, stop: threading.Event, look: Callable[[Session, int], tuple[list[int], int | None]],
          act: Callable[[Session, Sequence[int]], int]) -> int:
    """Go through people by id: `look` names those to act on behind an id, and where it stopped; None: at the end."""
    gone, after = 0, 0
    while not stop.is_set():
        with database.reading() as session:
            found, reached = look(session, after)
        for start in range(0, len(found), AT_ONCE):
            with database.writing() as session:
                gone += act(session, found[start:start + AT_ONCE])
        if reached is None:
            break
        after = reached
    return gone


def _needed(model: Any) -> ColumnElement[bool]:
    return exists().where(model.subscriber_id == Subscriber.id)


def _strangers(session: Session, stale: datetime, after: int) -> tuple[list[int], int | None]:
    """People on no list, with no request and no mail that waits or is remembered."""
    last = session.scalar(select(Subscriber.id).where(Subscriber.id > after).order_by(Subscriber.id).offset(_LOOKED_AT - 1).limit(1))
    query = select(Subscriber.id).where(Subscriber.id > after, *_unneeded(stale)).order_by(Subscriber.id)
    return list(session.scalars(query.where(Subscriber.id <= last) if last is not None else query)), last


def _unneeded(stale: datetime) -> tuple[ColumnElement[bool], ...]:
    return Subscriber.created_at < stale, ~_needed(Subscription), ~_needed(SignupRequest), ~_needed(Notice)


def _forget(session: Session, subscriber_ids: Sequence[int]) -> int:
    """Locked first, looked at again then: somebody may be joining at this moment."""
    locked = session.scalars(select(Subscriber.id).where(Subscriber.id.in_(subscriber_ids)).order_by(Subscriber.id)
                             .with_for_update(skip_locked=True)).all()
    unneeded = [~_needed(model) for model in (Subscription, SignupRequest, Notice)]
    gone = session.scalars(delete(Subscriber).where(Subscriber.id.in_(locked), *unneeded).returning(Subscriber.id),
                           execution_options={"synchronize_session": False}).all()
    session.execute(delete(BounceScore).where(BounceScore.subscriber_id.in_(gone)), execution_options={"synchronize_session": False})
    # Who only ever asked gave no consent: there is nothing to prove.
    other = aliased(Consent)
    session.execute(delete(Consent).where(Consent.subscriber_id.in_(gone), ~exists().where(
        other.subscriber_id == Consent.subscriber_id, other.action != ASKED)), execution_options={"synchronize_session": False})
    return len(gone)


def _over(session: Session, before: datetime, after: int) -> tuple[list[int], int | None]:
    """People with rows of consent who are on no list any more, and of whom nothing was heard since `before`."""
    last = session.scalar(select(Consent.subscriber_id).where(Consent.subscriber_id > after).order_by(Consent.subscriber_id)
                          .offset(_LOOKED_AT - 1).limit(1))
    query = select(Consent.subscriber_id).where(Consent.subscriber_id > after, Consent.at < before, *_silent(before)).distinct()
    return sorted(session.scalars(query.where(Consent.subscriber_id <= last) if last is not None else query)), last


def _silent(before: datetime) -> tuple[ColumnElement[bool], ...]:
    newer = aliased(Consent)
    return (~exists().where(newer.subscriber_id == Consent.subscriber_id, newer.at >= before),
            ~exists().where(Subscription.subscriber_id == Consent.subscriber_id, Subscription.state != "left"))


def _drop_proof(session: Session, subscriber_ids: Sequence[int], before: datetime) -> int:
    gone = session.execute(delete(Consent).where(Consent.subscriber_id.in_(subscriber_ids), *_silent(before)),
                           execution_options={"synchronize_session": False})
    return int(gone.rowcount)  # type: ignore[attr-defined]
