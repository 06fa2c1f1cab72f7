"""The queue on PostgreSQL: one job for each slice with something to do, kept by procrastinate. It says who works when; what left, the rows say.

A job lost or doubled is no harm: the service puts a job for every slice that is due, and whoever sends a slice holds its lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from procrastinate import App, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Job
from sqlalchemy import Engine

from publisher.db import Database
from publisher.work.due import due_slices

QUEUE = "sending"
TASK = "send slice"
# A job put off by less than this is left alone when its slice is due: it waits after trouble, or comes in a moment.
_SOON = timedelta(minutes=2)


def key_of(issue_id: int, number: int) -> str:
    """The name of a slice in the queue: no two jobs of it wait, and no two are done at once."""
    return f"issue:{issue_id}:slice:{number}"


class _Borrowed:
    """Our own connections in the form in which procrastinate takes those of a pool: no second pool, and lost ones are noticed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection whose transaction ends with the block."""
        with self._engine.begin() as opened:
            yield opened.connection.driver_connection


class Jobs:
    """The jobs of slices, as the service and the tasks put them.

    Raises procrastinate's ConnectorException, or DBAPIError, when the database is gone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        connector = SyncPsycopgConnector()
        connector.open(_Borrowed(database.engine))  # type: ignore[arg-type]
        self._app = App(connector=connector)

    def put(self, issue_id: int, number: int, *, after: timedelta = timedelta(0)) -> bool:
        """Have a slice sent `after` a while; False when a job of it waits already.

        The first slices of an issue go before the later ones of another, so that a long issue does not keep a short one waiting.
        """
        key = key_of(issue_id, number)
        job = self._app.configure_task(TASK, queue=QUEUE, lock=key, queueing_lock=key, priority=-number,
                                       schedule_in={"seconds": after.total_seconds()} if after > timedelta(0) else None)
        with suppress(AlreadyEnqueued):
            job.defer(issue_id=issue_id, number=number)
            return True
        return False

    def put_due(self, issue_id: int, now: datetime, *, resend: bool = True) -> int:
        """A job for every slice of an issue that is due and has none; one that waits for a later moment is put forward. Returns how many."""
        with self._database.reading() as session:
            due = due_slices(session, issue_id, now, resend=resend)
        if not due:
            return 0
        jobs = [*self.all("todo"), *self.all("doing")]
        known = {str(job.queueing_lock): job for job in jobs}
        return sum(self._put_forward(issue_id, number, known.get(key_of(issue_id, number))) for number in due)

    def _put_forward(self, issue_id: int, number: int, job: Job | None) -> bool:
        if job is not None:
            # The queue's moments are the machine's, whatever time it is for whoever asks.
            if job.status != "todo" or job.scheduled_at is None or job.scheduled_at < datetime.now(UTC) + _SOON:
                return False
            assert job.id is not None
            self._app.job_manager.cancel_job_by_id(job.id, delete_job=True)
        return self.put(issue_id, number)

    def all(self, state: str | None = None) -> list[Job]:
        """The jobs there are, in a state of procrastinate's: `todo` (it waits) or `doing`. Those that are done are not kept."""
        return list(self._app.job_manager.list_jobs(queue=QUEUE, status=state))
