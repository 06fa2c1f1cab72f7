"""A disk that is full or read-only, memory that runs out, a database that goes away: each is one sentence with a remedy, and loses nothing."""

import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from publisher.db import Database
from publisher.deliver.faults import as_trouble
from publisher.errors import Busy, PublisherError
from publisher.jobs import Press
from publisher.primary import sending
from publisher.schedule import Service
from tests import composing, rows
from tests.mailing import START, crowd, newsroom
from tests.readers import HANAKO, KEYS, lists
from tests.relay import Relay

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own, as small as asked for."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "publisher-test", str(folder)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("not run: a disk can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all that is left."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    assert os.statvfs(folder).f_bavail == 0
    return path


def trouble_of(error: BaseException) -> str:
    """The sentence, in one line."""
    found = as_trouble(error)
    assert found is not None, repr(error)
    assert "\n" not in str(found)
    assert found.remedy
    return str(found)


def test_a_full_disk_says_so_and_everything_is_there_afterwards(sqlite_template: Path, tmp_path: Path) -> None:
    """The database cannot grow: the rows that were committed stay, and with room it goes on."""
    with small_disk(tmp_path / "disk", 4) as disk:
        (disk / "publisher.db").write_bytes(sqlite_template.read_bytes())
        database = Database(f"sqlite:///{disk / 'publisher.db'}")
        lists(database)
        crowd(database, 5)
        ballast = fill(disk)
        with pytest.raises(DBAPIError) as failed:
            crowd_of(database, 5, 5000)
        assert "the disk is full (database or disk is full)" in trouble_of(failed.value)
        ballast.unlink()
        crowd_of(database, 5, 10)
        with database.reading() as session:
            assert session.scalar(text("SELECT count(*) FROM subscribers")) == 15
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"
        database.close()


def crowd_of(database: Database, after: int, number: int) -> None:
    """More readers than fit."""
    with database.writing() as session:
        for index in range(after, after + number):
            session.execute(text("INSERT INTO subscribers (address, address_key, address_hash, created_at) VALUES (:a, :a, :h, '2025-12-05')"),
                            {"a": f"r{index}@example.jp", "h": f"{index:040d}"})


def test_a_full_disk_in_mid_send_loses_no_reader(sqlite_template: Path, tmp_path: Path) -> None:
    """The run stops with a sentence; when there is room the rest leaves, and nobody has it twice but who was on the wire."""
    with small_disk(tmp_path / "disk", 6) as disk:
        (disk / "publisher.db").write_bytes(sqlite_template.read_bytes())
        database = Database(f"sqlite:///{disk / 'publisher.db'}")
        full = threading.Event()

        def plan(verb: str, _argument: str) -> str | None:
            if verb == "DATA" and len(relay.taken) >= 20 and not full.is_set():
                full.set()
                fill(disk)
            return None

        with Relay(plan) as relay:
            room = newsroom(database, disk, relay.url, [HANAKO], started=False, connections=2)
            crowd(database, 300)
            room.start()
            with pytest.raises(PublisherError, match="is full|No space left"):
                room.send()
            assert full.is_set()
            (disk / "ballast").unlink()
            for _time in range(3):
                if room.counts().unfinished:
                    room.send()
        assert (room.counts().accepted, room.state()) == (301, "sent")
        taken = relay.recipients()
        assert len(taken) == 301
        assert sum(taken.values()) - len(taken) <= 2  # at most one for each connection that was open
        assert len({mail.message_id for mail in relay.taken}) == 301
        database.close()


def test_a_full_disk_under_the_state_folder_stops_before_anything_leaves(sqlite_template: Path, tmp_path: Path) -> None:
    """Neither the count nor the journal could be written."""
    (tmp_path / "publisher.db").write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{tmp_path / 'publisher.db'}")
    with small_disk(tmp_path / "state", 1) as disk:
        fill(disk)
        with pytest.raises(PublisherError, match="make room on the disk"), sending(database, composing.settings(root=tmp_path), lambda: START):
            raise AssertionError("it began to send")
        assert [path.name for path in disk.iterdir() if path.name.startswith(".primary")] == []
    database.close()


CHILD = """
import os, sys
from publisher.db import Database
from publisher.deliver.faults import as_trouble
if sys.argv[2] == "file size":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
if sys.argv[2] == "nobody":
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
from sqlalchemy import text
try:
    database = Database(sys.argv[1])
    with database.writing() as session:
        for number in range(4000):
            session.execute(text("INSERT INTO installation VALUES (:key, :value, '2025-12-05')"), {"key": str(number), "value": "x" * 500})
except Exception as error:
    print(as_trouble(error))
"""


