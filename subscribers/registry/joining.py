"""Somebody asks to join: one request, at most one mail, and the same answer whether the address was known or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.notices import write_notice
from publisher.settings import Settings
from publisher.text.clean import clean_line
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.consent import ASKED, Evidence, client_hash, client_hashes, only_by_themselves, record
from subscribers.hints import refused_domains
from subscribers.models import ReaderListRow, SignupRequest, Subscriber, Subscription
from subscribers.registry.people import stored_person
from subscribers.registry.suppressions import is_suppressed
from subscribers.registry.writing import seat_unconfirmed

# facts: one pending mail a day and three in thirty days for one address; anybody can type anybody's address into a form.
PENDING_FOR = timedelta(hours=24)
MAILS_FOR, MOST_MAILS = timedelta(days=30), 3
_HOUR = timedelta(hours=1)
_DOMAIN = "domain"
_LONGEST_NAME = 200
# A request for a suppressed address counts for the limits and names nobody.
NOBODY = 0
Outcome = Literal["mailed", "waits", "suppressed", "busy", "refused"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks for which lists. `client` is the network address (hashed before it is kept), `origin` the page or address of ours.

    `in_reply_to` is the Message-ID that the mail answers, where a mail asked.
    """

    address: Address
    list_ids: Sequence[int]
    door: str
    language: str
    name: str | None = None
    origin: str | None = None
    client: str | None = None
    wording_id: int | None = None
    in_reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of it; to be told to nobody but as one of three pages: look into your mailbox, too busy, refused domain."""

    outcome: Outcome
    request_id: int | None = None
    subscriber_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Seat:
    list_id: int
    single: bool
    state: str | None


def ask(database: Database, keys: Keys, settings: Settings, wanted: Ask, now: datetime) -> Asked:
    """Ask to join. A mail is asked for (`mailed`), or none is written: one is pending (`waits`), `suppressed`, `busy`, `refused`.

    Everybody but `busy` and `refused` gets the same page: it must not tell who is a reader. Raises PublisherError without a list that is there.
    """
    path = settings.signup.refused_domains
    refused = refused_domains(settings.place(path) if path else None)
    with database.writing() as session:
        if _busy(session, keys, settings, wanted, now):
            return Asked("busy")
        if refused is not None and refused.refuses(wanted.address):
            return Asked("refused")
        if is_suppressed(session, keys, wanted.address):
            _request(session, keys, settings, wanted, now, subscriber_id=NOBODY, list_ids=[], mailed=False)
            return Asked("suppressed")
        person = stored_person(session, keys, wanted.address, now, name=_name(wanted))
        if is_suppressed(session, keys, wanted.address, person.address_hash):
            _request(session, keys, settings, wanted, now, subscriber_id=NOBODY, list_ids=[], mailed=False)
            return Asked("suppressed")
        return _answer(session, keys, settings, wanted, person, now)


def _name(wanted: Ask) -> str | None:
    return clean_line(wanted.name or "")[:_LONGEST_NAME] or None


def _busy(session: Session, keys: Keys, settings: Settings, wanted: Ask, now: datetime) -> bool:
    """Whether too many asked within the hour: from this network, for this mail domain, or in all. It says nothing of the address."""
    lately = select(func.count()).select_from(SignupRequest).where(SignupRequest.created_at > now - _HOUR)
    of_domain = lately.where(SignupRequest.domain_hash.in_(keys.digests(_DOMAIN, _domain(wanted.address))))
    of_client = lately.where(SignupRequest.client_hash.in_(client_hashes(keys, wanted.client or "")))
    in_all, domain, client = session.execute(select(lately.scalar_subquery(), of_domain.scalar_subquery(), of_client.scalar_subquery())).one()
    limits = settings.signup
    return bool(in_all >= limits.in_all or domain >= limits.per_domain or (wanted.client and client >= limits.per_client))


def _domain(address: Address) -> str:
    return address.key.rpartition("@")[2]


def _answer(session: Session, keys: Keys, settings: Settings, wanted: Ask, person: Subscriber, now: datetime) -> Asked:
    seats = _seats(session, settings, wanted.list_ids, person.id)
    if not seats:
        raise PublisherError(_("there is no such list"))
    list_ids = [seat.list_id for seat in seats]
    _learn_name(session, person.id, _name(wanted))
    if _waits(session, person.id, now):
        request = _request(session, keys, settings, wanted, now, subscriber_id=person.id, list_ids=list_ids, mailed=False)
        return Asked("waits", request.id, person.id)
    seat_unconfirmed(session, list_ids, person.id, now)
    request = _request(session, keys, settings, wanted, now, subscriber_id=person.id, list_ids=list_ids, mailed=True)
    evidence = Evidence(wanted.door, "", wanted.wording_id, wanted.origin, client_hash(keys, wanted.client), request.id)
    for list_id in list_ids:
        record(session, list_id, [person.id], ASKED, evidence, now)
    kind = _kind(session, seats, person.id, request, now)
    first = next((seat.list_id for seat in seats if seat.state != "subscribed"), list_ids[0])
    write_notice(session, kind, person.id, wanted.language, now, list_id=first, request_id=request.id, in_reply_to=wanted.in_reply_to,
                 data={"lists": _lists_of(kind, seats)})
    return Asked("mailed", request.id, person.id)


def _lists_of(kind: str, seats: Sequence[_Seat]) -> list[int]:
    """The lists that the mail is about: those they join, or those they are on."""
    return [seat.list_id for seat in seats if kind == "already" or seat.state != "subscribed"]


def _kind(session: Session, seats: Sequence[_Seat], subscriber_id: int, request: SignupRequest, now: datetime) -> str:
    """Which mail answers. A list with single opt-in is joined at once, but never by somebody who had left it: anybody can fill in a form."""
    open_seats = [seat for seat in seats if seat.state != "subscribed"]
    # Asked of everybody: a reader's request must not take a statement less than a stranger's.
    once_suppressed = session.scalar(select(only_by_themselves(subscriber_id)))
    if not open_seats:
        return "already"
    if once_suppressed or not all(seat.single and seat.state != "left" for seat in open_seats):
        return "confirm"
    request.used_at = now
    session.execute(update(Subscription).where(
        Subscription.subscriber_id == subscriber_id, Subscription.list_id.in_([seat.list_id for seat in open_seats]),
        Subscription.state == "unconfirmed").values(state="subscribed", confirmed_at=now, left_at=None, rhythm_since=now),
        execution_options={"synchronize_session": False})
    return "welcome"


def _seats(session: Session, settings: Settings, list_ids: Sequence[int], subscriber_id: int) -> list[_Seat]:
    """The lists asked for that are there, in the order asked, and where the person stands with each."""
    rows = session.execute(
        select(ReaderListRow.id, ReaderListRow.name, Subscription.state)
        .outerjoin(Subscription, (Subscription.list_id == ReaderListRow.id) & (Subscription.subscriber_id == subscriber_id))
        .where(ReaderListRow.id.in_(list_ids), ReaderListRow.present)).all()
    found = {row[0]: _Seat(row[0], _single(settings, row[1]), row[2]) for row in rows}
    return [found[list_id] for list_id in dict.fromkeys(list_ids) if list_id in found]


def _single(settings: Settings, name: str) -> bool:
    entry = settings.reader_list(name)
    return entry is not None and entry.opt_in == "single"


def _learn_name(session: Session, subscriber_id: int, name: str | None) -> None:
    """A name is taken from a form only while nobody was confirmed behind the address: a stranger may have filled it in."""
    if name:
        reader = exists().where(Subscription.subscriber_id == Subscriber.id, Subscription.confirmed_at.is_not(None))
        session.execute(update(Subscriber).where(Subscriber.id == subscriber_id, Subscriber.name.is_(None), ~reader).values(name=name),
                        execution_options={"synchronize_session": False})


def _waits(session: Session, subscriber_id: int, now: datetime) -> bool:
    mailed = select(func.count()).select_from(SignupRequest).where(SignupRequest.subscriber_id == subscriber_id, SignupRequest.mailed)
    pending = mailed.where(SignupRequest.used_at.is_(None), SignupRequest.created_at > now - PENDING_FOR)
    lately = mailed.where(SignupRequest.created_at > now - MAILS_FOR)
    open_ones, all_of_them = session.execute(select(pending.scalar_subquery(), lately.scalar_subquery())).one()
    return bool(open_ones or all_of_them >= MOST_MAILS)


def _request(session: Session, keys: Keys, settings: Settings, wanted: Ask, now: datetime, *, subscriber_id: int, list_ids: list[int],
             mailed: bool) -> SignupRequest:
    row = SignupRequest(
        subscriber_id=subscriber_id, list_ids=list_ids, door=wanted.door, language=wanted.language, wording_id=wanted.wording_id,
        origin=wanted.origin, client_hash=client_hash(keys, wanted.client), domain_hash=keys.digest(_DOMAIN, _domain(wanted.address)),
        mailed=mailed, created_at=now, expires_at=now + settings.signup.confirm_within)
    session.add(row)
    session.flush()
    return row
