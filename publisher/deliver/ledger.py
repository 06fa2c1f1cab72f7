"""The one answer to "which story was told where and when, and why was that one not"."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.models import AccountRow, Decision, Delivery, Issue, NewsletterRow, Pick, Post, Story, Telling

_SETTLED_BY_STATUS = ("inbox", "rejected", "archive")


@dataclass(frozen=True, slots=True)
class Told:
    """One telling: the target, the issue or post, when it left, and the proof: a permalink, or how many mails the relay took."""

    target: str
    issue_id: int | None
    number: int | None
    post_id: int | None
    told_at: datetime | None
    state: str
    permalink: str | None = None
    message_ids: int | None = None


@dataclass(frozen=True, slots=True)
class Untold:
    """Why a target has not told the story; `waits` is false when it never will by itself."""

    target: str
    reason: Mapping[str, Any]
    waits: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything the ledger knows of one story."""

    story_id: int
    headline: str
    status: str
    told: list[Told] = field(default_factory=list)
    untold: list[Untold] = field(default_factory=list)


def entries(session: Session, *, story_id: int | None = None, issue_id: int | None = None, account: str | None = None) -> Iterator[Entry]:
    """The ledger of all stories, newest first, or of one story, one issue's stories, or one account's."""
    query = select(Story).order_by(Story.id.desc())
    if story_id is not None:
        query = query.where(Story.id == story_id)
    if issue_id is not None:
        # A digest tells nothing: its stories are those that it gathers.
        gathered = select(Pick.story_id).join(Issue, Issue.id == Pick.issue_id).where(Pick.issue_id == issue_id, Issue.kind == "digest")
        query = query.where(Story.id.in_(select(Telling.story_id).where(Telling.issue_id == issue_id)) | Story.id.in_(gathered))
    if account is not None:
        chosen = select(Post.story_id).join(AccountRow, AccountRow.id == Post.account_id).where(AccountRow.name == account)
        query = query.where(Story.id.in_(chosen))
    newsletters = {row.id: row.name for row in session.scalars(select(NewsletterRow))}
    accounts = {row.id: row.name for row in session.scalars(select(AccountRow))}
    accepted = _accepted(session)
    for batch in session.scalars(query).partitions(500):
        yield from _batch(session, batch, newsletters, accounts, accepted)


def _accepted(session: Session) -> dict[int, int]:
    """Mails the relay took, by issue; each had a Message-ID of its own."""
    counted = session.execute(select(Delivery.issue_id, func.count()).where(Delivery.state == "accepted").group_by(Delivery.issue_id))
    return {issue: number for issue, number in counted}


def _batch(session: Session, stories: Sequence[Story], newsletters: Mapping[int, str], accounts: Mapping[int, str],
           accepted: Mapping[int, int]) -> Iterator[Entry]:
    ids = [story.id for story in stories]
    found = {story.id: Entry(story.id, story.headline, story.status) for story in stories}
    rows = session.execute(
        select(Telling, Issue.number, Issue.state).outerjoin(Issue, Issue.id == Telling.issue_id)
        .where(Telling.story_id.in_(ids), Telling.target_kind == "newsletter"))
    for telling, number, state in rows:
        found[telling.story_id].told.append(Told(
            f"newsletter {newsletters.get(telling.target_id, '?')}", telling.issue_id, number, None, telling.told_at, state or "",
            message_ids=accepted.get(telling.issue_id or 0, 0)))
    for post in session.scalars(select(Post).where(Post.story_id.in_(ids)).order_by(Post.id)):
        if post.story_id is not None:
            found[post.story_id].told.append(Told(
                f"account {accounts.get(post.account_id, '?')}", post.issue_id, None, post.id, post.settled_at, post.state, permalink=post.permalink))
    told_by = {(told.target, entry.story_id) for entry in found.values() for told in entry.told}
    for decision in session.scalars(select(Decision).where(Decision.story_id.in_(ids))):
        target = f"newsletter {newsletters.get(decision.newsletter_id, '?')}"
        if (target, decision.story_id) not in told_by:
            found[decision.story_id].untold.append(Untold(target, decision.reason, decision.waits))
    for story in stories:
        entry = found[story.id]
        if story.withdrawn_at is not None and not entry.told:
            entry.untold[:] = [Untold("", {"code": "withdrawn"}, waits=False)]
        elif story.status in _SETTLED_BY_STATUS and not entry.told:
            entry.untold[:] = [Untold("", {"code": story.status}, waits=story.status == "inbox")]
        elif not entry.told and not entry.untold:
            entry.untold.append(Untold("", {"code": "not_looked"}, waits=True))
        yield entry
