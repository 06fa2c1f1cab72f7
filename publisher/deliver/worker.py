"""Sends an issue: claims mails, keeps several connections busy, writes every outcome down, and can be stopped or killed at any moment."""

import threading
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import func, select, update

from publisher.db import Database
from publisher.deliver.claim import recover
from publisher.deliver.control import counts, lock_of
from publisher.deliver.journal import Journal, database_identity
from publisher.deliver.lines import lines_to
from publisher.deliver.message import Mailings, list_of, signing_row
from publisher.deliver.run import Run
from publisher.deliver.verdict import Counts
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.locks import hold
from publisher.models import UNFINISHED, Delivery, Installation, Issue
from publisher.settings import Relay, Settings, is_loopback
from publisher.tokens import Keys

Clock = Callable[[], datetime]


def check_relay(settings: Settings) -> None:
    """Refuse a relay that reaches the world while the links in the mails lead to this machine only. Raises PublisherError."""
    relay = Relay.parse(settings.mail.relay)
    if is_loopback(urlsplit(settings.site.url).hostname or "") and not relay.is_loopback:
        raise PublisherError(_("site.url is this machine, and the relay %(host)s is not: the links in the mails would lead nowhere", host=relay.host),
                             remedy=_("set site.url to the address at which readers reach the pages"))


def send_issue(database: Database, settings: Settings, keys: Keys, issue_id: int, *, password: str | None, clock: Clock,
               progress: Callable[[Counts], None] | None = None, stop: threading.Event | None = None) -> Counts:
    """Send what is due of an issue in `sending`, and mark it `sent` when nothing is left; returns what is known then.

    Raises Busy at once while another living process sends it (a dead one's lock is free), RelayTrouble when the relay takes no mail: every mail that
    had not left is queued again.
    """
    check_relay(settings)
    with hold(database.engine, lock_of(issue_id)):
        _note_key(database, keys, issue_id, clock())
        journal = Journal(settings.place(settings.paths.state) / "journal", database_identity(database, clock()), issue_id)
        settled = False
        try:
            recover(database, journal, issue_id, settings.mail.retry_for, clock())
            with database.reading() as session:
                list_id = list_of(session, settings, session.get_one(Issue, issue_id))
            lines = lines_to(settings, password, settings.mail.connections)
            run = Run(database, issue_id, list_id, Mailings(database, settings, keys, issue_id), journal, lines=lines, clock=clock,
                      retry_for=settings.mail.retry_for, stop=stop or threading.Event())
            run.go(progress)
            settled = True
        finally:
            journal.close(settled=settled)
        _finish(database, issue_id, clock())
        if run.trouble is not None:
            raise run.trouble
    return counts(database, issue_id)


def _note_key(database: Database, keys: Keys, issue_id: int, now: datetime) -> None:
    """Remember which key signs this issue, so that a mail tried again after a rotation is the same mail."""
    with database.reading() as session:
        if session.get(Installation, signing_row(issue_id)) is not None:
            return
    with database.writing() as session:
        session.merge(Installation(key=signing_row(issue_id), value=keys.fingerprints()[0], noted_at=now))


def _finish(database: Database, issue_id: int, now: datetime) -> None:
    """An issue of which every row has ended is sent; of one cancelled meanwhile nothing goes on waiting."""
    with database.writing() as session:
        left = session.scalar(select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue_id, Delivery.state.in_(UNFINISHED)))
        if not left:
            session.execute(update(Issue).where(Issue.id == issue_id, Issue.state == "sending").values(state="sent", finished_at=now))
        elif session.scalar(select(Issue.state).where(Issue.id == issue_id)) == "cancelled":
            # Cancelled while these were on the wire, and the relay wanted them later: they never leave.
            session.execute(update(Delivery).where(Delivery.issue_id == issue_id, Delivery.state.in_(("queued", "deferred")))
                            .values(state="skipped", reason="cancelled", settled_at=now))
