"""What the service does beside its timetable, each at its own pace: a duty that fails is logged and tried again, and stops no other."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import structlog

from publisher.courier import EVERY, Courier
from publisher.jobs import Press
from publisher.search import bring_up_to_date
from publisher.track.queued_leaves import apply_queued
from publisher.watch import Watch
from subscribers.registry.retention import RETENTION_EVERY, sweep

Clock = Callable[[], datetime]
log = structlog.get_logger("publisher")


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that is done again and again. `work` returns within seconds once `stop` is set."""

    name: str
    every: timedelta
    work: Callable[[Press, Clock, threading.Event], None]


def _retention(press: Press, clock: Clock, stop: threading.Event) -> None:
    """What is known of people goes when its time is over."""
    swept = sweep(press.database, press.settings, clock(), stop)
    if swept.all:
        log.info("retention_applied", **asdict(swept))


def _queued_leaves(press: Press, _clock: Clock, _stop: threading.Event) -> None:
    """Who left while the database could not be written has left as soon as it can."""
    apply_queued(press.database, press.settings)


def _search_index(press: Press, _clock: Clock, stop: threading.Event) -> None:
    """What came out can be found."""
    while not stop.is_set() and bring_up_to_date(press.database, most=20):
        continue


def _mail_hosts(press: Press, clock: Clock, stop: threading.Event) -> None:
    """Which host takes the mail of which domain, where a limit counts by host."""
    # DNS costs start-up time that only those pay who have such a limit.
    from publisher.deliver.dispatch.hosts import look_up_hosts

    if any(limit.mx for limit in press.settings.limits):
        look_up_hosts(press.database, press.settings, clock(), stop=stop)


def duties() -> list[Duty]:
    """The duties of the service."""
    # IMAP costs start-up time that only a service should pay.
    from publisher.mailroom.imap import EVERY as LOOK_EVERY
    from publisher.mailroom.imap import MailboxDuty

    return [
        Duty("notices", EVERY, Courier().work),
        Duty("retention", RETENTION_EVERY, _retention),
        Duty("leave queue", timedelta(seconds=10), _queued_leaves),
        Duty("search index", timedelta(seconds=30), _search_index),
        Duty("mailbox", LOOK_EVERY, MailboxDuty().work),
        Duty("watch", timedelta(seconds=10), Watch().keep),
        Duty("mail hosts", timedelta(hours=1), _mail_hosts),
    ]
