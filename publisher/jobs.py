"""One run of a newsletter, from stories to outcomes: every step can be repeated after a crash and goes on where it stopped."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from publisher.channels.base import Channel
from publisher.compose.drafting import compose_draft
from publisher.compose.footer import missing_fields
from publisher.compose.notice import Letters
from publisher.curate.choose import Choice
from publisher.curate.desk import approve_issue
from publisher.curate.digest import Gathering, gather
from publisher.curate.picking import pick
from publisher.db import Database
from publisher.deliver.control import counts
from publisher.deliver.notices import NoticeCounts, send_notices
from publisher.deliver.posting import PostCounts, post_due
from publisher.deliver.start import start_issue
from publisher.deliver.verdict import Counts
from publisher.deliver.worker import check_relay, check_routes
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Issue, NewsletterRow
from publisher.primary import check_primary
from publisher.settings import Newsletter, Settings
from publisher.tokens import Keys
from publisher.work.processes import send_mails

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Press:
    """What sending needs. `secrets` are the relays', by name; `closed` says why an account has no channel: its posts wait, the mails leave."""

    settings: Settings
    database: Database
    keys: Keys
    channels: Mapping[str, Channel]
    secrets: Mapping[str, str]
    closed: Mapping[str, PublisherError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """What came of making an issue: its id, or None with the reasons in `choice`."""

    issue_id: int | None
    choice: Choice


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known after sending for now; `mails.unfinished` says whether something is left."""

    mails: Counts
    posts: PostCounts


def check_sending(settings: Settings) -> None:
    """Refuse before anything leaves: a footer field is missing, or the relay would carry links that lead nowhere. Raises PublisherError."""
    missing = missing_fields(settings)
    if missing:
        raise PublisherError(_("an issue cannot be sent without %(fields)s", fields=", ".join(missing)),
                             remedy=_("the law wants them under every mail: add them to publisher.toml"))
    check_relay(settings)


def make_issue(press: Press, newsletter: Newsletter, now: datetime, *, slot_id: int | None = None) -> Made:
    """Pick and compose the next issue; approve it where the newsletter says so. Raises PublisherError."""
    picking = pick(press.database, press.settings, newsletter, now, slot_id=slot_id)
    if picking.issue_id is None:
        return Made(None, picking.choice)
    finish_draft(press, picking.issue_id, now)
    return Made(picking.issue_id, picking.choice)


def making(newsletter: str, rhythm: str = "each") -> str:
    """The lock that whoever makes the next issue of a newsletter holds, or its next digest of a rhythm."""
    return f"newsletter-{newsletter}" if rhythm == "each" else f"digest-{rhythm}-{newsletter}"


def make_digest(press: Press, newsletter: Newsletter, rhythm: str, now: datetime, *, slot_id: int | None = None) -> Gathering:
    """Gather and compose the next digest of a rhythm; approve it where the newsletter says so. Raises PublisherError."""
    gathering = gather(press.database, press.settings, newsletter, rhythm, now, slot_id=slot_id)
    if gathering.issue_id is not None:
        finish_draft(press, gathering.issue_id, now)
    return gathering


def finish_draft(press: Press, issue_id: int, now: datetime) -> None:
    """Compose a draft that has no texts yet; on a slot, approve it where approval is automatic."""
    with press.database.reading() as session:
        issue = session.get_one(Issue, issue_id)
        name = session.scalar(select(NewsletterRow.name).where(NewsletterRow.id == issue.newsletter_id))
    if issue.state == "draft" and not issue.content_hash:
        # What fetches and reads pictures costs start-up time and memory that only composing should pay.
        from publisher.ingest.pictures import copy_pictures

        copy_pictures(press.database, press.settings, issue_id, now)
        compose_draft(press.database, press.settings, issue_id, now)
    newsletter = press.settings.newsletter(name or "")
    if issue.state == "draft" and issue.slot_id is not None and newsletter and newsletter.approval == "auto":
        approve_issue(press.database, issue_id, "timetable", now)


def send(press: Press, issue_id: int, clock: Clock, *, progress: Callable[[Counts], None] | None = None,
         stop: threading.Event | None = None) -> Sent:
    """Send an approved issue, or go on with one that was begun, then make its posts; mails that another process sends are waited for.

    Raises PublisherError.
    """
    mails = _send_mails(press, issue_id, clock, progress=progress, stop=stop, wait=True)
    posts = post_due(press.database, press.settings, press.channels, clock, issue_id=issue_id, stop=stop)
    return Sent(mails, posts)


def _send_mails(press: Press, issue_id: int, clock: Clock, *, progress: Callable[[Counts], None] | None = None,
                stop: threading.Event | None = None, wait: bool = False, carry: Callable[[int], None] | None = None) -> Counts:
    check_sending(press.settings)
    # Before its readers are fixed: of a database that may not send nothing is begun.
    check_primary(press.database, press.settings, clock())
    with press.database.reading() as session:
        issue = session.get_one(Issue, issue_id)
        state, newsletter = issue.state, session.get_one(NewsletterRow, issue.newsletter_id).name
    if state == "approved":
        check_routes(press.settings, newsletter)
        start_issue(press.database, press.settings, issue_id, clock())
        state = "sending"
    if state != "sending":
        return counts(press.database, issue_id)
    if carry is not None:
        carry(issue_id)
        return counts(press.database, issue_id)
    return send_mails(press.database, press.settings, press.keys, issue_id, secrets=press.secrets, clock=clock, progress=progress,
                      stop=stop, wait=wait)


def go_on(press: Press, issue_id: int, clock: Clock, stop: threading.Event, *, carry: Callable[[int], None] | None = None) -> Counts | None:
    """The next steps of one issue that need no person: compose, approve where that is automatic, send the mails that are due.

    With `carry` they are not sent here: it hands the issue, whose readers are fixed, to whoever sends. Returns what is known of the mails, or None
    when there were none to send. Raises PublisherError, and Busy while another process is at this issue.
    """
    finish_draft(press, issue_id, clock())
    with press.database.reading() as session:
        ready = session.get_one(Issue, issue_id).state in ("approved", "sending")
    if ready:
        return _send_mails(press, issue_id, clock, stop=stop, carry=carry)
    return None


def send_due_notices(press: Press, clock: Clock, stop: threading.Event | None = None) -> NoticeCounts:
    """Render and send every mail that is no issue and is due. Raises PublisherError, Busy while another process does."""
    return send_notices(press.database, press.settings, press.keys, Letters(press.settings), secrets=press.secrets, clock=clock, stop=stop)
