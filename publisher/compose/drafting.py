"""Composes a draft: renders first, then writes editions, posts, subject and hash in one transaction, and only while it is still a draft.

The whole issue is one edition; groups of readers who chose sections have editions of their own beside it, which share its web page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from publisher.approval import content_hash
from publisher.audience import EVERYBODY, newsletter_of
from publisher.clock import local_date
from publisher.compose.groups import Grouping, Item, grouped, listed_sections, wishes_of
from publisher.compose.headers import issue_headers
from publisher.compose.html import mail_html, page_html
from publisher.compose.issue import Number, Told, issue_view
from publisher.compose.post import Written, issue_post, story_post
from publisher.compose.rendering import templates
from publisher.compose.subject import with_subject
from publisher.compose.text import mail_text
from publisher.compose.views import IssueView
from publisher.db import Database
from publisher.errors import Busy, PublisherError
from publisher.i18n import _, in_language
from publisher.models import AccountRow, Edition, EditionGroup, Issue, Pick, Post, Story, Telling
from publisher.pictures import Copy, copies, wanted_picture
from publisher.settings import Account, Newsletter, Settings

_log = structlog.get_logger("publisher")


@dataclass(frozen=True, slots=True)
class _Material:
    """What was read of an issue before rendering: nothing of it is held over the templates. `since` is the day of a digest's first issue."""

    issue: Issue
    newsletter: Newsletter
    picks: Sequence[Pick]
    groups: dict[int, int]
    accounts: dict[str, int]
    readers: Grouping
    since: date | None
    pictures: Mapping[str, Copy]


@dataclass(frozen=True, slots=True)
class _Draft:
    """One post as it will be written: about a story's duplicate group, or about the issue where `story_id` is None."""

    account_id: int
    about_id: int
    story_id: int | None
    position: int
    written: Written


def compose_draft(database: Database, settings: Settings, issue_id: int, now: datetime) -> None:
    """Write the texts of a draft issue, or write them anew. Raises PublisherError for what is no draft, BadInput for a broken template, Busy
    when another process changed the issue meanwhile."""
    material = _read(database, settings, issue_id)
    language = settings.language_of(material.newsletter)
    with in_language(language):
        editions, view = _editions(settings, material, now, language)
    posts = _posts(database, settings, material, now, view)
    try:
        with database.writing() as session:
            _write(session, material, editions, posts, now)
    except IntegrityError as error:
        raise Busy(_("another process is making this issue"), remedy=_("look with: publisher issues list")) from error


def _read(database: Database, settings: Settings, issue_id: int) -> _Material:
    with database.reading() as session:
        issue = session.get(Issue, issue_id)
        if issue is None:
            raise PublisherError(_("there is no issue %(id)s", id=issue_id), remedy=_("look with: publisher issues list"))
        if issue.state != "draft":
            raise PublisherError(_("issue %(id)s is %(state)s and cannot be composed any more", id=issue_id, state=_(issue.state)))
        newsletter = newsletter_of(session, settings, issue)
        picks = session.scalars(select(Pick).where(Pick.issue_id == issue_id).order_by(Pick.position)).all()
        groups = {story: group or story for story, group in session.execute(
            select(Story.id, Story.duplicate_group).where(Story.id.in_([pick.story_id for pick in picks])))}
        accounts = {name: row_id for name, row_id in session.execute(select(AccountRow.name, AccountRow.id))}
        if not picks:
            raise PublisherError(_("issue %(id)s has no stories", id=issue_id),
                                 remedy=_("cancel it with: publisher issues cancel %(id)s", id=issue_id))
        readers, since = _readers(session, settings, newsletter, issue, picks)
        pictures = copies(session, [wanted_picture(pick.snapshot) for pick in picks])
    return _Material(issue, newsletter, picks, groups, accounts, readers, since, pictures)


def _readers(session: Session, settings: Settings, newsletter: Newsletter, issue: Issue, picks: Sequence[Pick]) -> tuple[Grouping, date | None]:
    """The preference groups of the readers, and the day of the first issue that a digest gathers."""
    wishes, gathered = wishes_of(session, settings, newsletter, issue)
    bits = {story_id: gathered.bit(place) for story_id, place in gathered.place_of.items()} if gathered else {}
    readers = grouped([Item(pick.story_id, pick.section, bits.get(pick.story_id)) for pick in picks], wishes, listed_sections(newsletter))
    if readers.left_out:
        _log.warning("too_many_groups", issue=issue.id, editions=len(readers.editions), groups_that_get_the_whole_issue=readers.left_out)
    return readers, local_date(gathered.starts[0], settings.zone_of(newsletter)) if gathered and gathered.starts else None


def _view(settings: Settings, material: _Material, picks: Sequence[Pick], now: datetime, language: str) -> IssueView:
    issue = material.issue
    day = local_date(now, settings.zone_of(material.newsletter))
    number = Number(issue.id, issue.number, material.newsletter, day, issue.rhythm, material.since)
    told = [Told(pick.snapshot, pick.section, pick.also, material.pictures.get(wanted_picture(pick.snapshot) or "")) for pick in picks]
    return issue_view(settings, number, told, language)


