"""The queue on PostgreSQL: its tables, one job a slice, moments that are kept, and jobs of dead workers that come again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import procrastinate.sql
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from publisher.clock import utc_now
from publisher.db import Base, Database
from publisher.deliver.control import pause, resume
from publisher.errors import PublisherError
from publisher.models import Installation
from publisher.work.opening import Sending
from publisher.work.queue import Jobs
from publisher.work.tables import bring_up_to_date
from publisher.work.worker import Worker
from tests.mailing import Newsroom, newsroom
from tests.readers import KEYS
from tests.relay import Relay
from tests.workers import slowly, until

PEOPLE = [f"p{number}@example.jp" for number in range(12)]
SCRIPTS = Path(procrastinate.sql.__file__).parent / "migrations"

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@contextmanager
def at_work(room: Newsroom) -> Iterator[threading.Event]:
    """A worker in a thread of this process; the block gets what stops it."""
    stop = threading.Event()
    worker = Worker(Sending(room.settings, room.database, KEYS, {}, room.clock), stop)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def jobs_for(room: Newsroom) -> Jobs:
    bring_up_to_date(room.database, utc_now())
    return Jobs(room.database)


def functions(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(text("SELECT proname FROM pg_proc WHERE proname LIKE 'procrastinate%'")))


@on_postgresql
def test_the_tables_are_made_once_by_whoever_comes_first(database: Database) -> None:
    """Four processes begin at the same moment: none of them fails, and our own migrations see nothing of it."""
    faults: list[BaseException] = []

    def begin() -> None:
        try:
            bring_up_to_date(database, utc_now())
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=begin) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert "procrastinate_fetch_job_v2" in functions(database)
    ours = {"compare_type": True, "include_name": lambda name, kind, _parents: kind != "table" or not str(name).startswith(("procrastinate_", "story_"))}
    with database.engine.connect() as connection:
        changes = compare_metadata(MigrationContext.configure(connection, opts=ours), Base.metadata)
    assert [change for change in changes if "procrastinate" in str(change)] == []


@on_postgresql
def test_older_tables_are_upgraded_where_they_stand(database: Database) -> None:
    """Made by the scripts of an older version, with a job in them: the missing scripts run, once, and the job is still there."""
    scripts = sorted(SCRIPTS.glob("*.sql"))
    with database.engine.begin() as connection:
        for script in scripts[:-2]:
            connection.connection.driver_connection.execute(script.read_text("utf-8"))
        connection.execute(text("INSERT INTO procrastinate_jobs (queue_name, task_name, lock) VALUES ('sending', 'send slice', 'x')"))
    with database.writing() as session:
        session.add(Installation(key="work:tables", value=scripts[-3].stem, noted_at=utc_now()))
    assert "procrastinate_retry_job_v2" not in functions(database)
    bring_up_to_date(database, utc_now())
    bring_up_to_date(database, utc_now())
    assert "procrastinate_retry_job_v2" in functions(database)
    assert [job.lock for job in Jobs(database).all()] == ["x"]


@on_postgresql
def test_tables_of_a_newer_version_are_left_alone(database: Database) -> None:
    with database.writing() as session:
        session.add(Installation(key="work:tables", value="99.00.00_01_from_the_future", noted_at=utc_now()))
    with pytest.raises(PublisherError, match="newer version"):
        bring_up_to_date(database, utc_now())


@on_postgresql
def test_tables_of_another_program_are_left_alone(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE procrastinate_jobs (id int)"))
    with pytest.raises(PublisherError, match="did not make"):
        bring_up_to_date(database, utc_now())


@on_postgresql
def test_a_slice_has_one_job_however_often_it_is_put(database: Database, tmp_path: Path) -> None:
    """Two schedulers, a round every ten seconds: the first slices of the issue come first."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", PEOPLE, slice_size=5)
    jobs = jobs_for(room)
    assert jobs.put_due(room.issue_id, room.clock()) == 3
    assert Jobs(database).put_due(room.issue_id, room.clock()) == 0
    assert not jobs.put(room.issue_id, 2)
    assert [(job.task_kwargs["number"], job.priority, job.lock) for job in jobs.all("todo")] == [
        (number, -number, f"issue:{room.issue_id}:slice:{number}") for number in (1, 2, 3)]


@on_postgresql
def test_a_job_for_tomorrow_is_put_forward_when_its_slice_is_due_now(database: Database, tmp_path: Path) -> None:
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", PEOPLE[:2])
    jobs = jobs_for(room)
    jobs.put(room.issue_id, 1, after=timedelta(days=1))
    assert jobs.put_due(room.issue_id, room.clock()) == 1
    (job,) = jobs.all()
    assert job.scheduled_at is None


