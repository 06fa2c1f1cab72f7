"""Which issues the public may see, and which of them the archive lists, the feeds tell and the search finds."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import and_, case, exists, or_, select
from sqlalchemy.orm import Session

from publisher.models import Delivery, Issue, NewsletterRow, Pick

# What is out is public. An issue cancelled in mid-send is: its readers hold the link; one of which nothing left is not.
OUT = and_(Issue.started_at.is_not(None), or_(
    Issue.state.in_(("sending", "paused", "sent")),
    and_(Issue.state == "cancelled", exists().where(Delivery.issue_id == Issue.id, Delivery.state.in_(("accepted", "unknown"))))))
# A digest gathers what other issues told: whoever got it holds its link, and a list would tell everything twice.
LISTED = and_(Issue.started_at.is_not(None), Issue.state.in_(("sending", "paused", "sent")), Issue.rhythm == "each")


@dataclass(frozen=True, slots=True)
class Told:
    """A story as an issue told it: its pick, the issue, and the name of the newsletter."""

    pick: Pick
    issue: Issue
    newsletter: str


def latest(session: Session, story_ids: Iterable[int]) -> dict[int, Told]:
    """Each of the stories that is out, as its latest issue told it, by the story's id; an issue that the archive lists goes before any other."""
    rows = session.execute(
        select(Pick, Issue, NewsletterRow.name).join(Issue, Issue.id == Pick.issue_id).join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id)
        .where(Pick.story_id.in_(list(story_ids)), OUT).order_by(case((LISTED, 0), else_=1), Issue.started_at.desc(), Issue.id.desc()))
    found: dict[int, Told] = {}
    for pick, issue, name in rows:
        found.setdefault(pick.story_id, Told(pick, issue, name))
    return found
