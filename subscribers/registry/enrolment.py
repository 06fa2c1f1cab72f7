"""People join a list: many at once, each with a record of how they agreed. Who left stays away unless they asked to come back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.consent import REJOINED, record
from subscribers.models import Subscriber, Subscription
from subscribers.registry.suppressions import suppressed_keys
from subscribers.registry.writing import insert_absent

# What became of a person: `unchanged` was on the list already, `left` stays away, `suppressed` is never mailed again.
Joined = Literal["added", "rejoined", "unchanged", "left", "suppressed"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who agreed."""

    address: Address
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """To which list, in which words and by which door people agreed; `rejoin` when they asked to come back after they had left."""

    list_id: int
    action: str
    wording: str
    at: datetime
    rejoin: bool = False


def enrol(session: Session, keys: Keys, people: Iterable[Person], agreement: Agreement) -> dict[str, Joined]:
    """Put `people` on the list; the same again changes nothing. Answers by address key. A suppressed address is not even stored."""
    unique: dict[str, Person] = {}
    for person in people:
        unique.setdefault(person.address.key, person)
    suppressed = suppressed_keys(session, keys, [person.address for person in unique.values()])
    # Two who write the same rows in one order wait for each other; in two orders they would lock each other out.
    wanted = [unique[key] for key in sorted(unique) if key not in suppressed]
    key_of = _store(session, keys, wanted, agreement.at)
    outcome = _subscribe(session, sorted(key_of), agreement)
    answers: dict[str, Joined] = {key: "suppressed" for key in suppressed}
    return answers | {key_of[subscriber_id]: joined for subscriber_id, joined in outcome.items()}


def _store(session: Session, keys: Keys, people: Sequence[Person], now: datetime) -> dict[int, str]:
    """Each person's id and key. A name is filled in where there was none; one that is known stays."""
    known = _known(session, people)
    absent = [person for person in people if person.address.key not in known]
    insert_absent(session, Subscriber, [
        {"address": person.address.typed, "address_key": person.address.key, "address_hash": person.address.digest(keys),
         "name": person.name, "created_at": now} for person in absent])
    for person in people:
        if person.name and person.address.key in known and known[person.address.key][1] is None:
            session.execute(update(Subscriber).where(Subscriber.id == known[person.address.key][0]).values(name=person.name))
    known |= _known(session, absent)
    return {known[person.address.key][0]: person.address.key for person in people}


def _known(session: Session, people: Sequence[Person]) -> dict[str, tuple[int, str | None]]:
    keys = [person.address.key for person in people]
    query = select(Subscriber.address_key, Subscriber.id, Subscriber.name).where(Subscriber.address_key.in_(keys))
    return {key: (subscriber_id, name) for key, subscriber_id, name in session.execute(query)}


def _subscribe(session: Session, subscriber_ids: Sequence[int], agreement: Agreement) -> dict[int, Joined]:
    now, list_id = agreement.at, agreement.list_id
    states: dict[int, str] = {subscriber_id: state for subscriber_id, state in session.execute(
        select(Subscription.subscriber_id, Subscription.state)
        .where(Subscription.list_id == list_id, Subscription.subscriber_id.in_(subscriber_ids)))}
    absent = [subscriber_id for subscriber_id in subscriber_ids if subscriber_id not in states]
    fresh = insert_absent(session, Subscription, [
        {"list_id": list_id, "subscriber_id": subscriber_id, "state": "subscribed", "created_at": now, "confirmed_at": now}
        for subscriber_id in absent], Subscription.subscriber_id)
    fresh += _revive(session, agreement, [one for one, state in states.items() if state == "unconfirmed"], "unconfirmed")
    record(session, list_id, fresh, agreement.action, agreement.wording, now)
    back = _revive(session, agreement, [one for one, state in states.items() if state == "left" and agreement.rejoin], "left")
    record(session, list_id, back, REJOINED, agreement.wording, now)
    outcome: dict[int, Joined] = {one: "left" if states.get(one) == "left" else "unchanged" for one in subscriber_ids}
    return outcome | dict.fromkeys(fresh, "added") | dict.fromkeys(back, "rejoined")


def _revive(session: Session, agreement: Agreement, subscriber_ids: Sequence[int], state: str) -> list[int]:
    """Those whose state was still `state` and is `subscribed` now."""
    if not subscriber_ids:
        return []
    return list(session.scalars(
        update(Subscription)
        .where(Subscription.list_id == agreement.list_id, Subscription.subscriber_id.in_(subscriber_ids), Subscription.state == state)
        .values(state="subscribed", confirmed_at=agreement.at, left_at=None).returning(Subscription.subscriber_id),
        execution_options={"synchronize_session": False}))
