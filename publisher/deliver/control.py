"""Counts an issue's mails, pauses it, lets it go on, cancels it: from any process, with an effect on a running one within seconds."""

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.verdict import Counts
from publisher.errors import Busy, PublisherError
from publisher.i18n import _
from publisher.locks import hold
from publisher.models import Delivery, Issue, Post, Telling

_LEFT = ("accepted", "unknown", "sending")


def counts(database: Database, issue_id: int) -> Counts:
    """The mails of an issue by state."""
    with database.reading() as session:
        rows = session.execute(select(Delivery.state, func.count()).where(Delivery.issue_id == issue_id).group_by(Delivery.state))
        return Counts.of({state: number for state, number in rows})


def lock_of(issue_id: int) -> str:
    """The lock that whoever sends this issue holds: it dies with its process."""
    return f"issue-{issue_id}"


def pause(database: Database, issue_id: int, now: datetime) -> None:
    """Stop an issue that is being sent: what is not on the wire waits. Raises PublisherError when it is not being sent."""
    _move(database, issue_id, ("sending",), "paused", _("cannot be paused"))


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
    try:
        # Nobody is sending: a mail that still says `sending` was on the wire of a process that died.
        with hold(database.engine, lock_of(issue_id)), database.writing() as session:
            _cancel(session, issue_id, now, abandoned=True)
    except Busy:
        with database.writing() as session:
            _cancel(session, issue_id, now, abandoned=False)


def _cancel(session: Session, issue_id: int, now: datetime, *, abandoned: bool) -> None:
    changed = session.execute(update(Issue).where(Issue.id == issue_id, Issue.state.in_(("draft", "approved", "sending", "paused")))
                              .values(state="cancelled", finished_at=now))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise _refused(session, issue_id, _("cannot be cancelled"))
    mails = update(Delivery).where(Delivery.issue_id == issue_id)
    if abandoned:
        session.execute(mails.where(Delivery.state == "sending").values(state="unknown", reason="cancelled while on the wire", settled_at=now))
    session.execute(mails.where(Delivery.state.in_(("queued", "deferred"))).values(state="skipped", reason="cancelled", settled_at=now))
    waiting = (Post.issue_id == issue_id) & Post.state.in_(("queued", "deferred"))
    posts = session.scalars(select(Post.id).where(waiting)).all()
    session.execute(update(Post).where(waiting).values(state="skipped", reason="cancelled", settled_at=now))
    session.execute(delete(Telling).where(Telling.post_id.in_(posts), Telling.told_at.is_(None)))
    left = session.scalar(select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue_id, Delivery.state.in_(_LEFT))) or 0
    if not left:
        session.execute(delete(Telling).where(Telling.issue_id == issue_id, Telling.target_kind == "newsletter"))
