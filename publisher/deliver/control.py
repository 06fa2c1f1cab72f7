"""Counts an issue's mails, pauses it, lets it go on, cancels it: from any process, with an effect on a running one within seconds."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.due import is_due, states_tried
from publisher.deliver.slices import lock_of, make_slices
from publisher.deliver.verdict import Counts
from publisher.errors import Busy, PublisherError
from publisher.i18n import _
from publisher.locks import hold
from publisher.models import Delivery, Issue, Post, Telling
from publisher.models_sending import Slice

_LEFT = ("accepted", "unknown", "sending")
_WHOLE = 2**62  # more than any issue has rows


def counts(database: Database, issue_id: int) -> Counts:
    """The mails of an issue by state."""
    with database.reading() as session:
        rows = session.execute(select(Delivery.state, func.count()).where(Delivery.issue_id == issue_id).group_by(Delivery.state))
        return Counts.of({state: number for state, number in rows})


@dataclass(frozen=True, slots=True)
class Waiting:
    """Mails that wait for the hour their readers chose: how many, and when the next and the last of them are due."""

    mails: int = 0
    first: datetime | None = None
    last: datetime | None = None


def waiting(database: Database, issue_id: int, now: datetime) -> Waiting:
    """The mails of an issue that were not tried yet and are not due."""
    with database.reading() as session:
        return Waiting(*session.execute(
            select(func.count(), func.min(Delivery.not_before), func.max(Delivery.not_before))
            .where(Delivery.issue_id == issue_id, Delivery.state == "queued", Delivery.not_before > now)).one())


def has_work(session: Session, issue_id: int, now: datetime, *, thorough: bool = True, resend: bool = True) -> bool:
    """Whether an issue in `sending` has anything to do now: a mail that is due or was left on the wire, or an end to be written.

    Without `thorough` a mail that is due behind some that have to wait is not seen: the look is short, however many wait. Without `resend` those
    whose answer was lost are left to a person.
    """
    def there(*conditions: ColumnElement[bool]) -> bool:
        return bool(session.scalar(select(exists().where(Delivery.issue_id == issue_id, *conditions))))

    again = tuple(state for state in states_tried(resend=resend) if state != "queued")
    first = session.execute(select(Delivery.not_before).where(Delivery.issue_id == issue_id, Delivery.state == "queued")
                            .order_by(Delivery.id).limit(1)).one_or_none()
    if first is not None and (first[0] is None or first[0] <= now):
        return True
    if there(Delivery.state == "sending") or there(Delivery.state.in_(again), is_due(now)):
        return True
    if first is not None:
        return thorough and there(Delivery.state == "queued", is_due(now))
    # With nothing left at all the issue has to be marked as sent.
    return not there(Delivery.state.in_(("deferred", "unknown")))


def pause(database: Database, issue_id: int, now: datetime) -> None:
    """Stop an issue that is being sent: what is not on the wire waits. Raises PublisherError when it is not being sent."""
    _move(database, issue_id, ("sending",), "paused", _("cannot be paused"))


def pause_in(session: Session, issue_id: int) -> bool:
    """The same inside a transaction of the caller's; False when it was not being sent."""
    changed = session.execute(update(Issue).where(Issue.id == issue_id, Issue.state == "sending").values(state="paused"))
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def resume(database: Database, issue_id: int, now: datetime) -> None:
    """Let a paused issue go on. Raises PublisherError when it is not paused."""
    _move(database, issue_id, ("paused",), "sending", _("is not paused"))


def _move(database: Database, issue_id: int, before: tuple[str, ...], after: str, refusal: str) -> None:
    with database.writing() as session:
        changed = session.execute(update(Issue).where(Issue.id == issue_id, Issue.state.in_(before)).values(state=after))
        if changed.rowcount != 1:  # type: ignore[attr-defined]
            raise _refused(session, issue_id, refusal)


def _refused(session: Session, issue_id: int, refusal: str) -> PublisherError:
    issue = session.get(Issue, issue_id)
    if issue is None:
        return PublisherError(_("there is no issue %(id)s", id=issue_id), remedy=_("look with: publisher issues list"))
    return PublisherError(_("issue %(id)s is %(state)s and %(refusal)s", id=issue_id, state=_(issue.state), refusal=refusal),
                          remedy=_("look with: publisher issues show %(id)s", id=issue_id))


def cancel(database: Database, issue_id: int, now: datetime) -> None:
    """End an issue for good: what has not left never will; stories of which nothing left are free for the next one.

    Raises PublisherError for an issue that is sent or cancelled already.
    """
    with database.writing() as session:
        _cancel(session, issue_id, now)
        if session.scalar(select(exists().where(Delivery.issue_id == issue_id, Delivery.state == "sending"))):
            make_slices(session, issue_id, _WHOLE)  # one that was started before there were slices
        numbers = session.scalars(select(Slice.number).where(Slice.issue_id == issue_id)).all()
    for number in numbers:
        # Nobody is sending it: a mail that still says `sending` was on the wire of a process that died.
        with suppress(Busy), hold(database.engine, lock_of(issue_id, number)), database.writing() as session:
            part = session.get_one(Slice, (issue_id, number))
            session.execute(update(Delivery).where(Delivery.issue_id == issue_id, Delivery.id.between(part.first_id, part.last_id),
                                                   Delivery.state == "sending")
                            .values(state="unknown", reason="cancelled while on the wire", settled_at=now))


def _cancel(session: Session, issue_id: int, now: datetime) -> None:
    changed = session.execute(update(Issue).where(Issue.id == issue_id, Issue.state.in_(("draft", "approved", "sending", "paused")))
                              .values(state="cancelled", finished_at=now))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise _refused(session, issue_id, _("cannot be cancelled"))
    mails = update(Delivery).where(Delivery.issue_id == issue_id)
    session.execute(mails.where(Delivery.state.in_(("queued", "deferred"))).values(state="skipped", reason="cancelled", settled_at=now))
    waiting = (Post.issue_id == issue_id) & Post.state.in_(("queued", "deferred"))
    posts = session.scalars(select(Post.id).where(waiting)).all()
    session.execute(update(Post).where(waiting).values(state="skipped", reason="cancelled", settled_at=now))
    session.execute(delete(Telling).where(Telling.post_id.in_(posts), Telling.told_at.is_(None)))
    left = session.scalar(select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue_id, Delivery.state.in_(_LEFT))) or 0
    if not left:
        session.execute(delete(Telling).where(Telling.issue_id == issue_id, Telling.target_kind == "newsletter"))
