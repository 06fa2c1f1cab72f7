"""People arrive from a file, thousands at once: each with the day they agreed, the state they were in, and what they chose.

A batch is laid into a temporary table and moved on from there by a few statements over all of it: a statement a person would cost ten times as much.
The rules are those of the registry: who is suppressed is not even stored, who left stays away, and a membership that somebody confirmed here is not
ended by a file that does not say when they left.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from publisher.db import Database
from publisher.tokens import Keys
from subscribers.consent import ASKED, CHANGED, IMPORTED, LEFT, Evidence, only_by_themselves
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.registry.staging import OLD, ROWS, SEEN, Arrival, Staged, clear
from subscribers.registry.suppressions import LONGEST_REASON, suppress_reader
from subscribers.registry.writing import insert_absent

DOOR = "import"
_R = ROWS.c
_JOINING = (_R.aim == "join", _R.suppressed == 0)
_LEAVING = (_R.aim == "leave", _R.suppressed == 0)


class Tally(NamedTuple):
    """What became of people: `away` had left before and stay away, `barred` are never mailed again (as before), `gone` left by this, `closed` are
    suppressed by this; `unchanged` is everybody else."""

    added: int = 0
    unchanged: int = 0
    away: int = 0
    barred: int = 0
    gone: int = 0
    closed: int = 0


def file_arrivals(database: Database, keys: Keys, list_id: int, people: Sequence[Arrival], now: datetime) -> Tally:
    """Write what `people` are on the list `list_id`; the same again changes nothing. Of two rows of one address the first counts."""
    staged = Staged(database, keys, people, now)
    with database.writing() as session:
        _make_room(session)
        staged.lay(session)
        barred = _mark_suppressed(session)
        closed = _suppress(session, keys, people, now)
        known = _count(session, exists().where(Subscriber.address_key == _R.key))
        _store(session, known=bool(known))
        _lock(session)
        # Who was never seen here has nothing that could be kept.
        away = _count(session, *_JOINING, _stays_away(list_id)) if known else 0
        added = _join(session, list_id, known=bool(known))
        gone = _leave(session, list_id)
        if known:
            _fill_in(session)
        clear(session)
    return Tally(added, len(people) - barred - closed - added - gone - away, away, barred, gone, closed)


class Foresight:
    """Says batch by batch what `file_arrivals` would answer. It holds one transaction that only looks; what it saw stands in a temporary table."""

    def __init__(self, database: Database, keys: Keys, list_id: int, now: datetime) -> None:
        self._database, self._keys, self._list_id, self._now = database, keys, list_id, now
        self._open = ExitStack()

    def __enter__(self) -> "Foresight":
        self._session = self._open.enter_context(self._database.reading())
        self._session.execute(CreateTable(SEEN, if_not_exists=True))
        self._session.execute(delete(SEEN))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def look(self, people: Sequence[Arrival]) -> Tally:
        """The tally of one batch. Of an address that stood in an earlier batch nothing is said again."""
        session, list_id = self._session, self._list_id
        Staged(self._database, self._keys, people, self._now).lay(session)
        session.execute(delete(ROWS).where(exists().where(SEEN.c.hash == _R.hash)))
        session.execute(insert(SEEN).from_select(["hash"], select(_R.hash)))
        barred = _mark_suppressed(session)
        closed = _count(session, _R.aim == "suppress", _R.suppressed == 0)
        added = _count(session, *_JOINING, or_(~_membership(list_id), _membership(list_id, "unconfirmed")), ~_stays_away(list_id))
        away = _count(session, *_JOINING, _stays_away(list_id))
        gone = _count(session, *_LEAVING, or_(~_membership(list_id), _ends(list_id)))
        clear(session)
        return Tally(added, len(people) - barred - closed - added - gone - away, away, barred, gone, closed)


def _make_room(session: Session) -> None:
    """Addresses come in no order, so that a batch touches a page of an index for nearly every row: keep the pages, and write them back less often."""
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql("PRAGMA cache_size=-65536")
        session.connection().exec_driver_sql("PRAGMA wal_autocheckpoint=16000")


def _mark_suppressed(session: Session) -> int:
    """Mark those who are suppressed, under whichever key that was written; how many of them the file would put or leave on a list."""
    if session.execute(select(Suppression.address_hash).limit(1)).first() is None:
        return 0
    stored = exists().where(Subscriber.address_key == _R.key, Suppression.address_hash == Subscriber.address_hash)
    older = exists().where(OLD.c.place == _R.place, Suppression.address_hash == OLD.c.hash)
    session.execute(update(ROWS).where(or_(exists().where(Suppression.address_hash == _R.hash), stored, older)).values(suppressed=1))
    return _count(session, _R.suppressed == 1, _R.aim != "suppress")


def _suppress(session: Session, keys: Keys, people: Sequence[Arrival], now: datetime) -> int:
    """Suppress those the file says bounced or complained. Few of them are known here: these are taken off every list one by one."""
    if not any(person.aim == "suppress" for person in people):
        return 0
    said = {person.address.key: person for person in reversed(people)}
    new = session.execute(select(_R.key, _R.hash, Subscriber.id).outerjoin(Subscriber, Subscriber.address_key == _R.key)
                          .where(_R.aim == "suppress", _R.suppressed == 0).order_by(Subscriber.id, _R.key)).all()
    insert_absent(session, Suppression, [{"address_hash": digest, "reason": said[key].reason[:LONGEST_REASON], "at": now}
                                         for key, digest, known in new if known is None])
    for key, _digest, known in new:
        if known is not None:
            suppress_reader(session, keys, known, said[key].reason, Evidence(DOOR, said[key].wording), now)
    return len(new)


def _store(session: Session, *, known: bool) -> None:
    """A row for each person who has none."""
    wanted = and_(_R.suppressed == 0, _R.aim != "suppress")
    if session.execute(select(_R.place).where(wanted).limit(1)).first() is None:
        return
    columns = ["address", "address_key", "address_hash", "name", "language", "timezone", "created_at"]
    found = (select(_R.typed, _R.key, _R.hash, _R.name, _R.language, _R.timezone, _R.created_at)
             .where(wanted).order_by(_R.place))
    if known:
        found = found.where(~exists().where(Subscriber.address_key == _R.key))
    session.execute(_insert(session, Subscriber).from_select(columns, found).on_conflict_do_nothing())


def _lock(session: Session) -> None:
    """Of two acts of one person at one moment the second sees what the first did; on SQLite the transaction itself is the lock."""
    if session.get_bind().dialect.name != "sqlite":
        mine = select(Subscriber.id).where(Subscriber.address_key.in_(select(_R.key))).order_by(Subscriber.id)
        session.execute(mine.with_for_update(key_share=True))


def _join(session: Session, list_id: int, *, known: bool) -> int:
    """New memberships, and those that were never confirmed; each with its consent. How many."""
    columns = ["list_id", "subscriber_id", "state", "created_at", "confirmed_at", "rhythm", "sections", "sections_key", "hour"]
    found = (select(literal(list_id), Subscriber.id, literal("subscribed"), _R.created_at, _R.confirmed_at, _R.rhythm, _R.sections,
                    _R.sections_key, _R.hour)
             .join(Subscriber, Subscriber.address_key == _R.key).where(*_JOINING).order_by(_R.place))
    if known:
        found = found.where(~_membership(list_id), ~only_by_themselves(Subscriber.id))
    fresh = list(session.scalars(_insert(session, Subscription).from_select(columns, found).on_conflict_do_nothing()
                                 .returning(Subscription.subscriber_id)))
    if known:
        fresh += session.scalars(
            update(Subscription).where(Subscription.list_id == list_id, Subscription.state == "unconfirmed",
                                       Subscription.subscriber_id == Subscriber.id, Subscriber.address_key == _R.key, *_JOINING,
                                       ~only_by_themselves(Subscriber.id))
            .values(state="subscribed", confirmed_at=_R.confirmed_at, left_at=None).returning(Subscription.subscriber_id),
            execution_options={"synchronize_session": False})
    _record(session, list_id, fresh, IMPORTED, _R.confirmed_at, whole=len(fresh) == _count(session, *_JOINING))
    return len(fresh)


def _leave(session: Session, list_id: int) -> int:
    """Those who left elsewhere are kept as left, so that no later file brings them back; how many that changed."""
    if not _count(session, *_LEAVING):
        return 0
    ended = session.scalars(
        update(Subscription).where(Subscription.list_id == list_id, Subscription.subscriber_id == Subscriber.id, Subscriber.address_key == _R.key,
                                   *_LEAVING, _outlives())
        .values(state="left", left_at=_R.left_at).returning(Subscription.subscriber_id), execution_options={"synchronize_session": False}).all()
    columns = ["list_id", "subscriber_id", "state", "created_at", "confirmed_at", "left_at"]
    found = (select(literal(list_id), Subscriber.id, literal("left"), _R.created_at, _R.confirmed_at, _R.left_at)
             .join(Subscriber, Subscriber.address_key == _R.key).where(*_LEAVING, ~_membership(list_id)).order_by(_R.place))
    kept = session.scalars(_insert(session, Subscription).from_select(columns, found).on_conflict_do_nothing()
                           .returning(Subscription.subscriber_id)).all()
    fresh = [*ended, *kept]
    _record(session, list_id, fresh, LEFT, _R.left_at, whole=False)
    return len(fresh)


def _outlives() -> ColumnElement[bool]:
    """Whether a leaving ends the membership beside it: it came after the confirmation; or nobody knows when, and a file brought the membership."""
    last = (select(Consent.action).where(Consent.list_id == Subscription.list_id, Consent.subscriber_id == Subscription.subscriber_id,
                                         Consent.action.not_in((CHANGED, ASKED))).order_by(Consent.id.desc()).limit(1).scalar_subquery())
    since = func.coalesce(Subscription.confirmed_at, Subscription.created_at)
    return or_(and_(_R.dated == 1, Subscription.state != "left", _R.left_at >= since),
               and_(_R.dated == 0, Subscription.state == "subscribed", func.coalesce(last, IMPORTED) == IMPORTED))


def _record(session: Session, list_id: int, people: Sequence[int], action: str, at: Any, *, whole: bool) -> None:
    """The consent row of each of `people`, who are all that the batch holds with `whole`."""
    if not people:
        return
    columns = ["subscriber_id", "list_id", "action", "wording", "at", "door"]
    found = (select(Subscriber.id, literal(list_id), literal(action), _R.wording, at, literal(DOOR))
             .join(Subscriber, Subscriber.address_key == _R.key).order_by(_R.place))
    found = found.where(*_JOINING) if whole else found.where(Subscriber.id.in_(people))
    session.execute(insert(Consent).from_select(columns, found))


def _fill_in(session: Session) -> None:
    """A name, a language, a zone where there was none; what is known stays."""
    for column, told in ((Subscriber.name, _R.name), (Subscriber.language, _R.language), (Subscriber.timezone, _R.timezone)):
        mine = and_(Subscriber.address_key == _R.key, _R.suppressed == 0, _R.aim != "suppress", told.is_not(None))
        if session.execute(select(_R.place).where(exists().where(mine, column.is_(None))).limit(1)).first() is not None:
            session.execute(update(Subscriber).where(mine, column.is_(None)).values({column: told}), execution_options={"synchronize_session": False})


def _membership(list_id: int, *states: str) -> ColumnElement[bool]:
    """Whether the person of a row has a membership of the list, in one of `states` if any are named."""
    found = exists().where(Subscriber.address_key == _R.key, Subscription.subscriber_id == Subscriber.id, Subscription.list_id == list_id)
    return found.where(Subscription.state.in_(states)) if states else found


def _stays_away(list_id: int) -> ColumnElement[bool]:
    """They left this list; or a suppression of theirs was lifted, and they have not spoken for themselves since."""
    lifted = exists().where(Subscriber.address_key == _R.key, only_by_themselves(Subscriber.id))
    return or_(_membership(list_id, "left"), and_(~_membership(list_id, "subscribed"), lifted))


def _ends(list_id: int) -> ColumnElement[bool]:
    return exists().where(Subscriber.address_key == _R.key, Subscription.subscriber_id == Subscriber.id, Subscription.list_id == list_id, _outlives())


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count(case((and_(*conditions), 1)))).select_from(ROWS)) or 0


def _insert(session: Session, model: Any) -> Any:
    return (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert(model)
