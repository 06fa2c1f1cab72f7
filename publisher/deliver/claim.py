"""Takes mails for an attempt and settles them, in sets: compare-and-set, with every reader's wish looked at once more."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.orm import Session

from publisher.db import Database, UtcDateTime
from publisher.deliver.due import is_due, states_tried
from publisher.deliver.headers import ascii_domain
from publisher.deliver.message import NO_MAIL, Mail
from publisher.deliver.retry import next_try
from publisher.deliver.slices import Span, is_ours
from publisher.deliver.verdict import Verdict
from publisher.models import Delivery, Issue
from publisher.settings_sending import SINGLE
from subscribers.models import Subscriber, Subscription, Suppression


@dataclass(slots=True)
class Claimed:
    """One mail in our hands: its row says `sending`, and nothing of it has left yet. `again`: it was on the wire before, and its answer was lost."""

    delivery_id: int
    subscriber_id: int
    address: str
    attempts: int
    first_tried_at: datetime
    edition_id: int
    again: bool = False
    relay: str = SINGLE
    group: str | None = None
    losses: int = 0
    mail: Mail = NO_MAIL
    host: str = ""

    @property
    def domain(self) -> str:
        """The domain of the reader's address as mail servers know it: in ASCII and in lower case."""
        if not self.host:
            host = self.address.rpartition("@")[2].lower()
            self.host = host if host.isascii() else ascii_domain(host)
        return self.host


@dataclass(slots=True)
class Settled:
    """One outcome on its way to the database."""

    mail: Claimed
    verdict: Verdict
    at: datetime


@dataclass(frozen=True, slots=True)
class Later:
    """A mail that may not leave yet: its row stays, and says until when and why."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a claim found. `ended`: nothing more is due; else there may be more, also when all that it looked at has to wait."""

    mails: list[Claimed]
    ended: bool


# A list of which every mail has to wait is written down in so many steps a transaction: nobody else waits long meanwhile.
_BATCHES = 4
# Which relay takes each of the mails, or until when it waits; in the claim's transaction.
Decide = Callable[[Session, Sequence[Claimed], datetime], Iterable["str | Later"]]


def claim(database: Database, span: Span, list_id: int, now: datetime, most: int, *, thorough: bool = True) -> list[Claimed] | None:
    """At most `most` due mails of a slice in a transaction of their own; see `claim_in`."""
    with database.writing() as session:
        claims = claim_in(session, span, list_id, now, most, thorough=thorough)
        return claims.mails if claims is not None else None


def claim_in(session: Session, span: Span, list_id: int, now: datetime, most: int, *, thorough: bool = True, resend: bool = True,
             decide: Decide | None = None) -> Claims | None:
    """At most `most` due mails, their rows set to `sending`; those whose readers left or were suppressed are skipped for good.

    None when the issue is no longer being sent, or the slice no longer ours. Without `thorough` there may be due mails behind some that have to wait.
    Without `resend` those whose answer was lost are left to a person.
    """
    # Locked where the server knows how: a cancelling that commits between look and claim would be overwritten.
    state = session.scalar(select(Issue.state).where(Issue.id == span.issue_id).with_for_update(read=True))
    if state != "sending" or not is_ours(session, span):
        return None
    for _batch in range(_BATCHES if most else 0):
        rows = _due(session, span, list_id, now, most, thorough=thorough, resend=resend)
        if not rows:
            return Claims([], ended=True)
        claimed = _take(session, rows, now, decide)
        if claimed:
            return Claims(claimed, ended=False)
    return Claims([], ended=False)


_MOMENT = UtcDateTime()
# Built once: to build a statement and to find its compiled form takes longer than the database needs for a small one.
_ROWS = (select(Delivery.id, Delivery.subscriber_id, Delivery.attempts, Delivery.first_tried_at, Delivery.edition_id, Delivery.state,
                Delivery.not_before, Subscriber.address, Subscription.state.label("member"), Suppression.address_hash)
         .outerjoin(Subscriber, Subscriber.id == Delivery.subscriber_id)
         .outerjoin(Subscription, (Subscription.subscriber_id == Delivery.subscriber_id) & (Subscription.list_id == bindparam("list_id")))
         .outerjoin(Suppression, Suppression.address_hash == Subscriber.address_hash)
         .where(Delivery.issue_id == bindparam("issue_id"), Delivery.id.between(bindparam("first_id"), bindparam("last_id")),
                Delivery.state == bindparam("state")).order_by(Delivery.id).limit(bindparam("most")))
_DUE_ROWS = _ROWS.where(is_due(bindparam("now")))
_CLAIM = (update(Delivery).where(Delivery.id.in_(bindparam("ids", expanding=True)))
          .values(state="sending", attempts=Delivery.attempts + 1, relay=bindparam("by"),
                  first_tried_at=func.coalesce(Delivery.first_tried_at, bindparam("now", type_=_MOMENT))))


def _due(session: Session, span: Span, list_id: int, now: datetime, most: int, *, thorough: bool, resend: bool) -> list[Any]:
    """What a dead process may have left on the wire first, then new mails, then those whose pause is over."""
    found: list[Any] = []
    execute = session.connection().execute
    for state in states_tried(resend=resend):
        if len(found) >= most:
            break
        given = {"list_id": list_id, "issue_id": span.issue_id, "first_id": span.first_id, "last_id": span.last_id, "state": state,
                 "most": most - len(found), "now": now}
        if state == "queued":
            # Their ids stand in the order in which they are due: when the first ones are not, a million behind them need no look. Somebody may
            # have put off some of them since, so that the order holds no more: then the long look finds the rest.
            head = [row for row in execute(_ROWS, given).all() if row.not_before is None or row.not_before <= now]
            found += head or (execute(_DUE_ROWS, given).all() if thorough else ())
        else:
            found += execute(_DUE_ROWS, given).all()
    return found


