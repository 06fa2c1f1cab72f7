"""Applies what came back, in one transaction: the event is kept once, then the reader's score moves or the address is suppressed.

Which bounce does what: a hard one suppresses at once, a soft one is scored, a blocked one and a delay are kept and count for nothing. Whatever comes
back about a mail whose answer was lost settles it: what came back was refused, everything else was taken by the relay.
"""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from publisher.clock import local_date
from publisher.db import Database
from publisher.models import Delivery, Issue, NewsletterRow
from publisher.models_mail import Event, Notice
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.track.report import Report
from publisher.track.score import Score, after_bounce
from subscribers.consent import Evidence
from subscribers.mailbox.classify import without_names
from subscribers.models import BounceScore, ReaderListRow, Subscription
from subscribers.registry.readers import leave
from subscribers.registry.suppressions import suppress_reader
from subscribers.registry.writing import insert_absent, lock_person

Applied = Literal["applied", "seen", "nobody"]

# Why an address is suppressed.
HARD_BOUNCE, SOFT_BOUNCES, COMPLAINT = "hard-bounce", "soft-bounces", "complaint"
_LONGEST_REASON = 300


def apply(database: Database, settings: Settings, keys: Keys, report: Report, now: datetime) -> Applied:
    """Keep the report and do what follows from it, once. "seen": it was applied before. "nobody": it is about nobody here, and nothing is kept."""
    if report.kind == "arrived":
        return _arrived(database, report, now)
    if report.kind == "left" and report.subscriber_id is not None:
        _leave(database, settings, report, report.subscriber_id, now)
    with database.writing() as session:
        return apply_in(session, settings, keys, report, now)


def apply_in(session: Session, settings: Settings, keys: Keys, report: Report, now: datetime) -> Applied:
    """The same inside a transaction of the caller's. A report of the kind `left` is only kept."""
    subscriber_id = report.subscriber_id
    person = lock_person(session, subscriber_id) if subscriber_id is not None else None
    if subscriber_id is None or person is None:
        return "nobody"
    report = replace(report, reason=without_names(report.reason, person.address)[:_LONGEST_REASON])
    at = min(report.at, now)
    # Also when it was told before: the row may have become unknown since.
    _settle(session, report, now)
    new = insert_absent(session, Event, [{
        "evidence": report.evidence, "kind": report.kind, "strength": report.strength, "source": report.source, "issue_id": report.issue_id,
        "notice_id": report.notice_id, "subscriber_id": subscriber_id, "at": at, "reason": report.reason}], Event.id)
    if not new:
        return "seen"
    if report.kind == "complaint":
        _suppress(session, keys, subscriber_id, COMPLAINT, report, now)
    elif report.kind == "bounce" and report.strength == "hard":
        _suppress(session, keys, subscriber_id, HARD_BOUNCE, report, now)
    elif report.kind == "bounce" and report.strength == "soft" and _is_too_much(session, settings, subscriber_id, report, at):
        _suppress(session, keys, subscriber_id, SOFT_BOUNCES, report, now)
    return "applied"


def _arrived(database: Database, report: Report, now: datetime) -> Applied:
    """A sign that a mail had left. Most come for mails that are known to have, by the thousand: those cost one read, and nothing is kept."""
    about = _unknown(report)
    if about is None:
        return "nobody"
    with database.reading() as session:
        if session.scalar(select(about[0].id).where(*about[1])) is None:
            return "seen"
    with database.writing() as session:
        return "applied" if _settle(session, report, now) else "seen"


def _settle(session: Session, report: Report, now: datetime) -> bool:
    """Settle the mail that a report is about, where its answer was lost; whether it did. A mail in any other state stays as it is."""
    about = _unknown(report)
    if about is None or report.kind == "other":
        return False
    table, conditions = about
    reason = f"known from {report.source}: {report.kind}" + (f" {report.reason}" if report.reason else "")
    done = session.execute(update(table).where(*conditions).values(
        state="refused" if report.kind == "bounce" else "accepted", not_before=None, settled_at=now, reason=reason))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def _unknown(report: Report) -> tuple[type[Delivery] | type[Notice], list[ColumnElement[bool]]] | None:
    """The table and the condition for the mail that a report is about; None where it carries no proof of which mail that is."""
    if report.subscriber_id is None:
        return None
    if report.issue_id is not None:
        return Delivery, [Delivery.issue_id == report.issue_id, Delivery.subscriber_id == report.subscriber_id, Delivery.state == "unknown"]
    if report.notice_id is not None:
        return Notice, [Notice.id == report.notice_id, Notice.subscriber_id == report.subscriber_id, Notice.state == "unknown"]
    return None


def _is_too_much(session: Session, settings: Settings, subscriber_id: int, report: Report, at: datetime) -> bool:
    """Move the reader's score, by days of the newsroom's zone."""
    day = local_date(at, settings.site.timezone)
    fresh = after_bounce(None, day)
    made = insert_absent(session, BounceScore, [{"subscriber_id": subscriber_id, "score": fresh.value, "last_day": fresh.last_day,
                                                 "last_reason": report.reason}], BounceScore.subscriber_id)
    if made:
        return fresh.is_too_much
    row = session.get_one(BounceScore, subscriber_id, with_for_update=True)
    score = after_bounce(Score(row.score, row.last_day), day)
    if (score.value, score.last_day) != (row.score, row.last_day):
        row.score, row.last_day, row.last_reason = score.value, score.last_day, report.reason
    session.flush()
    return score.is_too_much


def _suppress(session: Session, keys: Keys, subscriber_id: int, why: str, report: Report, now: datetime) -> None:
    """For good; the score has had its say, so that somebody whom an operator lets back in begins anew."""
    door = "mail" if report.source in ("dsn", "arf", "mail", "smtp") else "provider"
    suppress_reader(session, keys, subscriber_id, why, Evidence(door, f"{why}: {report.reason}"[:_LONGEST_REASON]), now)
    session.execute(delete(BounceScore).where(BounceScore.subscriber_id == subscriber_id))


def _leave(database: Database, settings: Settings, report: Report, subscriber_id: int, now: datetime) -> None:
    """Take the reader off the list of the issue, or off all lists. Repeating it changes nothing, so it comes before the event is kept."""
    with database.reading() as session:
        if session.scalar(select(Event.id).where(Event.evidence == report.evidence)) is not None:
            return
        # A message that was long on its way is older than a coming back.
        found = select(Subscription.list_id).where(Subscription.subscriber_id == subscriber_id,
                                                   Subscription.confirmed_at.is_(None) | (Subscription.confirmed_at <= report.at))
        if report.issue_id is not None and (only := _list_of(session, settings, report.issue_id)) is not None:
            found = found.where(Subscription.list_id == only)
        list_ids = session.scalars(found.order_by(Subscription.list_id)).all()
    for list_id in list_ids:
        leave(database, list_id, subscriber_id, Evidence("provider", f"{report.source}: {report.reason}"[:_LONGEST_REASON]), now)


def _list_of(session: Session, settings: Settings, issue_id: int) -> int | None:
    name = session.scalar(select(NewsletterRow.name).join(Issue, Issue.newsletter_id == NewsletterRow.id).where(Issue.id == issue_id))
    newsletter = settings.newsletter(name or "")
    return session.scalar(select(ReaderListRow.id).where(ReaderListRow.name == newsletter.list)) if newsletter else None
