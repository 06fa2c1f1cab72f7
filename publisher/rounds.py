"""What the service sends by itself, and what it leaves to a person: a draft that waits for approval, and whatever lay still for too long."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.control import has_work, pause
from publisher.models import Delivery, Installation, Issue, NewsletterRow, Slot
from publisher.primary import ROUND
from publisher.settings import Newsletter, Settings
from publisher.timetable import late_reason, settle_slot

log = structlog.get_logger("publisher")
_NOTE_EVERY = timedelta(minutes=1)


def due_issues(database: Database, settings: Settings, now: datetime, *, thorough: bool = True) -> list[int]:
    """The issues that go on without a person: those in `sending` of which something is due, and what the timetable made and nobody has to approve.

    An issue whose mails all wait for the hour of their readers costs a short look, which `thorough` makes a long one (`has_work`). A draft or an
    approved issue of the timetable that lay still for longer than its grace is held: late is a decision.
    """
    with database.reading() as session:
        rows = session.execute(
            select(Issue, Slot, NewsletterRow.name).join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id)
            .outerjoin(Slot, Slot.id == Issue.slot_id).where(Issue.state.in_(("draft", "approved", "sending"))).order_by(Issue.id)).all()
        at_work = {issue.id for issue, _slot, name in rows if issue.state == "sending"
                   and has_work(session, issue.id, now, thorough=thorough, resend=_resends(settings, name))}
    due = []
    for issue, slot, name in rows:
        newsletter = settings.newsletter(name)
        if issue.state == "sending":
            due += [issue.id] if issue.id in at_work else []
        elif newsletter is not None and slot is not None and slot.state != "held" and _goes_on(issue, newsletter):
            late = now - (issue.approved_at or slot.at)
            if late <= newsletter.grace or _is_only_composed(issue, newsletter):
                due.append(issue.id)
            else:
                settle_slot(database, slot.id, "held", issue_id=issue.id, reason=late_reason(late, newsletter))
                log.warning("issue_held", newsletter=name, issue=issue.id, reason=late_reason(late, newsletter))
    return due


def _resends(settings: Settings, name: str) -> bool:
    newsletter = settings.newsletter(name)
    return newsletter is None or newsletter.resends


def _goes_on(issue: Issue, newsletter: Newsletter) -> bool:
    """Whether there is a next step that needs nobody: composing, approving where that is automatic, sending what was approved."""
    return issue.state == "approved" or not issue.content_hash or newsletter.approval == "auto"


def _is_only_composed(issue: Issue, newsletter: Newsletter) -> bool:
    return issue.state == "draft" and newsletter.approval == "required"


def note_round(database: Database, now: datetime) -> None:
    """Note that the service is alive, once a minute at most."""
    with database.reading() as session:
        row = session.get(Installation, ROUND)
    if row is None or now - row.noted_at >= _NOTE_EVERY:
        with database.writing() as session:
            session.merge(Installation(key=ROUND, value=now.isoformat(), noted_at=now))


def hold_interrupted(database: Database, settings: Settings, now: datetime) -> None:
    """Pause every issue in `sending` at which nobody has worked for longer than its newsletter's grace although there was something to do.

    The machine was off, or a snapshot or copy was started whose readers may have the mail already: a person says whether it goes on. Mails that wait
    for the hour of their readers were not late before it came.
    """
    with database.reading() as session:
        last_round = session.scalar(select(Installation.noted_at).where(Installation.key == ROUND))
        rows = session.execute(select(Issue.id, Issue.started_at, NewsletterRow.name)
                               .join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id).where(Issue.state == "sending")).all()
        signs = {issue_id: _signs(session, issue_id, now) for issue_id, _started, name in rows
                 if has_work(session, issue_id, now, resend=_resends(settings, name))}
    for issue_id, started_at, name in rows:
        if issue_id not in signs:
            continue
        newsletter = settings.newsletter(name)
        known = [moment for moment in (started_at, last_round, *signs[issue_id]) if moment is not None]
        if newsletter is not None and known and now - max(known) > newsletter.grace:
            pause(database, issue_id, now)
            log.warning("issue_held", newsletter=name, issue=issue_id, reason=late_reason(now - max(known), newsletter))


def _signs(session: Session, issue_id: int, now: datetime) -> list[datetime | None]:
    """When the mails of an issue were last tried and settled, and when the first of those that waited for an hour came due."""
    mails = (Delivery.issue_id == issue_id,)
    signs = [session.scalar(select(func.max(column)).where(*mails)) for column in (Delivery.first_tried_at, Delivery.settled_at)]
    untried = (*mails, Delivery.state == "queued")
    if session.scalar(select(exists().where(*untried, Delivery.not_before.is_(None)))):
        return signs
    return [*signs, session.scalar(select(func.min(Delivery.not_before)).where(*untried, Delivery.not_before <= now))]