def _editions(settings: Settings, material: _Material, now: datetime, language: str) -> tuple[list[Edition], IssueView]:
    """The edition for everybody first, with the web page; then those of groups, each with subject, lead, contents and counts of its own."""
    made, issue = templates(settings), material.issue
    headers = issue_headers(settings, material.newsletter, issue.id, issue.number, issue.kind, language, rhythm=issue.rhythm)
    parts: Mapping[str, Sequence[Pick]] = {EVERYBODY: material.picks} | {
        name: [material.picks[index] for index in part] for name, part in material.readers.editions.items()}
    views = {name: with_subject(made, _view(settings, material, picks, now, language)) for name, picks in parts.items()}
    page = page_html(made, views[EVERYBODY])
    return [Edition(issue_id=issue.id, audience=name, language=language, subject=view.subject, preheader=view.preheader, headers=headers,
                    html=mail_html(made, view, issue.id), text=mail_text(made, view), page=page if name == EVERYBODY else "")
            for name, view in views.items()], views[EVERYBODY]


def _posts(database: Database, settings: Settings, material: _Material, now: datetime, view: IssueView) -> list[_Draft]:
    """The posts of every account of the newsletter: the first stories it has not told yet, the issue, or both. A digest tells nothing new."""
    made, issue = templates(settings), material.issue
    if issue.kind == "digest":
        return []
    campaign = f"{material.newsletter.name}-{issue.number}"
    drafts = []
    for account in settings.accounts:
        account_id = material.accounts.get(account.name)
        if account.newsletter != material.newsletter.name or account_id is None:
            continue
        if account.posts in ("issue", "both"):
            language = account.language or view.language
            with in_language(language):
                shown = view if language == view.language else _view(settings, material, material.picks, now, language)
                drafts.append(_Draft(account_id, issue.id, None, 1, issue_post(made, settings, account, shown, campaign)))
        if account.posts in ("stories", "both"):
            drafts += _story_posts(database, settings, material, account, account_id)
    return drafts


def _story_posts(database: Database, settings: Settings, material: _Material, account: Account, account_id: int) -> list[_Draft]:
    made = templates(settings)
    campaign = f"{material.newsletter.name}-{material.issue.number}"
    with database.reading() as session:
        told = _told(session, account_id, material)
    free = [pick for pick in material.picks if material.groups[pick.story_id] not in told][:account.max_posts]
    first = 2 if account.posts == "both" else 1
    drafts = []
    for position, pick in enumerate(free, first):
        with in_language(pick.snapshot["language"]):
            written = story_post(made, settings, account, pick.snapshot, campaign)
        drafts.append(_Draft(account_id, material.groups[pick.story_id], pick.story_id, position, written))
    return drafts


def _told(session: Session, account_id: int, material: _Material) -> set[int]:
    """The duplicate groups of this issue that the account has told or is about to tell for another issue."""
    groups = list(material.groups.values())
    told = session.scalars(select(Telling.duplicate_group).where(
        Telling.target_kind == "account", Telling.target_id == account_id, Telling.duplicate_group.in_(groups), Telling.repeat == 0,
        Telling.issue_id.is_distinct_from(material.issue.id)))
    # A post of a cancelled issue that was never tried tells nothing and gives way; any other one stands.
    posted = session.scalars(select(Post.about_id).where(
        Post.account_id == account_id, Post.about == "story", Post.about_id.in_(groups), Post.repeat == 0,
        Post.issue_id.is_distinct_from(material.issue.id), ~_never_tried()))
    return {*told, *posted}


def _never_tried():  # type: ignore[no-untyped-def]  # SQLAlchemy's type for a condition says nothing to a reader
    return (Post.state == "skipped") & (Post.attempts == 0)


def _write(session: Session, material: _Material, editions: Sequence[Edition], posts: Sequence[_Draft], now: datetime) -> None:
    seen = material.issue
    claimed = session.execute(update(Issue).where(Issue.id == seen.id, Issue.state == "draft", Issue.content_hash == seen.content_hash)
                              .values(subject=editions[0].subject))
    if claimed.rowcount != 1:  # type: ignore[attr-defined]
        raise Busy(_("another process is making this issue"), remedy=_("look with: publisher issues list"))
    _clear(session, seen.id)
    for edition in editions:
        session.add(edition)
        session.flush()  # one by one: the edition for everybody has the lowest id
    edition_of = {edition.audience: edition.id for edition in editions}
    session.add_all(EditionGroup(issue_id=seen.id, sections_key=key, had=had, edition_id=edition_of[name] if name else None)
                    for (key, had), name in material.readers.rows.items())
    for draft in posts:
        _write_post(session, seen.id, draft, now)
    session.flush()
    session.execute(update(Issue).where(Issue.id == seen.id).values(content_hash=content_hash(session, seen.id)))


def _clear(session: Session, issue_id: int) -> None:
    """Take away what an earlier composing of the same draft wrote. Nothing of a draft has left."""
    session.execute(delete(Telling).where(Telling.issue_id == issue_id, Telling.target_kind == "account"))
    session.execute(delete(Post).where(Post.issue_id == issue_id))
    session.execute(delete(EditionGroup).where(EditionGroup.issue_id == issue_id))
    session.execute(delete(Edition).where(Edition.issue_id == issue_id))


def _write_post(session: Session, issue_id: int, draft: _Draft, now: datetime) -> None:
    about = "issue" if draft.story_id is None else "story"
    session.execute(delete(Post).where(Post.account_id == draft.account_id, Post.about == about, Post.about_id == draft.about_id,
                                       Post.repeat == 0, _never_tried()))
    post = Post(account_id=draft.account_id, about=about, about_id=draft.about_id, issue_id=issue_id, story_id=draft.story_id,
                position=draft.position, text=draft.written.text, link=draft.written.link, language=draft.written.language, state="queued")
    session.add(post)
    session.flush()
    if draft.story_id is not None:
        session.add(Telling(target_kind="account", target_id=draft.account_id, duplicate_group=draft.about_id, story_id=draft.story_id,
                            issue_id=issue_id, post_id=post.id, reserved_at=now))
