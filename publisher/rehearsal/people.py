"""The readers of a rehearsal: as many as the real list has, with their groups and hours, and without anything by which a person is known."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, insert, select
from sqlalchemy.orm import Session

from publisher.audience import EACH, audience_of, list_id_of
from publisher.db import Database
from publisher.models import Issue
from publisher.rehearsal.relay import address_of
from publisher.settings import Newsletter
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.models import Subscriber, Subscription, Suppression

# Rows in one statement.
_BATCH = 2000
# Of those who must get nothing (left, unconfirmed, suppressed, or readers of digests) so many come along to prove it.
_OTHERS = 1000
_KEPT = (Subscription.state, Subscription.confirmed_at, Subscription.left_at, Subscription.rhythm, Subscription.rhythm_since, Subscription.sections,
         Subscription.sections_key, Subscription.hour)
_QUERY = select(Subscriber.id, Subscriber.language, Subscriber.timezone, Suppression.address_hash.is_not(None).label("suppressed"), *_KEPT)


@dataclass(slots=True)
class People:
    """Who is in the scratch newsroom, by id: those the issue is for, of whom `invented` have no counterpart; and those who must get nothing."""

    readers: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    invented: int = 0


def copy_people(real: Database, scratch: Database, newsletter: Newsletter, keys: Keys, wanted: int | None, least: int, now: datetime) -> People:
    """Copy `wanted` readers of a newsletter, or all of them, adding invented ones where there are fewer (or fewer than `least`)."""
    people = People()
    with real.reading() as session:
        mailed = _mailed(session, newsletter)
        ours = Subscription.list_id == list_id_of(session, newsletter)
        readers = _people(session, mailed, wanted)
        others = _people(session, and_(ours, ~mailed), _OTHERS)
        with scratch.writing() as writing:
            into = list_id_of(writing, newsletter)
            for rows, ids in ((readers, people.readers), (others, people.others)):
                while batch := list(islice(rows, _BATCH)):
                    _write(writing, batch, into, keys, now)
                    ids += [row["id"] for row in batch]
            people.invented = max(0, (wanted if wanted is not None else least) - len(people.readers))
            first = max(chain(people.readers, people.others), default=0) + 1
            new = iter(range(first, first + people.invented))
            while ids_ := list(islice(new, _BATCH)):
                _write(writing, [_invented(one, now) for one in ids_], into, keys, now)
                people.readers += ids_
    return people


def count_people(real: Database, newsletter: Newsletter) -> int:
    """How many readers the next issue of a newsletter would have."""
    with real.reading() as session:
        return session.scalar(select(func.count()).select_from(Subscription).join(Subscriber, Subscriber.id == Subscription.subscriber_id)
                              .where(_mailed(session, newsletter))) or 0


def _mailed(session: Session, newsletter: Newsletter) -> ColumnElement[bool]:
    """Who would be mailed an issue that started now."""
    suppressed = exists().where(Suppression.address_hash == Subscriber.address_hash).correlate(Subscriber)
    return and_(audience_of(session, newsletter, Issue(rhythm=EACH)).condition, ~suppressed)


def _people(session: Session, condition: ColumnElement[bool], most: int | None) -> Iterator[dict[str, Any]]:
    query = (_QUERY.join(Subscription, Subscription.subscriber_id == Subscriber.id)
             .outerjoin(Suppression, Suppression.address_hash == Subscriber.address_hash).where(condition).order_by(Subscriber.id).limit(most))
    rows = session.execute(query, execution_options={"yield_per": _BATCH})
    return (dict(row) for row in rows.mappings())


def _invented(reader: int, now: datetime) -> dict[str, Any]:
    return {"id": reader, "language": None, "timezone": None, "suppressed": False, "state": "subscribed", "confirmed_at": now, "left_at": None,
            "rhythm": EACH, "rhythm_since": None, "sections": None, "sections_key": "all", "hour": None}


def _write(session: Session, rows: list[dict[str, Any]], list_id: int, keys: Keys, now: datetime) -> None:
    addresses = {row["id"]: Address(address_of(row["id"]), address_of(row["id"])) for row in rows}
    hashes = {reader: address.digest(keys) for reader, address in addresses.items()}
    session.execute(insert(Subscriber), [
        {"id": row["id"], "address": addresses[row["id"]].typed, "address_key": addresses[row["id"]].key, "address_hash": hashes[row["id"]],
         "language": row["language"], "timezone": row["timezone"], "created_at": now} for row in rows])
    session.execute(insert(Subscription), [
        {"list_id": list_id, "subscriber_id": row["id"], "created_at": now} | {column.key: row[column.key] for column in _KEPT} for row in rows])
    suppressed = [{"address_hash": hashes[row["id"]], "reason": "rehearsal", "at": now} for row in rows if row["suppressed"]]
    if suppressed:
        session.execute(insert(Suppression), suppressed)
