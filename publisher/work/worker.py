"""A worker: takes slices from the queue and sends them, one at a time or several; ends within seconds when asked to, and outlives the database.

procrastinate is asynchronous: it lives in a loop of its own behind this door, and sends in threads.
"""

import asyncio
import threading
import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import psycopg
import structlog
from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DBAPIError

from publisher.deliver.control import counts
from publisher.deliver.due import resends
from publisher.deliver.faults import as_trouble
from publisher.deliver.journal import database_identity
from publisher.deliver.slices import next_moment, slices_of
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.worker import send_slice
from publisher.errors import Busy, PublisherError
from publisher.locks import KEEP_ALIVE
from publisher.models import Issue
from publisher.work.due import due_slices
from publisher.work.opening import Sending
from publisher.work.queue import QUEUE, TASK, Jobs
from publisher.work.tables import bring_up_to_date

log = structlog.get_logger("publisher")
# Seconds. A worker that has given no sign for STALLED is taken for dead; should it live, it still holds the lock of its slice.
HEARTBEAT, STALLED, LOOK_EVERY = 2.0, 6.0, 3.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# After trouble with the relay this worker takes nothing for a while: a hundred slices would meet the same. A refused login may lock an account.
_REST, _LONG_REST = 10.0, 60.0
# Between two jobs of one slice, so that a moment that is now does not spin.
_LEAST = timedelta(seconds=1)


