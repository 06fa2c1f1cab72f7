"""The timetable kept by a service: it wakes for each moment, polls sources, sends what is due. The only room that knows APScheduler."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor as SchedulerPool
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import func, select

from publisher.audience import EACH
from publisher.cron import next_moment, parse_cron
from publisher.deliver.control import counts
from publisher.deliver.due import resends
from publisher.deliver.faults import as_trouble
from publisher.deliver.posting import post_due
from publisher.deliver.worker import finish_issue
from publisher.duties import Duty, duties
from publisher.errors import Busy, PublisherError
from publisher.ingest.reading import read_sources
from publisher.jobs import Clock, Press, go_on, make_digest, make_issue, making
from publisher.locks import hold
from publisher.models import Issue, NewsletterRow, Slot
from publisher.primary import ClockBack, Fenced, look
from publisher.rounds import due_issues, hold_interrupted, note_round
from publisher.settings import Newsletter
from publisher.timetable import due_slot, held_slots, late_reason, settle_slot, timetables

log = structlog.get_logger("publisher")
ROUND = timedelta(seconds=10)
# Every how many rounds the service looks behind mails that have to wait: what nobody put off is due in its order.
_LONG_LOOK = 6
_DUTY_ENDS_WITHIN = 10.0  # seconds
# Threads by kind of work, so that four feeds that hang stop no mail, and a long issue stops neither another one nor the posts.
_THREADS = {"make": 4, "send": 4, "post": 1}
# Why a digest is not made, as its slot says it.
_SKIPPED = {"digest_no_readers": "slot_no_readers", "digest_nothing_new": "slot_nothing_new"}


class CronMoments(BaseTrigger):
    """The moments of a cron line for the scheduler.

    The library's own cron trigger counts weekdays from Monday = 0, joins the two day fields by "and", and repeats 02:30 without end in
    the night in which the clocks go back (APScheduler 3.11.3).
    """

    def __init__(self, line: str, zone: str) -> None:
        parse_cron(line)
        self.line, self.zone = line, zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first moment later than the previous one, or than now (the scheduler calls this by its name)."""
        return next_moment(self.line, self.zone, previous_fire_time or now)


def trigger_of(line: str, zone: str) -> BaseTrigger:
    """The scheduler's form of a cron line."""
    return CronMoments(line, zone)


class Hands:
    """The queue of a service on PostgreSQL, and the worker that it is itself unless others are to do it."""

    def __init__(self, press: Press, clock: Clock, stop: threading.Event, *, works: bool) -> None:
        # The queue costs start-up time and memory that only a service on PostgreSQL should pay.
        from publisher.work.opening import Sending
        from publisher.work.queue import Jobs
        from publisher.work.tables import bring_up_to_date
        from publisher.work.worker import Worker

        bring_up_to_date(press.database, clock())
        self.jobs = Jobs(press.database)
        worker = Worker(Sending(press.settings, press.database, press.keys, press.secrets, clock), stop)
        self._thread = threading.Thread(target=worker.run, name="work", daemon=True)
        if works:
            self._thread.start()

    def join(self) -> None:
        """Wait until what is on the wire has an outcome; `stop` was set."""
        if self._thread.ident is not None:
            self._thread.join()


