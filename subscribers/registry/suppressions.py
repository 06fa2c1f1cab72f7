"""Addresses that are never mailed again, by keyed hash: they outlive the person's erasure and a rotation of the key."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.consent import BOUNCED, COMPLAINED, EVERY_LIST, LEFT, LIFTED, REMOVED, Evidence, record
from subscribers.models import SignupRequest, Subscriber, Subscription, Suppression
from subscribers.registry.writing import insert_absent, lock_person

# SQLite takes 32,766 values in one statement.
_AT_ONCE = 5000
LONGEST_REASON = 32


def suppress(database: Database, keys: Keys, address: Address, reason: str, now: datetime, *, evidence: Evidence | None = None) -> None:
    """Never mail this address again, and take it off every list. `reason` is a word such as `complaint` or `hard-bounce`; a first one stays."""
    with database.writing() as session:
        known = session.scalar(select(Subscriber.id).where(Subscriber.address_key == address.key))
        if known is None or not suppress_reader(session, keys, known, reason, evidence or Evidence("command", reason), now):
            _suppress(session, [address.digest(keys)], reason, now)


def suppress_reader(session: Session, keys: Keys, subscriber_id: int, reason: str, evidence: Evidence, now: datetime) -> bool:
    """Never mail this person again: off every list, their open requests to join are over. Whether there was such a person.

    The consent rows say `complained` for a reason that begins with `complaint`, `bounced` for one with `bounce` in it, `left` for `opt-out`,
    else `removed`.
    """
    person = lock_person(session, subscriber_id)
    if person is None:
        return False
    # The person's row may hold a hash of an older key, and that is the one which sending compares.
    hashes = dict.fromkeys([Address(person.address, person.address_key).digest(keys), person.address_hash])
    fresh = _suppress(session, list(hashes), reason, now)
    lists = session.execute(select(Subscription.list_id, Subscription.state).where(Subscription.subscriber_id == subscriber_id)
                            .order_by(Subscription.list_id)).all()
    session.execute(update(Subscription).where(Subscription.subscriber_id == subscriber_id, Subscription.state != "left")
                    .values(state="left", left_at=now), execution_options={"synchronize_session": False})
    for list_id, state in lists:
        # Written for lists they had left before, too: an undoing must see that this came later.
        if fresh or state != "left":
            record(session, list_id, [subscriber_id], action_of(reason), evidence, now)
    close_requests(session, subscriber_id, now)
    return True


def action_of(reason: str) -> str:
    """What a suppression for `reason` is called in the consent ledger."""
    if reason.startswith("complaint"):
        return COMPLAINED
    if "bounce" in reason:
        return BOUNCED
    return LEFT if reason == "opt-out" else REMOVED


def close_requests(session: Session, subscriber_id: int, now: datetime) -> None:
    """No request of this person from before can be confirmed any more."""
    session.execute(update(SignupRequest).where(SignupRequest.subscriber_id == subscriber_id, SignupRequest.expires_at > now)
                    .values(expires_at=now), execution_options={"synchronize_session": False})


def lift(database: Database, keys: Keys, address: Address, why: str, now: datetime) -> bool:
    """Let the address be mailed again if it asks anew; whether it was suppressed.

    It is on no list by this, and no import puts it on one: its owner has to confirm, or to ask an operator who adds them as coming back.
    """
    with database.writing() as session:
        person = session.scalar(select(Subscriber).where(Subscriber.address_key == address.key))
        if person is not None:
            lock_person(session, person.id)
        hashes = [*address.digests(keys), *([person.address_hash] if person is not None else [])]
        lifted = session.scalars(delete(Suppression).where(Suppression.address_hash.in_(hashes)).returning(Suppression.address_hash)).all()
        if lifted and person is not None:
            _keep_off(session, person.id, Evidence("command", why), now)
        return bool(lifted)


def _keep_off(session: Session, subscriber_id: int, evidence: Evidence, now: datetime) -> None:
    """Somebody could be on a list and suppressed (written by an older version, or by an import at the same moment): they leave now."""
    for subscription in session.scalars(select(Subscription).where(Subscription.subscriber_id == subscriber_id).order_by(Subscription.list_id)):
        if subscription.state != "left":
            subscription.state, subscription.left_at = "left", now
            record(session, subscription.list_id, [subscriber_id], REMOVED, evidence, now)
    record(session, EVERY_LIST, [subscriber_id], LIFTED, evidence, now)
    # What was asked before is over, and does not count as a mail that is still to be answered: they may ask anew at once.
    session.execute(delete(SignupRequest).where(SignupRequest.subscriber_id == subscriber_id, SignupRequest.used_at.is_(None)),
                    execution_options={"synchronize_session": False})


def is_suppressed(session: Session, keys: Keys, address: Address, stored_hash: str | None = None) -> bool:
    """Whether this address may get no mail of any kind; `stored_hash` is that of the person's row, which may be of a key long gone."""
    hashes = [*address.digests(keys), *([stored_hash] if stored_hash else [])]
    return session.scalars(select(Suppression.address_hash).where(Suppression.address_hash.in_(hashes)).limit(1)).first() is not None


def suppressed_keys(session: Session, keys: Keys, addresses: Iterable[Address]) -> set[str]:
    """The keys of those addresses that are suppressed, under whichever signing key that was written."""
    owner = {digest: address.key for address in addresses for digest in address.digests(keys)}
    return {owner[found] for found in _found(session, owner)}


def _suppress(session: Session, hashes: list[str], reason: str, now: datetime) -> bool:
    """Whether one of them is new."""
    return bool(insert_absent(session, Suppression, [{"address_hash": value, "reason": reason[:LONGEST_REASON], "at": now} for value in hashes],
                              Suppression.address_hash))


def _found(session: Session, hashes: Iterable[str]) -> Iterator[str]:
    waiting = iter(hashes)
    while part := list(islice(waiting, _AT_ONCE)):
        yield from session.scalars(select(Suppression.address_hash).where(Suppression.address_hash.in_(part)))
