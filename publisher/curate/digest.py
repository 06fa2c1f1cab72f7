"""Gathers a digest: what its readers missed of the regular issues, each story once. Nothing is told by it: only regular issues make tellings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from publisher.audience import digest_audience, gathered_from, takers
from publisher.curate.picking import unfinished_issue
from publisher.db import Database
from publisher.errors import Busy, PublisherError
from publisher.i18n import _
from publisher.models import Issue, NewsletterRow, Pick, Story
from publisher.settings import Newsletter, Settings

DIGESTS = ("daily", "weekly")
# An issue whose start was being written while the last digest was gathered was not seen by it.
_UNSEEN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ToldOnce:
    """One pick of a regular issue as the digest sees it: `group` ties copies of a story, `issue` orders the issues by when they were started."""

    story_id: int
    group: int
    issue: tuple[datetime, int]
    position: int
    section: str | None
    content: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Gathering:
    """What came of a look: the id of the digest (None: none was made, for `reason`) and how many issues and stories it gathers."""

    issue_id: int | None
    issues: int = 0
    stories: int = 0
    reason: dict[str, Any] | None = None


def arranged(told: Sequence[ToldOnce], sections: Sequence[str]) -> list[ToldOnce]:
    """Each story once, as its latest issue told it; by section in the newsletter's order, and in a section the newest issue first."""
    latest: dict[int, ToldOnce] = {}
    for one in sorted(told, key=lambda one: (one.issue, -one.position)):
        latest[one.group] = one
    newest_first = sorted(latest.values(), key=lambda one: (-one.issue[0].timestamp(), -one.issue[1], one.position))
    order: list[str | None] = [*sections]
    order += [section for section in dict.fromkeys(one.section for one in newest_first) if section is not None and section not in order]
    return sorted(newest_first, key=lambda one: order.index(one.section) if one.section is not None else len(order))


def gather(database: Database, settings: Settings, newsletter: Newsletter, rhythm: str, now: datetime, *, slot_id: int | None = None) -> Gathering:
    """Make the draft of the next digest of a rhythm, or say why there is nothing to gather.

    Raises PublisherError for a rhythm that the newsletter does not offer and while a digest of it is unfinished, Busy when a race was lost.
    """
    _check_offered(newsletter, rhythm)
    try:
        with database.writing() as session:
            row = session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()
            open_issue = unfinished_issue(session, row.id, rhythm)
            if open_issue:
                raise PublisherError(_("issue %(id)s of %(name)s is not finished", id=open_issue.id, name=newsletter.name),
                                     remedy=_("go on with: publisher issues resume %(id)s", id=open_issue.id))
            gathering, picks = _look(session, newsletter, row.id, rhythm, now)
            if not picks:
                return gathering
            issue_id = _write(session, row.id, rhythm, picks, now, slot_id)
            return Gathering(issue_id, gathering.issues, gathering.stories)
    except IntegrityError as error:
        raise Busy(_("another process is making this issue"), remedy=_("look with: publisher issues list")) from error


def look_at_digest(database: Database, newsletter: Newsletter, rhythm: str, now: datetime) -> tuple[Gathering, list[ToldOnce]]:
    """What would be gathered at `now`; writes nothing. Raises PublisherError for a rhythm that the newsletter does not offer."""
    _check_offered(newsletter, rhythm)
    with database.reading() as session:
        row = session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()
        return _look(session, newsletter, row.id, rhythm, now)


def _check_offered(newsletter: Newsletter, rhythm: str) -> None:
    if rhythm not in DIGESTS or rhythm not in newsletter.rhythms:
        raise PublisherError(_("the newsletter %(name)s makes no digest of the rhythm %(rhythm)s", name=newsletter.name, rhythm=rhythm),
                             remedy=_("it is offered where newsletters.rhythms names it"))


def _look(session: Session, newsletter: Newsletter, newsletter_id: int, rhythm: str, now: datetime) -> tuple[Gathering, list[ToldOnce]]:
    wait = takers(session, newsletter, newsletter_id, rhythm, now)
    if not wait.any:
        return Gathering(None, reason={"code": "digest_no_readers"}), []
    told = _told(session, newsletter_id, wait.last, wait.since, now)
    picks = arranged(told, [section.name for section in newsletter.sections])
    picks = _missed(session, newsletter, newsletter_id, rhythm, picks)
    if not picks:
        return Gathering(None, reason={"code": "digest_nothing_new"}), []
    return Gathering(None, len({one.issue for one in picks}), len(picks)), picks


def _missed(session: Session, newsletter: Newsletter, newsletter_id: int, rhythm: str, picks: list[ToldOnce]) -> list[ToldOnce]:
    """Without the issues that every reader of the digest has had, or that came before they joined."""
    gathered = gathered_from({one.story_id: one.issue for one in picks})
    audience = digest_audience(session, newsletter, newsletter_id, rhythm, gathered)
    readers = select(audience.had.label("had")).where(audience.condition).subquery()
    bits = sorted({gathered.bit(place) for place in gathered.place_of.values()})
    had_by_all = session.execute(select(*(func.min(readers.c.had.op("&")(2 ** bit)) for bit in bits))).one() if bits else ()
    missed = {bit for bit, had in zip(bits, had_by_all, strict=True) if had == 0}
    return [one for one in picks if gathered.bit(gathered.place_of[one.story_id]) in missed]


def _told(session: Session, newsletter_id: int, last: Issue | None, since: datetime, now: datetime) -> list[ToldOnce]:
    """The picks of the issues started since then, or not seen by the last digest; an issue that was called off is none."""
    new = Issue.started_at > since
    if last is not None:
        seen = aliased(Pick)
        new = or_(new, (Issue.started_at > since - _UNSEEN)
                  & ~select(seen.id).where(seen.issue_id == last.id, seen.story_id.in_(_stories_of_issue())).exists())
    rows = session.execute(
        select(Pick, Issue, Story.duplicate_group).join(Issue, Issue.id == Pick.issue_id).join(Story, Story.id == Pick.story_id)
        .where(Issue.newsletter_id == newsletter_id, Issue.kind == "regular", Issue.state != "cancelled", Issue.started_at <= now, new))
    return [ToldOnce(pick.story_id, group or pick.story_id, (issue.started_at or now, issue.id), pick.position, pick.section, pick)
            for pick, issue, group in rows]


def _stories_of_issue() -> Any:
    other = aliased(Pick)
    return select(other.story_id).where(other.issue_id == Issue.id).correlate(Issue)


def _write(session: Session, newsletter_id: int, rhythm: str, picks: Sequence[ToldOnce], now: datetime, slot_id: int | None) -> int:
    """The draft, numbered by its rhythm, with the picks as their issues froze them."""
    number = 1 + (session.scalar(select(func.max(Issue.number)).where(Issue.newsletter_id == newsletter_id, Issue.rhythm == rhythm)) or 0)
    issue = Issue(newsletter_id=newsletter_id, number=number, kind="digest", rhythm=rhythm, state="draft", slot_id=slot_id, created_at=now)
    session.add(issue)
    session.flush()
    for position, one in enumerate(picks, 1):
        pick: Pick = one.content
        session.add(Pick(issue_id=issue.id, story_id=pick.story_id, position=position, section=pick.section, snapshot=pick.snapshot, also=pick.also))
    return issue.id