class Service:
    """The background service: keeps the timetable, polls sources, sends what is due, and stops within seconds.

    On PostgreSQL the mails of issues go through the queue, which any number of `publisher work` share; without `works` they are left to them.
    """

    def __init__(self, press: Press, clock: Clock, *, works: bool = True) -> None:
        self.press, self.clock, self._works = press, clock, works
        self._hands: Hands | None = None
        self.stopping = threading.Event()
        self.last_round: datetime | None = None
        self.refusal: Fenced | ClockBack | None = None
        self._pools = {kind: ThreadPoolExecutor(most, thread_name_prefix=kind) for kind, most in _THREADS.items()}
        self._at_work: set[str] = set()
        self._said: dict[str, str] = {}
        self._rounds = 0
        self._lock = threading.Lock()
        self._duties, self._at_duty = threading.Condition(), 0
        made = duties()
        kept = [(newsletter, rhythm, line) for newsletter in press.settings.newsletters for rhythm, line in timetables(newsletter).items()]
        self._scheduler = BackgroundScheduler(
            executors={"default": SchedulerPool(4), "round": SchedulerPool(1), "timetable": SchedulerPool(max(1, len(kept))),
                       "duty": SchedulerPool(max(1, len(made)))},
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None})
        self._add("round", IntervalTrigger(seconds=int(ROUND.total_seconds())), self._round, executor="round")
        for source in press.settings.sources:
            trigger = IntervalTrigger(seconds=max(1, int(source.poll.total_seconds())))
            self._add(f"read {source.name}", trigger, partial(self.read, source.name), executor="default")
        for newsletter, rhythm, line in kept:
            trigger = trigger_of(line, press.settings.zone_of(newsletter))
            name = f"timetable {newsletter.name}" if rhythm == EACH else f"{rhythm} digest {newsletter.name}"
            self._add(name, trigger, partial(self.keep, newsletter, rhythm), executor="timetable")
        for duty in made:
            self._add(duty.name, IntervalTrigger(seconds=max(1, int(duty.every.total_seconds()))), partial(self._do, duty), executor="duty")

    def _do(self, duty: Duty) -> None:
        with self._duties:
            self._at_duty += 1
        try:
            duty.work(self.press, self.clock, self.stopping)
        finally:
            with self._duties:
                self._at_duty -= 1
                self._duties.notify_all()

    def _add(self, name: str, trigger: BaseTrigger, work: Callable[[], None], *, executor: str) -> None:
        self._scheduler.add_job(self.guarded, trigger, args=[name, work], id=name, executor=executor, next_run_time=self.clock())

    def start(self) -> None:
        """Begin; returns at once. What lay still for too long is held first."""
        hold_interrupted(self.press.database, self.press.settings, self.clock())
        self.look_at_the_fence()
        if not self.press.database.is_sqlite:
            self._hands = Hands(self.press, self.clock, self.stopping, works=self._works)
        self._scheduler.start()

    def stop(self) -> None:
        """Finish the mails, notices and posts on the wire, write their outcomes, and come back.

        Reading and making issues are not waited for: they stand in transactions, and the next start takes a slot up again.
        """
        self.stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        for kind in ("make", "send", "post"):
            self._pools[kind].shutdown(wait=kind != "make", cancel_futures=True)
        if self._hands is not None:
            self._hands.join()
        # A notice on the wire has its outcome written; no duty takes longer once it is to stop.
        with self._duties:
            self._duties.wait_for(lambda: not self._at_duty, _DUTY_ENDS_WITHIN)

    def health(self) -> dict[str, Any]:
        """What `/healthz` tells: the last round, what waits for a person, and whether this database sends at all."""
        with self.press.database.reading() as session:
            held = len(held_slots(session))
            sending = session.scalar(select(func.count()).select_from(Issue).where(Issue.state == "sending")) or 0
        return {"last_round": self.last_round.isoformat() if self.last_round else None, "held_slots": held, "issues_sending": sending,
                "sends": self.refusal is None, "why_not": str(self.refusal) if self.refusal else None}

    def _begin(self, kind: str, name: str, work: Callable[[], None]) -> None:
        """Do `work` in a thread of its kind, unless the same is being done already."""
        with self._lock:
            if self.stopping.is_set() or name in self._at_work:
                return
            self._at_work.add(name)
            self._pools[kind].submit(self._once, name, work)

    def _once(self, name: str, work: Callable[[], None]) -> None:
        try:
            self.guarded(name, work)
        finally:
            with self._lock:
                self._at_work.discard(name)

    def guarded(self, name: str, work: Callable[[], None]) -> None:
        """Do `work`, and raise nothing: what it met is in the log, a refusal or a fault of the machine once until it is over."""
        try:
            if not self.stopping.is_set():
                work()
            self._said.pop(name, None)
        except Busy:
            log.debug("left_to_another", duty=name)
        except (Fenced, ClockBack):
            log.debug("sends_nothing", duty=name)  # said once by the round, for everything that sends
        except Exception as error:
            # The border of a thread: whatever broke one duty (a database gone, a bug) must not end the others; the next turn tries again.
            trouble = as_trouble(error)
            if trouble is None:
                log.exception("duty_failed", duty=name)
                return
            # The same refusal every ten seconds would bury everything else in the log.
            if self._said.get(name) != str(trouble):
                log.error("duty_refused", duty=name, reason=str(trouble))
            self._said[name] = str(trouble)

    def read(self, source: str) -> None:
        """Poll one source."""
        report = read_sources(self.press.database, self.press.settings, self.clock(), names=[source])
        if report.new or report.updated or report.problems:
            log.info("source_read", source=source, new=report.new, updated=report.updated, archived=report.archived)
        for problem in report.problems:
            log.warning("source_problem", source=source, problem=str(problem))

    def keep(self, newsletter: Newsletter, rhythm: str = EACH) -> None:
        """Take the moment that is due, if any, make its issue or digest, and have it sent."""
        slot = due_slot(self.press.database, self.press.settings, newsletter, self.clock(), rhythm)
        if slot is not None:
            self.run_slot(newsletter, slot.id, rhythm)
            self._send_due()

    def run_slot(self, newsletter: Newsletter, slot_id: int, rhythm: str = EACH) -> None:
        """Make the issue or digest of a taken slot; sending picks it up. Raises Busy while another process makes it."""
        press = self.press
        with hold(press.database.engine, making(newsletter.name, rhythm)):
            with press.database.reading() as session:
                if session.get_one(Slot, slot_id).state != "taken":
                    return
            try:
                issue_id, reason = self._make(newsletter, slot_id, rhythm)
            except Busy:
                raise
            except PublisherError as error:
                settle_slot(press.database, slot_id, "held", reason={"code": "slot_refused", "why": error.reason})
                raise
            if issue_id is None:
                settle_slot(press.database, slot_id, "skipped", reason=reason)
                log.warning("slot_skipped", newsletter=newsletter.name, rhythm=rhythm, reason=reason)
                return
            settle_slot(press.database, slot_id, "done", issue_id=issue_id)
            log.info("issue_made", newsletter=newsletter.name, rhythm=rhythm, issue=issue_id, waits_for_approval=newsletter.approval == "required")

    def _make(self, newsletter: Newsletter, slot_id: int, rhythm: str) -> tuple[int | None, dict[str, Any]]:
        """The id of the issue that was made, or None with the reason."""
        press = self.press
        if rhythm != EACH:
            gathering = make_digest(press, newsletter, rhythm, self.clock(), slot_id=slot_id)
            return gathering.issue_id, {"code": _SKIPPED.get((gathering.reason or {}).get("code", ""), "")}
        read_sources(press.database, press.settings, self.clock())
        made = make_issue(press, newsletter, self.clock(), slot_id=slot_id)
        return made.issue_id, {"code": "slot_too_few", "found": made.choice.found, "min": newsletter.min_stories}

    def _round(self) -> None:
        self._rounds += 1
        self.look_at_the_fence()
        self._take_up_slots()
        self._send_due(thorough=self._rounds % _LONG_LOOK == 1)
        now = self.clock()
        note_round(self.press.database, now)
        self.last_round = now

    def look_at_the_fence(self) -> None:
        """Whether this database may send; said when it changes. Everything that sends nothing goes on in any case."""
        before, self.refusal = self.refusal, look(self.press.database, self.press.settings).refusal(self.clock())
        if self.refusal is not None and type(self.refusal) is not type(before):
            log.error("sending_refused", reason=str(self.refusal))
        elif self.refusal is None and before is not None:
            log.info("sending_allowed")

    def _send_due(self, *, thorough: bool = False) -> None:
        """Each issue with work in a thread of its own, and the posts in one."""
        press = self.press
        for issue_id in due_issues(press.database, press.settings, self.clock(), thorough=thorough):
            self._begin("send", f"issue {issue_id}", partial(self._go_on, issue_id))
        self._begin("post", "posts", self._post)

    def _go_on(self, issue_id: int) -> None:
        """Send what is due of one issue, and say what came of it when something did; with a queue, whoever works at it does."""
        if self._hands is not None:
            go_on(self.press, issue_id, self.clock, self.stopping, carry=self._hand_over)
            return
        before = counts(self.press.database, issue_id)
        after = go_on(self.press, issue_id, self.clock, self.stopping)
        if after is not None and after != before:
            log.info("issue_sent" if not after.unfinished else "issue_waits", issue=issue_id, **asdict(after))

    def _hand_over(self, issue_id: int) -> None:
        assert self._hands is not None
        with self.press.database.reading() as session:
            resend = resends(session, self.press.settings, issue_id)
        if not self._hands.jobs.put_due(issue_id, self.clock(), resend=resend):
            # With nothing left at all its end has to be written; while something is on the wire this changes nothing.
            finish_issue(self.press.database, issue_id, self.clock())

    def _post(self) -> None:
        press = self.press
        made = post_due(press.database, press.settings, press.channels, self.clock, stop=self.stopping)
        if any(astuple(made)):
            log.info("posts_made", **asdict(made))

    def _take_up_slots(self) -> None:
        """A slot taken by a process that died before its issue was made: made now within its grace, held after it.

        While that process lives it holds the newsletter's lock, and the slot is left to it.
        """
        with self.press.database.reading() as session:
            taken = session.execute(select(Slot.id, Slot.at, Slot.rhythm, NewsletterRow.name)
                                    .join(NewsletterRow, NewsletterRow.id == Slot.newsletter_id).where(Slot.state == "taken")).all()
        for slot_id, at, rhythm, name in taken:
            newsletter = self.press.settings.newsletter(name)
            if newsletter is not None:
                self._begin("make", f"slot {rhythm} {name}", partial(self.take_up, newsletter, slot_id, at, rhythm))

    def take_up(self, newsletter: Newsletter, slot_id: int, at: datetime, rhythm: str = EACH) -> None:
        """Bring a taken slot to its end. Raises Busy while the process that took it lives."""
        database, late = self.press.database, self.clock() - at
        with database.reading() as session:
            issue_id = session.scalar(select(Issue.id).where(Issue.slot_id == slot_id))
        if issue_id is not None:
            settle_slot(database, slot_id, "done", issue_id=issue_id)
        elif late <= newsletter.grace:
            self.run_slot(newsletter, slot_id, rhythm)
        else:
            with hold(database.engine, making(newsletter.name, rhythm)):
                settle_slot(database, slot_id, "held", reason=late_reason(late, newsletter))
