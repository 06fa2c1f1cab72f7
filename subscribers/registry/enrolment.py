"""People join a list: many at once, each with a record of how they agreed. Who left stays away unless they asked to come back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.consent import IMPORTED, REJOINED, Evidence, only_by_themselves, record
from subscribers.models import Subscriber, Subscription
from subscribers.registry.suppressions import suppressed_keys
from subscribers.registry.writing import insert_absent

# What became of a person: `unchanged` was on the list already, `left` (or was suppressed once) stays away until they come back by their own word,
# `suppressed` is never mailed again.
Joined = Literal["added", "rejoined", "unchanged", "left", "suppressed"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who agreed: at `confirmed_at` where their own moment is known, else at the agreement's."""

    address: Address
    name: str | None = None
    confirmed_at: datetime | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """To which list, in which words and by which door people agreed; `rejoin` when they asked to come back after they had left.

    Without `door` it is `import` for the action `imported`, else `command`. `origin` says where they agreed.
    """

    list_id: int
    action: str
    wording: str
    at: datetime
    rejoin: bool = False
    door: str | None = None
    origin: str | None = None

    @property
    def evidence(self) -> Evidence:
        """What the consent ledger keeps of it."""
        return Evidence(self.door or ("import" if self.action == IMPORTED else "command"), self.wording, origin=self.origin)


def enrol(session: Session, keys: Keys, people: Iterable[Person], agreement: Agreement) -> dict[str, Joined]:
    """Put `people` on the list; the same again changes nothing. Answers by address key. A suppressed address is not even stored."""
    unique: dict[str, Person] = {}
    for person in people:
        unique.setdefault(person.address.key, person)
    suppressed = suppressed_keys(session, keys, [person.address for person in unique.values()])
    # Two who write the same rows in one order wait for each other; in two orders they would lock each other out.
    wanted = [unique[key] for key in sorted(unique) if key not in suppressed]
    key_of = _store(session, keys, wanted, agreement.at)
    # Nobody agreed in the future, whatever a file says.
    moments = {one: min(unique[key].confirmed_at or agreement.at, agreement.at) for one, key in key_of.items()}
    outcome = _subscribe(session, moments, agreement)
    answers: dict[str, Joined] = {key: "suppressed" for key in suppressed}
    return answers | {key_of[subscriber_id]: joined for subscriber_id, joined in outcome.items()}


def _store(session: Session, keys: Keys, people: Sequence[Person], now: datetime) -> dict[int, str]:
    """Each person's id and key. A name and a language are filled in where there was none; what is known stays."""
    known = _known(session, people)
    absent = [person for person in people if person.address.key not in known]
    insert_absent(session, Subscriber, [
        {"address": person.address.typed, "address_key": person.address.key, "address_hash": person.address.digest(keys),
         "name": person.name, "language": person.language, "created_at": now} for person in absent])
    for person in people:
        _fill_in(session, person, known.get(person.address.key))
    known |= _known(session, absent)
    return {known[person.address.key].id: person.address.key for person in people if person.address.key in known}


def _fill_in(session: Session, person: Person, known: Any) -> None:
    offered = {"name": person.name, "language": person.language}
    values = {name: value for name, value in offered.items() if value and known is not None and getattr(known, name) is None}
    if values:
        session.execute(update(Subscriber).where(Subscriber.id == known.id).values(values), execution_options={"synchronize_session": False})


def _known(session: Session, people: Sequence[Person]) -> dict[str, Any]:
    """Their rows by key, held against deletion (by retention) until this transaction ends."""
    keys = [person.address.key for person in people]
    query = (select(Subscriber.address_key, Subscriber.id, Subscriber.name, Subscriber.language).where(Subscriber.address_key.in_(keys))
             .order_by(Subscriber.address_key).with_for_update(read=True, key_share=True))
    return {row.address_key: row for row in session.execute(query)}


def _subscribe(session: Session, moments: Mapping[int, datetime], agreement: Agreement) -> dict[int, Joined]:
    """`moments` says when each person agreed."""
    list_id, subscriber_ids = agreement.list_id, sorted(moments)
    states: dict[int, str] = {subscriber_id: state for subscriber_id, state in session.execute(
        select(Subscription.subscriber_id, Subscription.state)
        .where(Subscription.list_id == list_id, Subscription.subscriber_id.in_(subscriber_ids)))}
    wary = set() if agreement.rejoin else set(session.scalars(
        select(Subscriber.id).where(Subscriber.id.in_(subscriber_ids), only_by_themselves(Subscriber.id))))
    absent = [subscriber_id for subscriber_id in subscriber_ids if subscriber_id not in states and subscriber_id not in wary]
    fresh = insert_absent(session, Subscription, [
        {"list_id": list_id, "subscriber_id": one, "state": "subscribed", "created_at": moments[one], "confirmed_at": moments[one],
         "rhythm_since": agreement.at} for one in absent], Subscription.subscriber_id)
    fresh += _revive(session, agreement, [one for one, state in states.items() if state == "unconfirmed" and one not in wary], "unconfirmed", moments)
    record(session, list_id, fresh, agreement.action, agreement.evidence, agreement.at, moments)
    # Coming back is said now: an older moment would lie before the leaving.
    back = _revive(session, agreement, [one for one, state in states.items() if state == "left" and agreement.rejoin], "left", {})
    record(session, list_id, back, REJOINED, agreement.evidence, agreement.at)
    outcome: dict[int, Joined] = {one: "left" if states.get(one) == "left" or (one in wary and states.get(one) != "subscribed") else "unchanged"
                                  for one in subscriber_ids}
    return outcome | dict.fromkeys(fresh, "added") | dict.fromkeys(back, "rejoined")


def _revive(session: Session, agreement: Agreement, subscriber_ids: Sequence[int], state: str, moments: Mapping[int, datetime]) -> list[int]:
    """Those whose state was still `state` and is `subscribed` now, each since their own moment."""
    by_moment: dict[datetime, list[int]] = {}
    for one in subscriber_ids:
        by_moment.setdefault(moments.get(one, agreement.at), []).append(one)
    return [one for moment, some in by_moment.items() for one in session.scalars(
        update(Subscription)
        .where(Subscription.list_id == agreement.list_id, Subscription.subscriber_id.in_(some), Subscription.state == state)
        .values(state="subscribed", confirmed_at=moment, left_at=None, rhythm_since=agreement.at).returning(Subscription.subscriber_id),
        execution_options={"synchronize_session": False})]
