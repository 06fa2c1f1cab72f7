"""A person's row for an address: the one place where an address is stored."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.models import Subscriber
from subscribers.registry.writing import insert_absent, lock_person


def person(session: Session, keys: Keys, address: Address, now: datetime, language: str | None = None) -> int:
    """The id of the person's row, made when there is none: for an address that is answered by mail. It is on no list by that.

    Retention takes it away when nothing needs it. Whether the address is suppressed is for the caller to ask (`is_suppressed`).
    """
    return stored_person(session, keys, address, now, language=language).id


def rename(database: Database, address: Address, name: str | None) -> bool:
    """Correct what a person is called, or forget it; whether there is such a person."""
    with database.writing() as session:
        found = session.scalar(select(Subscriber).where(Subscriber.address_key == address.key))
        if found is not None:
            found.name = name
        return found is not None


def stored_person(session: Session, keys: Keys, address: Address, now: datetime, *, language: str | None = None,
                  name: str | None = None) -> Subscriber:
    """The person's row, locked. `language` and `name` are kept when the row is new."""
    row = {"address": address.typed, "address_key": address.key, "address_hash": address.digest(keys), "name": name, "language": language,
           "created_at": now}
    while True:
        insert_absent(session, Subscriber, [row])
        known = session.scalar(select(Subscriber.id).where(Subscriber.address_key == address.key))
        found = lock_person(session, known) if known is not None else None
        # Between insert and lock, retention or an erasure may have taken the row away.
        if found is not None:
            return found
