"""Somebody left by mistake: for an hour one press brings them back as they were, unless anything came after."""

from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.links import UNDO
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.consent import BOUNCED, COMPLAINED, REMOVED, UNDONE, Evidence, record
from subscribers.models import Consent, Subscriber, Subscription
from subscribers.registry.suppressions import is_suppressed
from subscribers.registry.writing import lock_person

UNDO_FOR = timedelta(hours=1)


def undo_token(keys: Keys, list_id: int, subscriber_id: int, left_at: datetime) -> str:
    """The token that undoes this very leaving, for an hour."""
    return keys.sign(UNDO, list_id, subscriber_id, int(left_at.timestamp()))


def can_undo(session: Session, keys: Keys, token: str, now: datetime) -> bool:
    """Whether a press would bring the reader back; changes nothing."""
    ids = keys.read(UNDO, token)
    person = session.get(Subscriber, ids[1]) if ids and len(ids) == 3 else None
    return ids is not None and person is not None and _found(session, keys, ids, person, now) is not None


def undo(database: Database, keys: Keys, token: str, evidence: Evidence, now: datetime) -> bool:
    """Back on the list with the preferences as they were; False when it is too late, or anything was said since."""
    ids = keys.read(UNDO, token)
    if ids is None or len(ids) != 3:
        return False
    with database.writing() as session:
        person = lock_person(session, ids[1])
        subscription = _found(session, keys, ids, person, now) if person is not None else None
        if person is None or subscription is None:
            return False
        subscription.state, subscription.left_at = "subscribed", None
        record(session, subscription.list_id, [person.id], UNDONE, evidence, now)
        return True


def _found(session: Session, keys: Keys, ids: tuple[int, ...], person: Subscriber, now: datetime) -> Subscription | None:
    list_id, subscriber_id, second = ids
    if not second <= now.timestamp() < second + 1 + UNDO_FOR.total_seconds():
        return None
    subscription = session.scalar(select(Subscription).where(Subscription.list_id == list_id, Subscription.subscriber_id == subscriber_id)
                                  .with_for_update())
    if subscription is None or subscription.state != "left" or subscription.left_at is None or int(subscription.left_at.timestamp()) != second:
        return None
    # Somebody who never confirmed had not agreed: undoing their leaving must not make a reader of them.
    if subscription.confirmed_at is None or is_suppressed(session, keys, Address(person.address, person.address_key), person.address_hash):
        return None
    later = exists().where(Consent.subscriber_id == subscriber_id, Consent.action.in_((COMPLAINED, BOUNCED, REMOVED)),
                           Consent.at >= subscription.left_at)
    return None if session.scalar(select(later)) else subscription