@on_postgresql
def test_a_worker_sends_what_is_put_and_keeps_no_job_of_it(database: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE, slice_size=5)
        jobs = jobs_for(room)
        with at_work(room):
            jobs.put_due(room.issue_id, room.clock())
            until(lambda: room.state() == "sent")
            until(lambda: jobs.all() == [])
    assert relay.recipients() == dict.fromkeys(PEOPLE, 1)


@on_postgresql
def test_what_the_relay_wants_later_comes_again_at_its_moment(database: Database, tmp_path: Path) -> None:
    """The job waits for the moment of the first mail that was put off, by the clock of whoever sends."""
    with Relay(plan=lambda verb, argument: "450 4.2.0 later" if verb == "RCPT" and "p3@" in argument else None) as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE[:5])
        jobs = jobs_for(room)
        with at_work(room):
            jobs.put_due(room.issue_id, room.clock())
            until(lambda: room.counts().accepted == 4 and jobs.all("todo"))
        moment = room.rows()["p3@example.jp"].not_before
        assert moment is not None
        (job,) = jobs.all()
        assert job.scheduled_at is not None
        assert abs((job.scheduled_at - datetime.now(UTC)) - (moment - room.clock())) < timedelta(seconds=30)


@on_postgresql
def test_a_paused_issue_leaves_the_queue_and_comes_back(database: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE)
        jobs = jobs_for(room)
        jobs.put_due(room.issue_id, room.clock())
        pause(database, room.issue_id, room.clock())
        with at_work(room):
            until(lambda: jobs.all() == [])
            assert relay.taken == []
            resume(database, room.issue_id, room.clock())
            jobs.put_due(room.issue_id, room.clock())
            until(lambda: room.state() == "sent")
    assert relay.recipients() == dict.fromkeys(PEOPLE, 1)


@on_postgresql
def test_a_worker_that_stops_in_a_slice_puts_it_back(database: Database, tmp_path: Path) -> None:
    """Within seconds, and the rest is there for the next one at once."""
    with Relay(plan=slowly(0.1)) as relay:
        room = newsroom(database, tmp_path, relay.url, [f"q{number}@example.jp" for number in range(60)])
        jobs = jobs_for(room)
        with at_work(room):
            jobs.put_due(room.issue_id, room.clock())
            until(lambda: len(relay.taken) > 4)
        assert room.counts().sending == 0
        assert 0 < room.counts().accepted < 60
        (job,) = jobs.all("todo")
        assert job.scheduled_at is None
        relay.plan = slowly(0)
        with at_work(room):
            until(lambda: room.state() == "sent")
    assert set(relay.recipients().values()) == {1}


@on_postgresql
def test_a_relay_that_is_away_is_not_asked_for_every_slice(database: Database, tmp_path: Path) -> None:
    """The worker rests, still stops at once, and the slice waits in the queue."""
    with Relay(plan=lambda verb, _argument: "421 4.3.2 closed" if verb == "CONNECT" else None) as relay:
        asked: list[str] = []
        plan = relay.plan

        def counted(verb: str, argument: str) -> str | None:
            asked.extend([verb] if verb == "CONNECT" else [])
            return plan(verb, argument)

        relay.plan = counted
        room = newsroom(database, tmp_path, relay.url, PEOPLE, slice_size=1)
        jobs = jobs_for(room)
        with at_work(room):
            jobs.put_due(room.issue_id, room.clock())
            until(lambda: asked and room.counts().sending == 0)
        assert len(asked) <= 8
        assert {job.status for job in jobs.all()} == {"todo"}
        assert len(jobs.all()) >= len(PEOPLE) - 2
        assert room.counts().unfinished == len(PEOPLE)


@on_postgresql
@pytest.mark.parametrize("waits_already", [False, True])
def test_the_job_of_a_dead_worker_is_done_by_another(database: Database, tmp_path: Path, waits_already: bool) -> None:
    """Known by its heartbeat; also where the scheduler has put a second job of the slice meanwhile, which waits for the end of the first."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE)
        jobs = jobs_for(room)
        jobs.put(room.issue_id, 1)
        with database.engine.begin() as connection:
            worker = connection.scalar(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"))
            connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker"), {"worker": worker})
        if waits_already:
            jobs.put(room.issue_id, 1)
        with at_work(room):
            until(lambda: room.state() == "sent")
            until(lambda: jobs.all() == [])
    assert relay.recipients() == dict.fromkeys(PEOPLE, 1)


def test_sqlite_is_refused_before_anything_is_tried(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'publisher.db'}")
    with pytest.raises(PublisherError, match=r"needs PostgreSQL.*mail\.processes"):
        bring_up_to_date(database, utc_now())
    database.close()