def _take(session: Session, rows: Sequence[Any], now: datetime, decide: Decide | None) -> list[Claimed]:
    wanted, gone = [], []
    for delivery_id, subscriber_id, attempts, first_tried_at, edition_id, state, _not_before, address, member, suppressed in rows:
        if member == "subscribed" and suppressed is None:
            wanted.append(Claimed(delivery_id, subscriber_id, address, attempts + 1, first_tried_at or now, edition_id, state == "unknown"))
        else:
            gone.append({"row": delivery_id, "why": "suppressed" if suppressed is not None else "left"})
    if gone:
        session.connection().execute(update(Delivery).where(Delivery.id == bindparam("row"))
                                     .values(state="skipped", reason=bindparam("why"), settled_at=now), gone)
    claimed = wanted if decide is None else _decided(session, wanted, now, decide)
    for relay in {mail.relay for mail in claimed}:
        ids = [mail.delivery_id for mail in claimed if mail.relay == relay]
        session.connection().execute(_CLAIM, {"ids": ids, "now": now, "by": relay})
    return claimed


def _decided(session: Session, wanted: list[Claimed], now: datetime, decide: Decide) -> list[Claimed]:
    claimed, later = [], []
    for mail, way in zip(wanted, decide(session, wanted, now), strict=True):
        if isinstance(way, Later):
            later.append({"row": mail.delivery_id, "due": way.until, "why": way.reason})
        else:
            mail.relay = way
            claimed.append(mail)
    if later:
        session.connection().execute(update(Delivery).where(Delivery.id == bindparam("row"))
                                     .values(not_before=bindparam("due"), reason=bindparam("why")), later)
    return claimed


def release(database: Database, mails: Sequence[Claimed], now: datetime, span: Span | None = None) -> None:
    """Give back mails of which nothing left; those of a cancelled issue are skipped.

    Those of a slice (`span`) that somebody took over stay as they are: they are his, and may be on his wire.
    """
    if not mails:
        return
    ids = [mail.delivery_id for mail in mails]
    with database.writing() as session:
        ours = (Delivery.id.in_(ids), Delivery.state == "sending")
        issue_id = session.scalar(select(Delivery.issue_id).where(*ours).limit(1))
        if issue_id is None or (span is not None and not is_ours(session, span)):
            return
        cancelled = session.scalar(select(Issue.state).where(Issue.id == issue_id)) == "cancelled"
        back = {"state": "skipped", "reason": "cancelled", "settled_at": now} if cancelled else {"state": "queued"}
        session.execute(update(Delivery).where(*ours, Delivery.attempts <= 1).values(first_tried_at=None), execution_options=_BLIND)
        session.execute(update(Delivery).where(*ours).values(attempts=Delivery.attempts - 1, **back), execution_options=_BLIND)


_BLIND = {"synchronize_session": False}


def settle(database: Database, outcomes: Sequence[Settled], retry_for: timedelta) -> None:
    """Write outcomes to their rows in a transaction of their own; see `settle_in`."""
    if outcomes:
        with database.writing() as session:
            settle_in(session, outcomes, retry_for)


def settle_in(session: Session, outcomes: Sequence[Settled], retry_for: timedelta) -> None:
    """Write outcomes to their rows. Only rows that are in somebody's hands are changed: an outcome counts once.

    A row that was called `unknown` meanwhile (by whoever took this process for dead) is known now.
    """
    if not outcomes:
        return
    rows = [(one.mail.delivery_id, *decide_row(one, retry_for)) for one in outcomes]
    when = max(one.at for one in outcomes)
    if session.get_bind().dialect.name == "postgresql":
        ids, states, reasons, dues = (list(column) for column in zip(*rows, strict=True))
        session.connection().execute(_SETTLE_AS_A_SET, {"ids": ids, "states": states, "reasons": reasons, "dues": dues, "moment": when})
        return
    moment = _sqlite_moment(when)
    values = [(state, reason, due and _sqlite_moment(due), moment, row) for row, state, reason, due in rows]
    session.connection().exec_driver_sql(_SETTLE_ONE_BY_ONE, values)


# One statement for all of them: a third of the server's work (docs/performance.md).
_SETTLE_AS_A_SET = text(
    "UPDATE deliveries SET state = given.state, reason = given.reason, not_before = given.due, settled_at = :moment "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:dues AS timestamptz[])) "
    "AS given(id, state, reason, due) WHERE deliveries.id = given.id AND deliveries.state IN ('sending', 'unknown')")
# Said to the driver itself: nine tenths of the time went into preparing parameters.
_SETTLE_ONE_BY_ONE = ("UPDATE deliveries SET state = ?, reason = ?, not_before = ?, settled_at = ? "
                      "WHERE id = ? AND state IN ('sending', 'unknown')")
_MOMENT_FOR_SQLITE = UtcDateTime().dialect_impl(sqlite_dialect()).bind_processor(sqlite_dialect())


def _sqlite_moment(moment: datetime | None) -> Any:
    return None if moment is None or _MOMENT_FOR_SQLITE is None else _MOMENT_FOR_SQLITE(moment)


def decide_row(one: Settled, retry_for: timedelta) -> tuple[str, str, datetime | None]:
    """What a row says after an outcome. What may be tried again gets its moment, or is refused when its time is over."""
    verdict, mail = one.verdict, one.mail
    if verdict.state in ("accepted", "refused"):
        return verdict.state, verdict.reason, None
    again = next_try(mail.attempts, mail.first_tried_at, one.at, retry_for, mail.delivery_id)
    return (verdict.state, verdict.reason, again) if again else ("refused", f"gave up: {verdict.reason}", None)