class Worker:
    """Works until `stop` is set. `concurrency` is how many slices it sends at once, each with connections of its own."""

    def __init__(self, sending: Sending, stop: threading.Event, *, concurrency: int = 1) -> None:
        self._sending, self._stop, self._concurrency = sending, stop, concurrency
        self._jobs = Jobs(sending.database)
        # Our jobs as we know them, and the names under which the queue knows us.
        self._running: set[int] = set()
        self._names: set[int] = set()
        self._said: dict[int, str] = {}
        self._lost = False

    def run(self) -> None:
        """Take and send slices until `stop`; comes back when what is on the wire has an outcome.

        While the database is gone, or cannot be used, it tries again with growing pauses, and says so once.
        """
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            began = time.monotonic()
            reason = self._serve_once()
            if self._stop.is_set():
                return
            if not self._lost:
                log.warning("database_lost", reason=reason)
            self._lost = True
            pause = _FIRST_PAUSE if time.monotonic() - began > _LONGEST_PAUSE else min(_LONGEST_PAUSE, 2 * pause)
            self._stop.wait(pause)

    def _serve_once(self) -> str:
        """Work as long as the database is there; why it ended."""
        try:
            # The queue's pool would wait for half a minute before it says that nobody answers.
            with self._sending.database.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            bring_up_to_date(self._sending.database, self._sending.clock())
            database_identity(self._sending.database, self._sending.clock())
            if self._lost:
                log.info("database_back")
            self._lost = False
            asyncio.run(self._serve())
        except PublisherError as error:
            return str(error)
        except (ConnectorException, DBAPIError, psycopg.Error, OSError) as error:
            return _first_line(error)
        return "the queue's connection was lost"

    async def _serve(self) -> None:
        # What a lost connection leaves behind in the loop is said once, by run().
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        app = self._app()
        async with app.open_async():
            work = asyncio.create_task(app.run_worker_async(
                queues=[QUEUE], concurrency=self._concurrency, fetch_job_polling_interval=HEARTBEAT, delete_jobs="always",
                update_heartbeat_interval=HEARTBEAT, stalled_worker_timeout=STALLED, install_signal_handlers=False))
            mend = asyncio.create_task(self._mend(app))
            try:
                while not self._stop.is_set() and not work.done():
                    await asyncio.wait({work}, timeout=0.2)
                if work.done():
                    await work
            finally:
                for task in (mend, work):
                    task.cancel()
                # Cancelled, the worker takes nothing more and waits for its jobs, which have seen `stop` as well.
                await asyncio.gather(mend, work, return_exceptions=True)

    def _app(self) -> App:
        address = make_url(self._sending.database.url).set(drivername="postgresql").render_as_string(hide_password=False)
        app = App(connector=PsycopgConnector(conninfo=address, kwargs=KEEP_ALIVE, min_size=1, max_size=self._concurrency + 2, timeout=5))
        # What nobody foresaw is tried again by the queue; what we know is put again by ourselves.
        app.task(name=TASK, queue=QUEUE, pass_context=True, retry=RetryStrategy(wait=2, linear_wait=3))(self._task)
        return app

    def _task(self, context: Any, issue_id: int, number: int) -> None:
        job: Job = context.job
        assert job.id is not None
        self._running.add(job.id)
        self._names.add(job.worker_id or 0)
        try:
            self._do(issue_id, number)
        except Exception as error:
            # The border of a job: the queue keeps it and tries again, and this line is where a person finds out.
            trouble = as_trouble(error)
            if trouble is not None:
                log.warning("slice_interrupted", issue=issue_id, slice=number, reason=str(trouble))
            else:
                log.exception("slice_failed", issue=issue_id, slice=number)
            raise
        finally:
            self._running.discard(job.id)

    def _do(self, issue_id: int, number: int) -> None:
        """Send a slice, and have the rest of it come again when it is due."""
        sending, after = self._sending, None
        try:
            send_slice(sending.database, sending.settings, sending.keys, issue_id, number, secrets=sending.secrets, clock=sending.clock,
                       stop=self._stop)
            self._said.pop(issue_id, None)
        except Busy:
            after = timedelta(seconds=_REST)
        except PublisherError as error:
            after = self._rest(issue_id, error)
        self._put_again(issue_id, number, after)

    def _rest(self, issue_id: int, error: PublisherError) -> timedelta:
        # The same refusal every ten seconds would bury everything else in the log.
        if self._said.get(issue_id) != str(error):
            log.error("duty_refused", duty=f"issue {issue_id}", reason=str(error))
        self._said[issue_id] = str(error)
        passing = not isinstance(error, RelayTrouble) or error.passing
        self._stop.wait(_REST if passing else _LONG_REST)
        return _LEAST

    def _put_again(self, issue_id: int, number: int, after: timedelta | None) -> None:
        database, now = self._sending.database, self._sending.clock()
        with database.reading() as session:
            state = session.scalar(select(Issue.state).where(Issue.id == issue_id))
            due = state == "sending" and number in due_slices(session, issue_id, now, resend=resends(session, self._sending.settings, issue_id))
        if state == "sent":
            log.info("issue_sent", issue=issue_id, **asdict(counts(database, issue_id)))
        if state != "sending":
            return
        if due:
            self._jobs.put(issue_id, number, after=after or (timedelta(0) if self._stop.is_set() else _LEAST))
            return
        span = next(one for one in slices_of(database, issue_id, self._sending.settings.mail.slice_size) if one.number == number)
        with database.reading() as session:
            moment = next_moment(session, span)
        log.info("slice_sent", issue=issue_id, slice=number, next=moment.isoformat() if moment else None)
        if moment is not None:
            self._jobs.put(issue_id, number, after=max(_LEAST, moment - now))

    async def _mend(self, app: App) -> None:
        """Have the slices of dead workers sent again: the queue knows them by their heartbeats, and we know our own that we do not do."""
        before: set[int] = set()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                before = await self._look(app, before)
            except ConnectorException:
                # Another worker was first, or the database is gone, which run() hears of.
                before = set()

    async def _look(self, app: App, before: set[int]) -> set[int]:
        stalled = {job.id for job in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED)}
        doing = list(await app.job_manager.list_jobs_async(queue=QUEUE, status=Status.DOING.value))
        # A job of ours whose end could not be written; twice, because one that has just begun or ended looks the same.
        forgotten = {job.id for job in doing if job.id is not None and job.worker_id in self._names and job.id not in self._running}
        for job in doing:
            if job.id in stalled or job.id in forgotten & before:
                log.warning("slice_taken_over", issue=job.task_kwargs.get("issue_id"), slice=job.task_kwargs.get("number"))
                await _again(app, job)
        return forgotten


async def _again(app: App, job: Job) -> None:
    assert job.id is not None
    try:
        await app.job_manager.retry_job(job)
    except UniqueViolation:
        # Another job of this slice waits already, and has waited for the end of this one.
        await app.job_manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)


def _first_line(error: BaseException) -> str:
    """What a person can use of an error, without the statement and its values."""
    found: BaseException = getattr(error, "orig", None) or error.__cause__ or error
    return (str(found).splitlines() or [type(found).__name__])[0]
