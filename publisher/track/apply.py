"""Applies what came back, in one transaction: the event is kept once, then the reader's score moves or the address is suppressed.

Which bounce does what: a hard one suppresses at once, a soft one is scored, a blocked one and a delay are kept and count for nothing.
"""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from publisher.clock import local_date
from publisher.db import Database
from publisher.models import Issue, NewsletterRow
from publisher.models_mail import Event
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