def child(path: Path, what: str) -> str:
    """What a process says whose machine is `what`."""
    done = subprocess.run([sys.executable, "-c", CHILD, f"sqlite:///{path}", what], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_quota_and_a_limit_of_size_are_a_full_disk_in_other_words(sqlite_template: Path, tmp_path: Path) -> None:
    """A file that may not grow: SQLite calls it an error of input and output or a full disk, by what the system told it."""
    path = tmp_path / "publisher.db"
    path.write_bytes(sqlite_template.read_bytes())
    said = child(path, "file size")
    assert "the disk is full" in said or "the disk does not read or write" in said


def test_a_folder_that_may_only_be_read_says_so(sqlite_template: Path) -> None:
    """The database belongs to somebody else."""
    if os.getuid() != 0:
        pytest.skip("not run: only root can become somebody else")
    # Not below the folder of these tests, into which only their owner may look.
    folder = Path("/var/tmp") / f"publisher-faults-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        (folder / "publisher.db").write_bytes(sqlite_template.read_bytes())
        (folder / "publisher.db").chmod(0o644)
        assert "can only be read" in child(folder / "publisher.db", "nobody")
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_a_damaged_database_is_no_fault_of_the_disk_alone(tmp_path: Path, sqlite_template: Path) -> None:
    """A page of zeros in the middle, or a file that is no database at all: an operator is sent to the page about recovery."""
    for damage in (lambda data: b"no database" * 1000, lambda data: data[:100] + b"\xff" * (len(data) - 100)):
        path = tmp_path / "publisher.db"
        path.write_bytes(damage(sqlite_template.read_bytes()))
        with pytest.raises(DBAPIError) as failed, create_engine(f"sqlite:///{path}").connect() as connection:
            connection.execute(text("SELECT * FROM installation"))
        assert "is damaged" in trouble_of(failed.value)
        assert "docs/recovery.md" in trouble_of(failed.value)


def test_a_database_that_another_program_holds_says_so(tmp_path: Path, sqlite_template: Path) -> None:
    """An open tool, or a copy program that locks the file."""
    path = tmp_path / "publisher.db"
    path.write_bytes(sqlite_template.read_bytes())
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DBAPIError) as failed, create_engine(f"sqlite:///{path}", connect_args={"timeout": 0}).begin() as connection:
        connection.execute(text("DELETE FROM installation"))
    assert "another program holds the database" in trouble_of(failed.value)
    holder.close()


def test_a_server_that_ends_our_connection_says_so(postgres_url: str) -> None:
    """It was restarted, or an administrator ended it."""
    engine = create_engine(postgres_url)
    with engine.connect() as ours, engine.connect() as other:
        number = ours.execute(text("SELECT pg_backend_pid()")).scalar()
        other.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
        with pytest.raises(DBAPIError) as failed:
            ours.execute(text("SELECT 1"))
    assert "the connection to the database was lost" in trouble_of(failed.value)
    engine.dispose()


def test_a_server_that_only_reads_says_so(postgres_url: str) -> None:
    """A standby, or a server that its keeper set to read only."""
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(DBAPIError) as failed:
            connection.execute(text("CREATE TABLE anything (x int)"))
    assert "can only be read" in trouble_of(failed.value)
    engine.dispose()


def test_a_server_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DBAPIError) as failed:
        create_engine(f"postgresql+psycopg://somebody@/nothing?host={tmp_path}").connect()
    assert "the connection to the database was lost" in trouble_of(failed.value)


@pytest.mark.parametrize(("error", "says"), [
    (OSError(errno.ENOSPC, "No space left on device"), "the disk is full (No space left on device)"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
    (OSError(errno.EROFS, "Read-only file system"), "can only be read"),
    (OSError(errno.EIO, "Input/output error"), "does not read or write"),
    (OSError(errno.EMFILE, "Too many open files"), "too many files"),
    (MemoryError(), "memory has run out (MemoryError)"),
    (psycopg.errors.DiskFull("could not extend file"), "the disk is full (could not extend file)"),
    (psycopg.errors.AdminShutdown("terminating connection"), "the connection to the database was lost"),
    (psycopg.errors.TooManyConnections("too many clients"), "too many files or connections"),
])
def test_each_fault_of_a_machine_has_its_sentence(error: BaseException, says: str) -> None:
    assert says in trouble_of(error)


def test_what_is_no_fault_of_the_machine_is_seen_as_what_it_is() -> None:
    """A broken rule of the database, a fault of ours, a relay that hung up."""
    for error in (ValueError("x"), KeyError("x"), ConnectionResetError(errno.ECONNRESET, "reset"), sqlite3.IntegrityError("UNIQUE"),
                  psycopg.errors.UniqueViolation("duplicate key"), psycopg.errors.SyntaxError("near")):
        assert as_trouble(error) is None
    assert as_trouble(KeyboardInterrupt()) is None


def test_a_sentence_stays_and_a_cause_is_found() -> None:
    """The journal wraps what the disk said."""
    busy = Busy("another process")
    assert as_trouble(busy) is busy
    wrapped = RuntimeError("the batch")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert "the disk is full" in trouble_of(wrapped)


def test_the_service_says_a_fault_of_the_machine_once_and_without_a_traceback(tmp_path: Path, database: Database) -> None:
    """Whatever duty met it; the next turn tries again."""
    settings, _morning = rows.newsroom(tmp_path, database)
    service = Service(Press(settings, database, KEYS, {}, {}), lambda: rows.NOW)

    def meets_a_full_disk() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with capture_logs() as logs:
        for _time in range(3):
            service.guarded("anything", meets_a_full_disk)
    assert [(line["event"], "exc_info" in line) for line in logs] == [("duty_refused", False)]
    assert "the disk is full" in logs[0]["reason"]
