"""What editors do: approve and reject stories, pin them, approve an issue. Each act is a compare-and-set with a sentence when it cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Issue, Story


@dataclass(frozen=True, slots=True)
class Judged:
    """What an editor's word changed: ids that changed, ids that were so already, ids that do not exist."""

    changed: tuple[int, ...]
    already: tuple[int, ...]
    unknown: tuple[int, ...]


def judge(database: Database, ids: Sequence[int], verdict: str, by: str, now: datetime) -> Judged:
    """Set stories to `approved` or `rejected`. An archived story may be approved: that is an editor's word too."""
    with database.writing() as session:
        found = {story.id: story for story in session.scalars(select(Story).where(Story.id.in_(ids)))}
        changed = [story for story in found.values() if story.status != verdict]
        for story in changed:
            story.status = verdict
            story.approved_at = now if verdict == "approved" else None
            story.approved_by = by
            story.updated_at = now
        return Judged(tuple(story.id for story in changed), tuple(sorted(set(found) - {story.id for story in changed})),
                      tuple(one for one in ids if one not in found))


def pin(database: Database, story_id: int, level: int, now: datetime) -> None:
    """Put a story before others: the higher the level, the earlier; 0 takes the pin away. Raises PublisherError for an unknown story."""
    with database.writing() as session:
        story = session.get(Story, story_id)
        if story is None:
            raise PublisherError(_("there is no story %(id)s", id=story_id), remedy=_("look with: publisher stories list"))
        story.pinned, story.updated_at = level, now


def approve_issue(database: Database, issue_id: int, by: str, now: datetime) -> None:
    """Approve a draft as it stands: the approval is bound to the hash of its content. Raises PublisherError when it is no composed draft."""
    with database.writing() as session:
        changed = session.execute(
            update(Issue).where(Issue.id == issue_id, Issue.state == "draft", Issue.content_hash != "")
            .values(state="approved", approved_hash=Issue.content_hash, approved_by=by, approved_at=now))
        if changed.rowcount != 1:  # type: ignore[attr-defined]
            issue = session.get(Issue, issue_id)
            if issue is None:
                raise PublisherError(_("there is no issue %(id)s", id=issue_id), remedy=_("look with: publisher issues list"))
            raise PublisherError(_("issue %(id)s is %(state)s and cannot be approved", id=issue_id, state=_(issue.state)),
                                 remedy=_("look with: publisher issues show %(id)s", id=issue_id))
