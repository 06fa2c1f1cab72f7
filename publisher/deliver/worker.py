"""Sends an issue slice by slice: keeps connections busy, writes every outcome down, and can be stopped or killed at any moment."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import exists, select, update

from publisher.audience import list_id_of, newsletter_of
from publisher.db import Database
from publisher.deliver.control import counts
from publisher.deliver.dispatch.dispatch import Dispatch
from publisher.deliver.dispatch.routes import NoRelay, Routes
from publisher.deliver.dkim import signer_of, signing_domain
from publisher.deliver.due import resends
from publisher.deliver.faults import as_trouble
from publisher.deliver.halting import halt
from publisher.deliver.journal import Journal, database_identity, noted_once
from publisher.deliver.lines import lines_to
from publisher.deliver.message import Mailings, signing_row
from publisher.deliver.recovery import recover
from publisher.deliver.run import SOON, Plan, Run
from publisher.deliver.slices import Span, has_work, holding, next_moment, slices_of
from publisher.deliver.suspicion import TakesNothing
from publisher.deliver.unknowns import settle_by_events
from publisher.deliver.verdict import Counts
from publisher.errors import Busy, PublisherError
from publisher.i18n import _
from publisher.models import UNFINISHED, Delivery, Issue
from publisher.primary import sending
from publisher.settings import Settings
from publisher.settings_sending import Relay, is_loopback
from publisher.tokens import Keys

Clock = Callable[[], datetime]
Progress = Callable[[Counts], None]


def check_relay(settings: Settings) -> None:
    """Refuse what would stop in the middle: a signature that cannot be made, and a relay that reaches the world while the links in the mails lead to
    this machine only. Raises PublisherError.
    """
    check_signature(settings)
    for entry in settings.all_relays():
        host = Relay.parse(entry.url).host if entry.kind == "smtp" else entry.kind
        if is_loopback(urlsplit(settings.site.url).hostname or "") and not is_loopback(host):
            raise PublisherError(_("site.url is this machine, and the relay %(host)s is not: the links in the mails would lead nowhere", host=host),
                                 remedy=_("set site.url to the address at which readers reach the pages"))


def check_signature(settings: Settings) -> None:
    """Refuse a signature for which there is no key that receivers take. Raises PublisherError."""
    if settings.dkim.selector is not None:
        signer_of(settings, signing_domain(settings))


def check_routes(settings: Settings, newsletter: str) -> None:
    """Refuse a newsletter for which there is no relay but for some domains: its other readers would wait for ever. Raises NoRelay."""
    if not Routes(settings.all_relays(), newsletter).is_for_all:
        raise NoRelay(_("no entry of relays is for all readers of %(newsletter)s", newsletter=newsletter),
                      remedy=_("add an entry without domains and newsletters, which takes what the others do not"))


def send_issue(database: Database, settings: Settings, keys: Keys, issue_id: int, *, secrets: Mapping[str, str], clock: Clock,
               progress: Progress | None = None, stop: threading.Event | None = None) -> Counts:
    """Send what is due of an issue in `sending`, slice after slice, and mark it `sent` when nothing is left; returns what is known then.

    A slice that another living process sends is left to it (a dead one's lock is free); raises Busy when all that is due is. Raises RelayTrouble when
    the relay takes no mail: every mail that had not left is queued again. Mails that a pace puts off for seconds are waited for, all others are not.
    """
    stop = stop or threading.Event()
    taken = busy = 0
    with database.reading() as session:
        resend = resends(session, settings, issue_id)
    spans = slices_of(database, issue_id, settings.mail.slice_size)
    # What a pace puts off is waited for when every slice had its turn, or readers whom nothing slows would wait behind it.
    for span, lingers in [*((span, False) for span in spans[1:] and spans), *((span, True) for span in spans)]:
        if stop.is_set():
            break
        with database.reading() as session:
            if not has_work(session, span, clock() + (SOON if lingers else timedelta(0)), resend=resend):
                continue
        try:
            send_slice(database, settings, keys, issue_id, span.number, secrets=secrets, clock=clock, progress=progress, stop=stop, lingers=lingers)
            taken += 1
        except Busy as error:
            busy, left_alone = busy + 1, error
    if busy and not taken:
        raise left_alone
    finish_issue(database, issue_id, clock())
    return counts(database, issue_id)


def send_slice(database: Database, settings: Settings, keys: Keys, issue_id: int, number: int, *, secrets: Mapping[str, str], clock: Clock,
               progress: Progress | None = None, stop: threading.Event | None = None, lingers: bool = False) -> datetime | None:
    """Send what is due of one slice; returns when the first of those that wait is due, or None when nothing of it waits for a moment.

    With `lingers` what is due within seconds is waited for, as long as there is any.
    Raises Busy at once while another living process holds it, RelayTrouble as `send_issue` does. Whoever finds that it was taken over stops.
    """
    check_relay(settings)
    span = next(one for one in slices_of(database, issue_id, settings.mail.slice_size) if one.number == number)
    try:
        with holding(database, span, clock()) as held, sending(database, settings, clock):
            _note_key(database, keys, issue_id, clock())
            run = _send(database, settings, keys, held, secrets=secrets, clock=clock, progress=progress, stop=stop or threading.Event(),
                        lingers=lingers)
            finish_issue(database, issue_id, clock())
            if isinstance(run.trouble, TakesNothing):
                halt(database, settings, issue_id, run.trouble, clock())
    except Exception as error:
        # A full disk or a server that is gone stops sending cleanly and is said in a sentence; whatever else it is goes on up as it is.
        trouble = as_trouble(error)
        if trouble is None:
            raise
        raise trouble from error
    if run.trouble is not None:
        raise run.trouble
    with database.reading() as session:
        return next_moment(session, span, resend=resends(session, settings, issue_id))


def _send(database: Database, settings: Settings, keys: Keys, span: Span, *, secrets: Mapping[str, str], clock: Clock, progress: Progress | None,
          stop: threading.Event, lingers: bool) -> Run:
    journal = Journal(settings.place(settings.paths.state) / "journal", database_identity(database, clock()), span.issue_id, span.number)
    settled = False
    try:
        recover(database, journal, span, settings.mail.retry_for, clock())
        settle_by_events(database, span.issue_id, clock())
        with database.reading() as session:
            newsletter = newsletter_of(session, settings, session.get_one(Issue, span.issue_id))
            list_id = list_id_of(session, newsletter)
        check_routes(settings, newsletter.name)
        relays = [lines_to(settings, secrets, entry) for entry in Routes(settings.all_relays(), newsletter.name).all()]
        plan = Plan(span, list_id, settings.mail.retry_for, clock, Dispatch(settings, newsletter.name), newsletter.resends, lingers)
        run = Run(database, plan, Mailings(database, settings, keys, span.issue_id), journal, relays, stop)
        run.go(progress)
        settled = True
    finally:
        journal.close(settled=settled)
    return run


def _note_key(database: Database, keys: Keys, issue_id: int, now: datetime) -> None:
    """Remember which key signs this issue, so that a mail tried again after a rotation is the same mail."""
    noted_once(database, signing_row(issue_id), keys.fingerprints()[0], now)


def finish_issue(database: Database, issue_id: int, now: datetime) -> None:
    """An issue of which every row has ended is sent; of one cancelled meanwhile nothing goes on waiting."""
    def left(*states: str) -> bool:
        return any(session.scalar(select(exists().where(Delivery.issue_id == issue_id, Delivery.state == state))) for state in states)

    with database.reading() as session:
        state = session.get_one(Issue, issue_id).state
        ended = not left(*UNFINISHED)
        late = state == "cancelled" and left("queued", "deferred")
    if ended and state == "sending":
        with database.writing() as session:
            if not left(*UNFINISHED):
                session.execute(update(Issue).where(Issue.id == issue_id, Issue.state == "sending").values(state="sent", finished_at=now))
    elif late:
        # Cancelled while these were on the wire, and the relay wanted them later: they never leave.
        with database.writing() as session:
            session.execute(update(Delivery).where(Delivery.issue_id == issue_id, Delivery.state.in_(("queued", "deferred")))
                            .values(state="skipped", reason="cancelled", settled_at=now))
