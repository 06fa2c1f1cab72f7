"""Addresses that are never mailed again, by keyed hash: they outlive the person's erasure and a rotation of the key."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.models import Subscriber, Suppression
from subscribers.registry.writing import insert_absent

# SQLite takes 32,766 values in one statement.
_AT_ONCE = 5000


def suppress(database: Database, keys: Keys, address: Address, reason: str, now: datetime) -> None:
    """Never mail this address again. `reason` is a word such as `complaint` or `hard-bounce`; a first one stays."""
    with database.writing() as session:
        # The person's row may hold a hash of an older key, and that is the one which sending compares.
        stored = session.scalar(select(Subscriber.address_hash).where(Subscriber.address_key == address.key))
        hashes = dict.fromkeys([address.digest(keys), *([stored] if stored else [])])
        insert_absent(session, Suppression, [{"address_hash": value, "reason": reason, "at": now} for value in hashes])


def suppressed_keys(session: Session, keys: Keys, addresses: Iterable[Address]) -> set[str]:
    """The keys of those addresses that are suppressed, under whichever signing key that was written."""
    owner = {digest: address.key for address in addresses for digest in address.digests(keys)}
    return {owner[found] for found in _found(session, owner)}


def _found(session: Session, hashes: Iterable[str]) -> Iterator[str]:
    waiting = iter(hashes)
    while part := list(islice(waiting, _AT_ONCE)):
        yield from session.scalars(select(Suppression.address_hash).where(Suppression.address_hash.in_(part)))
