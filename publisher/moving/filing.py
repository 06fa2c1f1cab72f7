"""Files past issues as told: each is an issue that was sent, a page, a story, its telling and its old addresses, in one transaction of its own.

An item is known by its key within its tool, so that the same export again changes nothing, and one that was interrupted goes on.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote

from jinja2.sandbox import SandboxedEnvironment
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from publisher.approval import content_hash
from publisher.compose.rendering import templates
from publisher.db import Database
from publisher.errors import Problem, PublisherError
from publisher.i18n import _
from publisher.locks import hold
from publisher.models import Edition, Issue, NewsletterRow, Pick, SourceRow, Story, Telling
from publisher.models_site import Redirect
from publisher.moving.addresses import kept_path
from publisher.moving.found import Past
from publisher.moving.pages import past_page
from publisher.settings import Newsletter, Settings
from publisher.text.clean import clean_line
from publisher.text.fingerprint import text_fingerprint
from publisher.text.language import language_of
from publisher.text.lead import lead, plain, plain_line, shorten
from publisher.text.phrases import cut
from publisher.text.reading import reading_minutes
from publisher.text.urls import canonical_url, is_web_url
from subscribers.registry.writing import insert_absent

# Copies of what was told longer ago than this count as new stories (curate/picking.py): older links need not be known.
_MEMORY = timedelta(days=90)
_MOST_LINKS, _SHORTEST_LINK, _LONGEST_HEADLINE, _LONGEST_SUMMARY = 60, 10, 200, 600
_LONGEST_ADDRESS = 1000
_PREHEADER = 90
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]\\]|\\.)+)\]\((https?://[^()\s]+)\)")


@dataclass(slots=True)
class MoveReport:
    """What became of past issues: `added` are here now, `unchanged` were before, `addresses` of old pages lead to them."""

    added: int = 0
    unchanged: int = 0
    addresses: int = 0
    first: int | None = None
    last: int | None = None
    problems: list[Problem] = field(default_factory=list)


def container_of(tool: str) -> str:
    """What the stories of past issues of `tool` stand in."""
    return f"moved:{tool}"


def move_issues(database: Database, settings: Settings, newsletter: Newsletter, tool: str, past: Sequence[Past], now: datetime, *,
                after: bool = False, dry_run: bool = False, progress: Callable[[int, int], None] | None = None) -> MoveReport:
    """File `past` as issues of `newsletter` that were sent, numbered by date behind those that came before.

    Raises PublisherError when the newsletter has issues of its own and `after` is not set: the past ones would get numbers above them. Raises
    BadInput for a broken template, Busy while another process moves in.
    """
    report = MoveReport()
    past = _once(past, report)
    with hold(database.engine, "moving"):
        with database.reading() as session:
            known = set(session.scalars(select(Story.origin).where(Story.container == container_of(tool))))
            fresh = [one for one in sorted(past, key=lambda one: (one.at, one.key)) if _origin(tool, one) not in known]
            report.unchanged = len(past) - len(fresh)
            if fresh and not after and _has_own(session, newsletter.name):
                raise PublisherError(
                    _("%(name)s has issues of its own, which have the first numbers already", name=newsletter.name),
                    remedy=_("past issues come first; to number them after those that are here, add --after"))
        made = templates(settings)
        for done, one in enumerate(fresh, 1):
            if not dry_run:
                with database.writing() as session:
                    number = _file(session, settings, newsletter, tool, one, now, made, report)
                report.first, report.last = report.first or number, number
            report.added += 1
            if progress is not None:
                progress(done, len(fresh))
    return report


def _origin(tool: str, past: Past) -> str:
    return f"{container_of(tool)}#{clean_line(past.key)}"[:_LONGEST_ADDRESS]


def _once(past: Sequence[Past], report: MoveReport) -> list[Past]:
    """The first item of each key; what stands in an export twice is told."""
    unique: dict[str, Past] = {}
    for one in past:
        if unique.setdefault(clean_line(one.key), one) is not one:
            report.problems.append(Problem(one.key, _("“%(title)s” stands in the export twice", title=one.title)))
    return list(unique.values())


def _has_own(session: Session, name: str) -> bool:
    """Whether the newsletter has an issue that was made here; the database may have to be told its name yet."""
    moved = exists().where(Pick.issue_id == Issue.id, Story.id == Pick.story_id, Story.container.startswith("moved:"))
    query = select(Issue.id).join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id).where(
        NewsletterRow.name == name, Issue.rhythm == "each", Issue.number > 0, ~moved)
    return session.scalars(query.limit(1)).first() is not None


def _file(session: Session, settings: Settings, newsletter: Newsletter, tool: str, past: Past, now: datetime, made: SandboxedEnvironment,
          report: MoveReport) -> int:
    """Write one past issue; its number."""
    row_id = session.scalars(select(NewsletterRow.id).where(NewsletterRow.name == newsletter.name)).one()
    number = 1 + (session.scalar(select(func.max(Issue.number)).where(
        Issue.newsletter_id == row_id, Issue.rhythm == "each", Issue.number > 0)) or 0)
    at = min(past.at, now)
    issue = Issue(newsletter_id=row_id, number=number, kind="regular", rhythm="each", state="sent", subject=past.title, created_at=at, approved_at=at,
                  approved_by=tool, started_at=at, finished_at=at, note=f"moved in from {tool}")
    story = _story(session, tool, past, _origin(tool, past), now)
    session.add_all([issue, story])
    session.flush()
    story.duplicate_group = story.id
    session.add(Pick(issue_id=issue.id, story_id=story.id, position=1, section=None, snapshot=story.snapshot(), also=[]))
    _tell(session, issue, story, at)
    html = past_page(made, settings, newsletter, issue, story, past.subtitle)
    session.add(Edition(issue_id=issue.id, language=settings.language_of(newsletter), subject=past.title, html=html,
                        preheader=cut(story.summary, lambda text: len(text) <= _PREHEADER) or story.summary[:_PREHEADER],
                        text=plain(past.body), page=html, headers={}))
    if now - at < _MEMORY:
        _tell_links(session, issue, past, tool, at, now)
    session.flush()
    issue.content_hash = issue.approved_hash = content_hash(session, issue.id)
    paths = dict.fromkeys(path for given in past.paths if (path := kept_path(unquote(given))))
    report.addresses += len(insert_absent(session, Redirect, [{"path": path, "issue_id": issue.id} for path in paths], Redirect.path))
    return number


def _story(session: Session, tool: str, past: Past, origin: str, now: datetime) -> Story:
    """The past issue as a story of our own: in the archive, never picked again."""
    language = language_of(f"{past.title}\n{past.body}")
    summary = past.subtitle or lead(past.body, language) or past.title
    return Story(
        source_id=_source(session, tool), container=container_of(tool), origin=origin, headline=past.title[:_LONGEST_HEADLINE],
        summary=summary if len(summary) <= _LONGEST_SUMMARY else shorten(summary, language), body=past.body, date=past.at.isoformat(),
        language=language, rights="own", status="archive", reading_minutes=reading_minutes(past.body, language),
        fingerprint=text_fingerprint(past.title, past.body), content_hash="", created_at=now, updated_at=now)


def _source(session: Session, tool: str) -> int:
    """The id of the source that past issues belong to; publisher.toml does not name it, so that nothing is ever read from it."""
    name = f"moved-{tool}"
    found = session.scalar(select(SourceRow.id).where(SourceRow.name == name))
    if found is None:
        row = SourceRow(name=name, kind="moved", present=False)
        session.add(row)
        session.flush()
        found = row.id
    return found


def _tell(session: Session, issue: Issue, story: Story, at: datetime) -> None:
    session.add(Telling(target_kind="newsletter", target_id=issue.newsletter_id, duplicate_group=story.duplicate_group or story.id, story_id=story.id,
                        issue_id=issue.id, reserved_at=at, told_at=at))


def _tell_links(session: Session, issue: Issue, past: Past, tool: str, at: datetime, now: datetime) -> None:
    """What the issue linked to was told with it: a story at the same address under nearly the same headline is a copy, and is not picked again."""
    told: dict[str, str] = {}
    for text, url in _LINK.findall(past.body):
        headline = plain_line(text)
        if len(headline) >= _SHORTEST_LINK and is_web_url(url) and len(url) <= _LONGEST_ADDRESS:
            told.setdefault(canonical_url(url), clean_line(headline)[:_LONGEST_HEADLINE])
    for place, (url, headline) in enumerate(list(told.items())[:_MOST_LINKS], 2):
        origin = f"{_origin(tool, past)}#{place}"
        story = Story(source_id=_source(session, tool), container=origin, position=place, origin=origin, headline=headline, source_url=url,
                      canonical_url=url, language=language_of(headline), rights="summary", status="archive",
                      fingerprint=text_fingerprint(headline, url), content_hash="", created_at=now, updated_at=now)
        session.add(story)
        session.flush()
        story.duplicate_group = story.id
        _tell(session, issue, story, at)
