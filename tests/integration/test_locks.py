"""A lock has one holder, and dies with it: whoever comes next waits for no lease."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.db import Database
from publisher.errors import Busy, PublisherError
from publisher.locks import hold

HOLDER = Path(__file__).parent.parent / "holder.py"


@pytest.fixture
def opened(database_url: str) -> Iterator[Database]:
    """A database without tables: locks need none."""
    found = Database(database_url)
    yield found
    found.close()


def test_a_second_holder_is_refused_at_once(opened: Database) -> None:
    begun = time.monotonic()
    with hold(opened.engine, "issue-1"), pytest.raises(Busy, match="issue-1"), hold(opened.engine, "issue-1"):
        pass
    assert time.monotonic() - begun < 2


def test_another_name_is_another_lock(opened: Database) -> None:
    with hold(opened.engine, "issue-1"), hold(opened.engine, "issue-2"):
        pass


def test_a_lock_is_free_after_its_block_also_when_that_raised(opened: Database) -> None:
    with pytest.raises(ZeroDivisionError), hold(opened.engine, "issue-1"):
        raise ZeroDivisionError
    with hold(opened.engine, "issue-1"):
        pass


def test_a_thread_of_the_same_process_is_another_holder(opened: Database) -> None:
    seen: list[str] = []

    def try_it() -> None:
        try:
            with hold(opened.engine, "issue-1"):
                seen.append("held")
        except Busy:
            seen.append("busy")

    with hold(opened.engine, "issue-1"):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert seen == ["busy"]


def test_who_waits_gets_it_when_it_is_free(opened: Database) -> None:
    held = threading.Event()

    def hold_a_moment() -> None:
        with hold(opened.engine, "migrate"):
            held.set()
            time.sleep(0.5)

    thread = threading.Thread(target=hold_a_moment)
    thread.start()
    held.wait(10)
    begun = time.monotonic()
    with hold(opened.engine, "migrate", wait=True):
        assert time.monotonic() - begun > 0.2
    thread.join()


def test_twenty_locks_leave_the_pool_of_connections_alone(opened: Database) -> None:
    """A lock is held for hours: it must not take a place of those who work."""
    from contextlib import ExitStack
    with ExitStack() as stack:
        for number in range(40):
            stack.enter_context(hold(opened.engine, f"issue-{number}"))
        with opened.reading() as session:
            assert session.connection() is not None


def test_a_lock_dies_with_its_process(opened: Database, database_url: str) -> None:
    """kill -9 lets nobody clean up, and the lock is free at once all the same."""
    holder = subprocess.Popen([sys.executable, str(HOLDER), database_url, "issue-1"], stdout=subprocess.PIPE, text=True, cwd=HOLDER.parent.parent,
                              env={"PYTHONPATH": str(HOLDER.parent.parent), "PATH": "/usr/bin:/bin"})
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy), hold(opened.engine, "issue-1"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        begun = time.monotonic()
        # The server needs a moment to notice that the socket is closed.
        with hold(opened.engine, "issue-1", wait=True):
            assert time.monotonic() - begun < 2
    finally:
        holder.kill()
        holder.wait()


def test_a_folder_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gone' / 'publisher.db'}")
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(PublisherError, match="the lock .* cannot be made"), hold(database.engine, "migrate"):
        pass
