"""A request to join is confirmed: once, within its time, and never against a later leaving, complaint or suppression."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.links import CONFIRM, read_pair
from publisher.notices import write_notice
from publisher.settings import Settings
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.consent import CONFIRMED, ENDING, Evidence, client_hash, record
from subscribers.models import Consent, ReaderListRow, SignupRequest, Subscriber, Subscription
from subscribers.registry.suppressions import is_suppressed
from subscribers.registry.writing import insert_absent, lock_person

Status = Literal["open", "joined", "used", "expired", "void"]


@dataclass(frozen=True, slots=True)
class Pending:
    """A request behind a token. `open`: its button joins `list_names`; `joined`: it did so now; `used`: they are the lists asked for that the
    reader is on; `expired`: too late; `void`: the reader left, complained or was suppressed since. For both of these: the lists asked for.
    """

    status: Status
    subscriber_id: int
    address: str
    list_names: list[str]
    language: str
    request_id: int


@dataclass(frozen=True, slots=True)
class _Seat:
    """One list that was asked for, in which state the person stands, and whether consent ended there after the request."""

    list_id: int
    name: str
    state: str | None
    ended: bool


@dataclass(frozen=True, slots=True)
class _Case:
    request: SignupRequest
    pending: Pending
    joinable: list[_Seat]


def look(session: Session, keys: Keys, token: str, now: datetime) -> Pending | None:
    """What the token would do; changes nothing. None when it is not ours, or its request or person is gone."""
    ids = read_pair(keys, CONFIRM, token)
    person = session.get(Subscriber, ids[1]) if ids else None
    case = _case(session, keys, ids[0], person, now) if ids and person else None
    return case.pending if case else None


def confirm(database: Database, keys: Keys, settings: Settings, token: str, now: datetime, door: str, client: str | None = None) -> Pending | None:
    """Join the lists of a request and ask for the welcome mail. Exactly one of two at once joins; the other finds it `used`.

    None when the token is not ours, or its request or person is gone. `settings` names the lists' languages nowhere: the request has its own.
    """
    ids = read_pair(keys, CONFIRM, token)
    if ids is None:
        return None
    with database.writing() as session:
        person = lock_person(session, ids[1])
        case = _case(session, keys, ids[0], person, now) if person else None
        if case is None or person is None or case.pending.status != "open":
            return case.pending if case else None
        joined = _join(session, case, now)
        if not joined:
            return replace(case.pending, status="void")
        request = case.request
        request.used_at = now
        person.language = person.language or request.language
        evidence = Evidence(door, "", request.wording_id, request.origin, client_hash(keys, client), request.id)
        for seat in joined:
            record(session, seat.list_id, [person.id], CONFIRMED, evidence, now)
        write_notice(session, "welcome", person.id, request.language, now, list_id=joined[0].list_id, request_id=request.id,
                     data={"lists": [seat.list_id for seat in joined]})
        return replace(case.pending, status="joined", list_names=[seat.name for seat in joined])


def _join(session: Session, case: _Case, now: datetime) -> list[_Seat]:
    """The lists that were joined: a leaving that is committed at this very moment still wins, because the update looks at its row anew."""
    request = case.request
    wanted = {seat.list_id: seat for seat in case.joinable}
    insert_absent(session, Subscription, [
        {"list_id": seat.list_id, "subscriber_id": request.subscriber_id, "state": "unconfirmed", "created_at": now}
        for seat in case.joinable if seat.state is None])
    joined = session.scalars(
        update(Subscription).where(
            Subscription.subscriber_id == request.subscriber_id, Subscription.list_id.in_(wanted), Subscription.state != "subscribed",
            or_(Subscription.left_at.is_(None), Subscription.left_at < request.created_at))
        .values(state="subscribed", confirmed_at=now, left_at=None, rhythm_since=now).returning(Subscription.list_id),
        execution_options={"synchronize_session": False}).all()
    return [seat for list_id, seat in wanted.items() if list_id in set(joined)]


def _case(session: Session, keys: Keys, request_id: int, person: Subscriber, now: datetime) -> _Case | None:
    request = session.get(SignupRequest, request_id, populate_existing=True)
    # What was not mailed has no token out there.
    if request is None or request.subscriber_id != person.id or not request.mailed:
        return None
    seats = _seats(session, request)
    joinable = [seat for seat in seats if seat.state != "subscribed" and not seat.ended]
    there = [seat for seat in seats if seat.state == "subscribed"]
    shown = seats
    status: Status
    if request.used_at is not None or (seats and there == seats):
        status, shown = "used", there
    elif now >= request.expires_at:
        status = "expired"
    elif joinable and not is_suppressed(session, keys, Address(person.address, person.address_key), person.address_hash):
        status, shown = "open", joinable
    else:
        status = "void"
    return _Case(request, Pending(status, person.id, person.address, [seat.name for seat in shown], request.language, request.id), joinable)


def _seats(session: Session, request: SignupRequest) -> list[_Seat]:
    """The lists of the request that are still there, in the order asked."""
    later = exists().where(Consent.subscriber_id == request.subscriber_id, Consent.list_id == ReaderListRow.id, Consent.action.in_(ENDING),
                           Consent.at >= request.created_at)
    rows = session.execute(
        select(ReaderListRow.id, ReaderListRow.name, Subscription.state, later, Subscription.left_at)
        .outerjoin(Subscription, (Subscription.list_id == ReaderListRow.id) & (Subscription.subscriber_id == request.subscriber_id))
        .where(ReaderListRow.id.in_(request.list_ids), ReaderListRow.present)).all()
    found = {row[0]: _Seat(row[0], row[1], row[2], bool(row[3] or (row[4] is not None and row[4] >= request.created_at))) for row in rows}
    return [found[list_id] for list_id in request.list_ids if list_id in found]
