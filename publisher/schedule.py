"""The timetable: what is due is sent once, whoever looks first; what is late is held for a person. The only room that knows APScheduler."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from publisher.cron import CronLine, parse_cron
from publisher.db import Database
from publisher.errors import Busy, PublisherError
from publisher.ingest.reading import read_sources
from publisher.jobs import Clock, Press, go_on, make_issue
from publisher.locks import hold
from publisher.models import Issue, NewsletterRow, Slot
from publisher.settings import Newsletter, Settings

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
log = structlog.get_logger("publisher")


def trigger_of(line: str, zone: str) -> BaseTrigger:
    """The scheduler's form of a cron line. Weekdays go by name, because the library counts Monday as 0 and cron Sunday."""
    cron = parse_cron(line)
    if cron.any_day or cron.any_weekday:
        return _trigger(cron, zone, day=not cron.any_day, weekday=not cron.any_weekday)
    return OrTrigger([_trigger(cron, zone, day=True, weekday=False), _trigger(cron, zone, day=False, weekday=True)])


def _trigger(cron: CronLine, zone: str, *, day: bool, weekday: bool) -> CronTrigger:
    def listed(numbers: frozenset[int]) -> str:
        return ",".join(str(number) for number in sorted(numbers))

    return CronTrigger(
        minute=listed(cron.minutes), hour=listed(cron.hours), month=listed(cron.months), day=listed(cron.days) if day else "*",
        day_of_week=",".join(_DAYS[number] for number in sorted(cron.weekdays)) if weekday else "*", second="0", timezone=ZoneInfo(zone))


def moments(line: str, zone: str, after: datetime, until: datetime, most: int = 1000) -> list[datetime]:
    """The moments of the timetable later than `after` and not later than `until`, in order, the last `most` of them."""
    trigger, found = trigger_of(line, zone), []
    previous, probe = None, after + timedelta(microseconds=1)
    while True:
        moment = trigger.get_next_fire_time(previous, probe)
        if moment is None or moment > until:
            return found[-most:]
        if moment > after:
            found.append(moment)
        previous, probe = moment, moment + timedelta(microseconds=1)


def due_slot(database: Database, settings: Settings, newsletter: Newsletter, now: datetime) -> Slot | None:
    """Take the moment that is due at `now`, if there is one and nobody else took it; note what was missed. Unique by newsletter and time."""
    if newsletter.timetable is None:
        return None
    with database.reading() as session:
        row = session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()
        last = session.scalar(select(func.max(Slot.at)).where(Slot.newsletter_id == row.id)) or row.first_seen_at or now
    missed = moments(newsletter.timetable, settings.zone_of(newsletter), last, now)
    taken = None
    for at in missed:
        state, reason = _judge(at, now, newsletter, latest=at == missed[-1], paused=row.paused_at is not None)
        slot = _insert(database, Slot(newsletter_id=row.id, at=at, state=state, reason=reason, decided_at=now))
        if slot is not None and state == "taken":
            taken = slot
        elif slot is not None:
            log.warning("slot_" + state, newsletter=newsletter.name, at=at.isoformat(), reason=reason)
    return taken


