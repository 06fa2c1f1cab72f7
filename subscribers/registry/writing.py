"""Inserts that two writers may try at once: the unique keys decide, and nobody fails. And the lock that puts two acts of one person in order."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from publisher.db import Base
from subscribers.models import Subscriber, Subscription


def insert_absent(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]], returning: Any = None) -> list[Any]:
    """Insert the rows whose unique keys are free, and leave the others; `returning` is a column of those inserted."""
    if not rows:
        return []
    made: Any = (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert(model).on_conflict_do_nothing()
    if returning is None:
        session.execute(made, rows)
        return []
    return list(session.scalars(made.returning(returning), rows))


def seat_unconfirmed(session: Session, list_ids: Sequence[int], subscriber_id: int, now: datetime) -> None:
    """Give a person a place that waits for confirmation on each list where they have none; one that waits already waits from now on.

    Found places are locked as well: who asks anew while what they asked before is swept away keeps their place.
    """
    made: Any = (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert(Subscription)
    refreshed = made.on_conflict_do_update(index_elements=["list_id", "subscriber_id"], set_={"created_at": now},
                                           where=Subscription.state == "unconfirmed")
    session.execute(refreshed, [
        {"list_id": list_id, "subscriber_id": subscriber_id, "state": "unconfirmed", "created_at": now} for list_id in list_ids])


def lock_person(session: Session, subscriber_id: int, *, to_delete: bool = False) -> Subscriber | None:
    """The person, locked until this transaction ends (on SQLite the transaction itself is the lock); None when they are gone.

    Taken before any row of theirs is looked at, so that of two acts at one moment the second sees what the first did.
    """
    query = select(Subscriber).where(Subscriber.id == subscriber_id).with_for_update(key_share=not to_delete)
    return session.scalar(query, execution_options={"populate_existing": True})
