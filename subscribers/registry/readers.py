"""Readers one by one: add, remove, leave, find, list. Only this package writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.consent import ADDED, LEFT, REMOVED, Evidence, record
from subscribers.models import ReaderListRow, Subscriber, Subscription, Suppression
from subscribers.registry.enrolment import Agreement, Joined, Person, enrol
from subscribers.registry.lists import list_id


@dataclass(frozen=True, slots=True)
class Reader:
    """One person's membership of one list, as it stands."""

    id: int
    address: str
    name: str | None
    list: str
    state: str
    suppressed: bool
    created_at: datetime
    confirmed_at: datetime | None
    left_at: datetime | None


def add(database: Database, keys: Keys, person: Person, list_name: str, wording: str, now: datetime, *, rejoin: bool = False) -> Joined:
    """Subscribe a person who agreed in these words. One who left comes back only with `rejoin`, a suppressed one never.

    Raises PublisherError without words of consent, or when there is no such list.
    """
    check_wording(wording)
    with database.writing() as session:
        agreement = Agreement(list_id(session, list_name), ADDED, wording.strip(), now, rejoin)
        return enrol(session, keys, [person], agreement)[person.address.key]


def check_wording(wording: str) -> None:
    """Raises PublisherError when nothing says how people agreed."""
    if not wording.strip():
        raise PublisherError(_("nobody is mailed who did not ask: say how they agreed"), remedy=_("add --consent \"how they agreed\""))


def remove(database: Database, address: Address, list_name: str | None, wording: str, now: datetime) -> list[str]:
    """Take a person off one list, or off all; the names of those they were on. Raises PublisherError for an unknown address or list."""
    with database.writing() as session:
        wanted = list_id(session, list_name) if list_name is not None else None
        subscriber_id = session.scalar(select(Subscriber.id).where(Subscriber.address_key == address.key))
        if subscriber_id is None:
            raise PublisherError(_("%(address)s is on no list", address=address.typed), remedy=_("look with: publisher subscribers list"))
        return _leave_lists(session, subscriber_id, REMOVED, Evidence("command", wording), now, only=wanted)


def leave(database: Database, list_id: int, subscriber_id: int, evidence: Evidence, now: datetime) -> bool:
    """A reader leaves one list; whether that changed anything. Once more, or for somebody erased since, it is no fault."""
    with database.writing() as session:
        return _leave(session, list_id, subscriber_id, LEFT, evidence, now)


def leave_all(database: Database, subscriber_id: int, evidence: Evidence, now: datetime) -> list[str]:
    """A reader leaves every list; the names of those they were on, or had asked for. For somebody erased since it is no fault."""
    with database.writing() as session:
        return _leave_lists(session, subscriber_id, LEFT, evidence, now)


def _leave_lists(session: Session, subscriber_id: int, action: str, evidence: Evidence, now: datetime, *, only: int | None = None) -> list[str]:
    query = (select(ReaderListRow.id, ReaderListRow.name).join(Subscription, Subscription.list_id == ReaderListRow.id)
             .where(Subscription.subscriber_id == subscriber_id).order_by(ReaderListRow.name))
    if only is not None:
        query = query.where(ReaderListRow.id == only)
    return [name for list_id, name in session.execute(query).all() if _leave(session, list_id, subscriber_id, action, evidence, now)]


def _leave(session: Session, list_id: int, subscriber_id: int, action: str, evidence: Evidence, now: datetime) -> bool:
    changed = session.scalars(
        update(Subscription).where(Subscription.list_id == list_id, Subscription.subscriber_id == subscriber_id, Subscription.state != "left")
        .values(state="left", left_at=now).returning(Subscription.subscriber_id), execution_options={"synchronize_session": False}).all()
    record(session, list_id, list(changed), action, evidence, now)
    return bool(changed)


def find(session: Session, address: Address) -> list[Reader]:
    """The memberships of one person, by list."""
    return [Reader(*row) for row in session.execute(_memberships().where(Subscriber.address_key == address.key).order_by(ReaderListRow.name))]


def membership(session: Session, list_id: int, subscriber_id: int) -> Reader | None:
    """One person's membership of one list, by ids."""
    row = session.execute(_memberships().where(Subscription.list_id == list_id, Subscription.subscriber_id == subscriber_id)).one_or_none()
    return Reader(*row) if row else None


def readers(session: Session, *, list_name: str | None = None, state: str | None = None) -> Iterator[Reader]:
    """The memberships by list and address, one at a time. Raises PublisherError when there is no such list."""
    query = _memberships().order_by(ReaderListRow.name, Subscriber.address_key)
    if list_name is not None:
        query = query.where(Subscription.list_id == list_id(session, list_name))
    if state is not None:
        query = query.where(Subscription.state == state)
    for row in session.execute(query, execution_options={"yield_per": 1000}):
        yield Reader(*row)


def _memberships() -> Any:
    suppressed = exists().where(Suppression.address_hash == Subscriber.address_hash)
    return (select(Subscriber.id, Subscriber.address, Subscriber.name, ReaderListRow.name, Subscription.state, suppressed,
                   Subscription.created_at, Subscription.confirmed_at, Subscription.left_at)
            .join(Subscription, Subscription.subscriber_id == Subscriber.id).join(ReaderListRow, ReaderListRow.id == Subscription.list_id))