def _judge(at: datetime, now: datetime, newsletter: Newsletter, *, latest: bool, paused: bool) -> tuple[str, dict[str, Any] | None]:
    late = now - at
    if paused:
        return "skipped", {"code": "slot_paused"}
    if late > newsletter.grace:
        return "held", {"code": "slot_late", "late": _span(late), "grace": _span(newsletter.grace)}
    return ("taken", None) if latest else ("skipped", {"code": "slot_superseded"})


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 1440}d" if minutes >= 2880 else f"{minutes // 60}h{minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m"


def _insert(database: Database, slot: Slot) -> Slot | None:
    try:
        with database.writing() as session:
            session.add(slot)
    except IntegrityError:
        return None  # another process was first: that is what the key is for
    return slot


def settle_slot(database: Database, slot_id: int, state: str, *, issue_id: int | None = None, reason: dict[str, Any] | None = None) -> None:
    """Write what became of a taken slot."""
    with database.writing() as session:
        session.execute(update(Slot).where(Slot.id == slot_id).values(state=state, issue_id=issue_id, reason=reason))


def pending_slots(database: Database, settings: Settings, newsletter: Newsletter, now: datetime) -> list[tuple[datetime, str]]:
    """Moments that wait: held ones with no issue since, and one that has come within its grace and was not yet taken."""
    with database.reading() as session:
        row = session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()
        last_issue = session.scalar(select(func.max(Issue.created_at)).where(Issue.newsletter_id == row.id, Issue.started_at.is_not(None)))
        query = select(Slot.at).where(Slot.newsletter_id == row.id, Slot.state == "held").order_by(Slot.at)
        held = [at for at in session.scalars(query) if last_issue is None or at > last_issue]
        last = session.scalar(select(func.max(Slot.at)).where(Slot.newsletter_id == row.id)) or row.first_seen_at or now
    if newsletter.timetable is None:
        return []
    coming = moments(newsletter.timetable, settings.zone_of(newsletter), max(last, now - newsletter.grace), now)
    return [(at, "held") for at in held] + [(at, "due") for at in coming]


class Service:
    """The background service: keeps the timetable, polls sources, sends what is due, and stops within seconds."""

    def __init__(self, press: Press, clock: Clock) -> None:
        self.press, self.clock = press, clock
        self.stopping = threading.Event()
        self.last_round: datetime | None = None
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(8)}, timezone=ZoneInfo(press.settings.site.timezone),
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None})
        for name, (trigger, work) in self._duties().items():
            self._scheduler.add_job(self._guarded, trigger, args=[name, work], id=name, next_run_time=clock())

    def _duties(self) -> dict[str, tuple[Any, Callable[[], None]]]:
        settings = self.press.settings
        duties: dict[str, tuple[Any, Callable[[], None]]] = {"send": (IntervalTrigger(seconds=10), self._send)}
        for source in settings.sources:
            duties[f"read {source.name}"] = (IntervalTrigger(seconds=max(1, int(source.poll.total_seconds()))), self._reader(source.name))
        for newsletter in settings.newsletters:
            if newsletter.timetable:
                trigger = trigger_of(newsletter.timetable, settings.zone_of(newsletter))
                duties[f"timetable {newsletter.name}"] = (trigger, self._slot_keeper(newsletter))
        return duties

    def start(self) -> None:
        """Begin; returns at once."""
        self._scheduler.start()

    def stop(self) -> None:
        """Finish the mail on the wire, write every outcome, and come back; the caller sees to it that this takes under ten seconds."""
        self.stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def health(self) -> dict[str, Any]:
        """What `/healthz` tells: the last round and what waits for a person."""
        with self.press.database.reading() as session:
            held = session.scalar(select(func.count()).select_from(Slot).where(Slot.state == "held")) or 0
            sending = session.scalar(select(func.count()).select_from(Issue).where(Issue.state == "sending")) or 0
        return {"last_round": self.last_round.isoformat() if self.last_round else None, "held_slots": held, "issues_sending": sending}

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except PublisherError as error:
            log.error("duty_refused", duty=name, reason=str(error))
        except Exception:
            # The border of a thread: whatever broke one duty (a database gone, a bug) must not end the others; the next turn tries again.
            log.exception("duty_failed", duty=name)

    def _reader(self, source: str) -> Callable[[], None]:
        def read() -> None:
            report = read_sources(self.press.database, self.press.settings, self.clock(), names=[source])
            if report.new or report.updated or report.problems:
                log.info("source_read", source=source, new=report.new, updated=report.updated, archived=report.archived)
            for problem in report.problems:
                log.warning("source_problem", source=source, problem=str(problem))

        return read

    def _slot_keeper(self, newsletter: Newsletter) -> Callable[[], None]:
        def keep() -> None:
            slot = due_slot(self.press.database, self.press.settings, newsletter, self.clock())
            if slot is not None:
                self.run_slot(newsletter, slot.id)
                self._send()

        return keep

    def run_slot(self, newsletter: Newsletter, slot_id: int) -> None:
        """Make the issue of a taken slot; the sending round picks it up. Raises Busy while another process makes it."""
        press = self.press
        with hold(press.database.engine, f"newsletter-{newsletter.name}"):
            with press.database.reading() as session:
                if session.get_one(Slot, slot_id).state != "taken":
                    return
            read_sources(press.database, press.settings, self.clock())
            try:
                made = make_issue(press, newsletter, self.clock(), slot_id=slot_id)
            except PublisherError as error:
                settle_slot(press.database, slot_id, "held", reason={"code": "slot_refused", "why": error.reason})
                raise
            if made.issue_id is None:
                reason = {"code": "slot_too_few", "found": made.choice.found, "min": newsletter.min_stories}
                settle_slot(press.database, slot_id, "skipped", reason=reason)
                log.warning("slot_skipped", newsletter=newsletter.name, reason=reason)
                return
            settle_slot(press.database, slot_id, "done", issue_id=made.issue_id)
            log.info("issue_made", newsletter=newsletter.name, issue=made.issue_id)

    def _send(self) -> None:
        self._take_up_slots()
        go_on(self.press, self.clock, self.stopping, lambda issue, error: log.error("issue_refused", issue=issue, reason=str(error)))
        self.last_round = self.clock()

    def _take_up_slots(self) -> None:
        """A slot taken by a process that died before its issue was made: made now within its grace, held after it.

        While that process lives it holds the newsletter's lock, and the slot is left to it.
        """
        with self.press.database.reading() as session:
            taken = session.execute(select(Slot.id, Slot.at, NewsletterRow.name).join(NewsletterRow, NewsletterRow.id == Slot.newsletter_id)
                                    .where(Slot.state == "taken")).all()
        for slot_id, at, name in taken:
            newsletter = self.press.settings.newsletter(name)
            if newsletter is None:
                continue
            try:
                self._take_up(newsletter, slot_id, at)
            except Busy:
                continue

    def _take_up(self, newsletter: Newsletter, slot_id: int, at: datetime) -> None:
        database, late = self.press.database, self.clock() - at
        with database.reading() as session:
            issue_id = session.scalar(select(Issue.id).where(Issue.slot_id == slot_id))
        if issue_id is not None:
            settle_slot(database, slot_id, "done", issue_id=issue_id)
        elif late <= newsletter.grace:
            self.run_slot(newsletter, slot_id)
        else:
            with hold(database.engine, f"newsletter-{newsletter.name}"):
                settle_slot(database, slot_id, "held", reason={"code": "slot_late", "late": _span(late), "grace": _span(newsletter.grace)})
