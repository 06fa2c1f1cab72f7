"""Picks an issue: reads rows, calls `choose`, writes the issue, its picks, its tellings and every reason in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from publisher.clock import local_date
from publisher.curate.choose import Candidate, Choice, Rules, ToldIn, choose
from publisher.db import Database
from publisher.errors import Busy, PublisherError
from publisher.i18n import _
from publisher.models import Decision, Issue, NewsletterRow, Pick, Story, Telling
from publisher.settings import Newsletter, Settings

UNFINISHED_ISSUE = ("draft", "approved", "sending", "paused")
# Copies of what was told longer ago than this are new stories.
_MEMORY = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Picking:
    """What came of a look: the draft issue, or None because there were too few stories; `choice` has every reason."""

    issue_id: int | None
    choice: Choice


def unfinished_issue(session: Session, newsletter_id: int, rhythm: str = "each") -> Issue | None:
    """The issue of this newsletter that still has work to do, or its digest of another rhythm."""
    return session.scalar(select(Issue).where(Issue.newsletter_id == newsletter_id, Issue.rhythm == rhythm, Issue.state.in_(UNFINISHED_ISSUE)))


def look(database: Database, settings: Settings, newsletter: Newsletter, now: datetime) -> Choice:
    """What would be picked at `now`; writes nothing."""
    with database.reading() as session:
        row = _row(session, newsletter.name)
        return choose(_candidates(session, row.id, settings.zone_of(newsletter), now), _rules(session, settings, newsletter, row.id), now)


def pick(database: Database, settings: Settings, newsletter: Newsletter, now: datetime, *, slot_id: int | None = None) -> Picking:
    """Make the draft of the next issue. Raises PublisherError while another issue of the newsletter is unfinished, Busy when a race was lost."""
    try:
        with database.writing() as session:
            row = _row(session, newsletter.name)
            open_issue = unfinished_issue(session, row.id)
            if open_issue:
                raise PublisherError(_("issue %(id)s of %(name)s is not finished", id=open_issue.id, name=newsletter.name),
                                     remedy=_("go on with: publisher issues resume %(id)s", id=open_issue.id))
            rules = _rules(session, settings, newsletter, row.id)
            choice = choose(_candidates(session, row.id, settings.zone_of(newsletter), now), rules, now)
            _write_groups(session, choice)
            _write_decisions(session, row.id, choice, now)
            issue = _write_issue(session, row.id, choice, now, slot_id) if choice.enough else None
            return Picking(issue.id if issue else None, choice)
    except IntegrityError as error:
        raise Busy(_("another process is making this issue"), remedy=_("look with: publisher issues list")) from error


def _row(session: Session, name: str) -> NewsletterRow:
    return session.scalars(select(NewsletterRow).where(NewsletterRow.name == name)).one()


def _rules(session: Session, settings: Settings, newsletter: Newsletter, newsletter_id: int) -> Rules:
    # The moment an issue was picked, not sent: what was approved while it went out belongs to the next one. An issue that was
    # cancelled before anything left has no tellings: its stories are free, and it is no last issue.
    last = session.scalar(select(func.max(Issue.created_at)).where(
        Issue.newsletter_id == newsletter_id, Issue.kind == "regular", Issue.started_at.is_not(None),
        exists().where(Telling.issue_id == Issue.id)))
    return Rules(
        max_stories=newsletter.max_stories, min_stories=newsletter.min_stories, since=last,
        window=newsletter.window if isinstance(newsletter.window, timedelta) else None,
        first_window=newsletter.first_window, carry_over=newsletter.carry_over,
        sections=tuple((section.name, section.max) for section in newsletter.sections), only_sections=newsletter.only_sections,
        tags=newsletter.tags, without_tags=newsletter.without_tags, languages=newsletter.languages, zone=settings.zone_of(newsletter))


def _candidates(session: Session, newsletter_id: int, zone: str, now: datetime) -> list[Candidate]:
    """Approved stories that were never told, with those told lately, whose copies must be known."""
    here = (Telling.target_kind == "newsletter", Telling.target_id == newsletter_id)
    judged = select(Decision.story_id).where(Decision.newsletter_id == newsletter_id)
    seen = set(session.scalars(judged))
    # A decision that is final is made again for a while, because the rules in publisher.toml may have changed.
    untold = session.scalars(select(Story).where(
        Story.status == "approved", Story.withdrawn_at.is_(None), Story.approved_at <= now,
        Story.id.not_in(select(Telling.story_id).where(*here)),
        (Story.approved_at >= now - _MEMORY) | (Story.pinned > 0) | Story.id.not_in(judged.where(Decision.waits.is_(False))))).all()
    # Told is told, also when the file is gone or an editor thinks otherwise since; and the unique key of tellings never forgets a group.
    told = session.execute(
        select(Story, Telling.duplicate_group, Issue.number, Issue.created_at)
        .join(Telling, Telling.story_id == Story.id).join(Issue, Issue.id == Telling.issue_id)
        .where(*here, (Telling.reserved_at >= now - _MEMORY) | Telling.duplicate_group.in_(_groups(untold))))
    return [*(_candidate(story, judged=story.id in seen) for story in untold),
            *(_candidate(story, group=group, told=ToldIn(number, local_date(created_at, zone).isoformat()))
              for story, group, number, created_at in told)]


def _groups(stories: Sequence[Story]) -> list[int]:
    """Groups that tie a story to another one."""
    return [story.duplicate_group for story in stories if story.duplicate_group not in (None, story.id)]  # type: ignore[misc]


def _candidate(story: Story, *, judged: bool = True, group: int | None = None, told: ToldIn | None = None) -> Candidate:
    return Candidate(
        id=story.id, headline=story.headline, text=f"{story.summary}\n{story.body}", approved_at=story.approved_at or story.created_at,
        fingerprint=story.fingerprint, canonical_url=story.canonical_url, container=story.container, source=story.source_name,
        section=story.section, tags=tuple(story.tags), language=story.language, date=story.date, pinned=story.pinned, weight=story.weight,
        own=story.rights == "own", facts=len(story.facts), group=group or story.duplicate_group, told=told, judged=judged)


def _write_groups(session: Session, choice: Choice) -> None:
    """Remember who tells the same thing: the unique key of tellings stands on it."""
    stories = [*(pick.story for pick in choice.picks), *(passed.story for passed in choice.passed)]
    changed = {story.id: choice.groups[story.id] for story in stories
               if story.id in choice.groups and (story.group or story.id) != choice.groups[story.id]}
    for story in session.scalars(select(Story).where(Story.id.in_(changed))):
        story.duplicate_group = changed[story.id]


def _write_decisions(session: Session, newsletter_id: int, choice: Choice, now: datetime) -> None:
    """One row a story, written anew only where the reason changed."""
    before = {row.story_id: row for row in session.scalars(select(Decision).where(Decision.newsletter_id == newsletter_id))}
    for passed in choice.passed:
        row, reason = before.get(passed.story.id), dict(passed.reason)
        if reason["code"] == "told":
            continue
        if row is None:
            session.add(Decision(newsletter_id=newsletter_id, story_id=passed.story.id, decided_at=now, waits=passed.waits, reason=reason))
        elif row.reason != reason or row.waits != passed.waits:
            row.decided_at, row.waits, row.reason = now, passed.waits, reason


def _write_issue(session: Session, newsletter_id: int, choice: Choice, now: datetime, slot_id: int | None) -> Issue:
    number = 1 + (session.scalar(select(func.max(Issue.number)).where(
        Issue.newsletter_id == newsletter_id, Issue.rhythm == "each", Issue.number > 0)) or 0)
    issue = Issue(newsletter_id=newsletter_id, number=number, state="draft", slot_id=slot_id, created_at=now)
    session.add(issue)
    session.flush()
    for position, picked in enumerate(choice.picks, 1):
        add_pick(session, issue, session.get_one(Story, picked.story.id), position, now,
                 also=[session.get_one(Story, other.id) for other in picked.also])
        decision = session.get(Decision, (newsletter_id, picked.story.id))
        if decision:
            session.delete(decision)
    return issue


def add_pick(session: Session, issue: Issue, story: Story, position: int, now: datetime, *, also: list[Story] | None = None) -> None:
    """Put `story` into `issue` at `position` and reserve its telling; the database refuses a second one."""
    names = [{"name": other.source_name, "url": other.source_url}
             for other in also or [] if other.source_name and other.source_name != story.source_name]
    unique = list({entry["name"]: entry for entry in names}.values())
    session.add(Pick(issue_id=issue.id, story_id=story.id, position=position, section=story.section, snapshot=story.snapshot(), also=unique))
    session.add(Telling(target_kind="newsletter", target_id=issue.newsletter_id, duplicate_group=story.duplicate_group or story.id,
                        story_id=story.id, issue_id=issue.id, reserved_at=now))
