"""Composes a draft: renders first, then writes editions, posts, subject and hash in one transaction, and only while it is still a draft."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from publisher.approval import content_hash
from publisher.clock import local_date
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
from publisher.models import AccountRow, Edition, Issue, NewsletterRow, Pick, Post, Story, Telling
from publisher.settings import Account, Newsletter, Settings

EVERYBODY = "all"


@dataclass(frozen=True, slots=True)
class _Material:
    """What was read of an issue before rendering: nothing of it is held over the templates."""

    issue: Issue
    newsletter: Newsletter
    picks: Sequence[Pick]
    groups: dict[int, int]
    accounts: dict[str, int]


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
        edition, view = _edition(settings, material, now, language)
    posts = _posts(database, settings, material, now, view)
    try:
        with database.writing() as session:
            _write(session, material, edition, posts, now)
    except IntegrityError as error:
        raise Busy(_("another process is making this issue"), remedy=_("look with: publisher issues list")) from error


def _read(database: Database, settings: Settings, issue_id: int) -> _Material:
    with database.reading() as session:
        issue = session.get(Issue, issue_id)
        if issue is None:
            raise PublisherError(_("there is no issue %(id)s", id=issue_id), remedy=_("look with: publisher issues list"))
        if issue.state != "draft":
            raise PublisherError(_("issue %(id)s is %(state)s and cannot be composed any more", id=issue_id, state=_(issue.state)))
        name = session.get_one(NewsletterRow, issue.newsletter_id).name
        newsletter = settings.newsletter(name)
        if newsletter is None:
            raise PublisherError(_("the newsletter %(name)s is not in publisher.toml", name=name), remedy=_("add it, or cancel the issue"))
        picks = session.scalars(select(Pick).where(Pick.issue_id == issue_id).order_by(Pick.position)).all()
        groups = {story: group or story for story, group in session.execute(
            select(Story.id, Story.duplicate_group).where(Story.id.in_([pick.story_id for pick in picks])))}
        accounts = {name: row_id for name, row_id in session.execute(select(AccountRow.name, AccountRow.id))}
    if not picks:
        raise PublisherError(_("issue %(id)s has no stories", id=issue_id), remedy=_("cancel it with: publisher issues cancel %(id)s", id=issue_id))
    return _Material(issue, newsletter, picks, groups, accounts)


def _view(settings: Settings, material: _Material, now: datetime, language: str) -> IssueView:
    issue = material.issue
    number = Number(issue.id, issue.number, material.newsletter, local_date(now, settings.zone_of(material.newsletter)))
    return issue_view(settings, number, [Told(pick.snapshot, pick.section, pick.also) for pick in material.picks], language)


def _edition(settings: Settings, material: _Material, now: datetime, language: str) -> tuple[Edition, IssueView]:
    made, issue = templates(settings), material.issue
    view = with_subject(made, _view(settings, material, now, language))
    edition = Edition(
        issue_id=issue.id, audience=EVERYBODY, language=language, subject=view.subject, preheader=view.preheader,
        html=mail_html(made, view, issue.id), text=mail_text(made, view), page=page_html(made, view),
        headers=issue_headers(settings, material.newsletter, issue.id, issue.number, issue.kind, language))
    return edition, view


def _posts(database: Database, settings: Settings, material: _Material, now: datetime, view: IssueView) -> list[_Draft]:
    """The posts of every account of the newsletter: the first stories it has not told yet, the issue, or both."""
    made, issue = templates(settings), material.issue
    campaign = f"{material.newsletter.name}-{issue.number}"
    drafts = []
    for account in settings.accounts:
        account_id = material.accounts.get(account.name)
        if account.newsletter != material.newsletter.name or account_id is None:
            continue
        if account.posts in ("issue", "both"):
            language = account.language or view.language
            with in_language(language):
                shown = view if language == view.language else _view(settings, material, now, language)
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


def _write(session: Session, material: _Material, edition: Edition, posts: Sequence[_Draft], now: datetime) -> None:
    seen = material.issue
    claimed = session.execute(update(Issue).where(Issue.id == seen.id, Issue.state == "draft", Issue.content_hash == seen.content_hash)
                              .values(subject=edition.subject))
    if claimed.rowcount != 1:  # type: ignore[attr-defined]
        raise Busy(_("another process is making this issue"), remedy=_("look with: publisher issues list"))
    _clear(session, seen.id)
    session.add(edition)
    for draft in posts:
        _write_post(session, seen.id, draft, now)
    session.flush()
    session.execute(update(Issue).where(Issue.id == seen.id).values(content_hash=content_hash(session, seen.id)))


def _clear(session: Session, issue_id: int) -> None:
    """Take away what an earlier composing of the same draft wrote. Nothing of a draft has left."""
    session.execute(delete(Telling).where(Telling.issue_id == issue_id, Telling.target_kind == "account"))
    session.execute(delete(Post).where(Post.issue_id == issue_id))
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
