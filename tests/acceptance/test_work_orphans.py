"""Several processes on one machine (`mail.processes`): they share an issue, and none of them outlives the one that started them."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.relay import Relay
from tests.workers import Worker, everybody, office, repeated, slowly, until

CONNECTIONS, PROCESSES, READERS = 4, 3, 600


def children_of(worker: Worker) -> list[int]:
    """The processes that it started and that live."""
    listed = Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children")
    if not listed.parent.is_dir():
        pytest.skip("the kernel does not list children here: not run")
    return [int(pid) for pid in listed.read_text("ascii").split()]


def is_alive(pid: int) -> bool:
    """Whether a process lives; one that has ended and whose parent did not ask does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_children_are_gone_two_seconds_after_their_parent(tmp_path: Path, database_url: str) -> None:
    """The parent alone is killed, with mails on the wire of a slow relay: nothing arrives after that, and `issues resume` brings the rest."""
    with Relay(plan=slowly(0.03)) as relay, office(tmp_path, relay, database_url, READERS, slice_size=100, processes=PROCESSES) as room:
        sender = room.start("issues", "resume", "--yes")
        until(lambda: relay.most_open >= PROCESSES * CONNECTIONS, 60)
        children = children_of(sender)
        assert len(children) == PROCESSES
        sender.kill()
        killed = time.monotonic()
        until(lambda: not any(is_alive(pid) for pid in children))
        assert time.monotonic() - killed < 2
        taken = len(relay.taken)
        assert taken < READERS
        time.sleep(0.3)
        assert len(relay.taken) == taken
        done = room.newsroom.run("issues", "resume", "--yes", "--json")
        assert done.code == 0, done.err + done.out
        assert done.json()["mails"]["accepted"] == READERS
    assert set(relay.recipients()) == everybody(READERS)
    assert repeated(relay.taken) <= PROCESSES * CONNECTIONS


def test_what_waits_for_an_answer_for_ever_ends_as_well(tmp_path: Path) -> None:
    """The relay has stopped answering: the orphans are gone in two seconds all the same."""
    with Relay(plan=slowly(30)) as relay, office(tmp_path, relay, "sqlite:///publisher.db", 40, slice_size=20, processes=2) as room:
        sender = room.start("issues", "resume", "--yes")
        until(lambda: relay.log.count("DATA") >= 8, 60)
        children = children_of(sender)
        sender.kill()
        killed = time.monotonic()
        until(lambda: not any(is_alive(pid) for pid in children))
        assert time.monotonic() - killed < 2


def test_a_second_start_beside_a_living_one_sends_nothing_twice(tmp_path: Path, database_url: str) -> None:
    """It joins in where something is free, and both come back when everything has left."""
    with Relay() as relay, office(tmp_path, relay, database_url, 300, processes=2) as room:
        relay.plan = lambda verb, argument: slowly(0.3 if relay.most_open <= 2 * CONNECTIONS else 0.01)(verb, argument)
        first = room.start("issues", "resume", "--yes")
        until(lambda: len(relay.taken) > 8, 60)
        second = room.newsroom.run("issues", "resume", "--yes", "--json")
        assert first.process.wait(timeout=30) == 0
        assert second.code == 0, second.err
        assert second.json()["mails"]["accepted"] == 300
    assert relay.recipients() == dict.fromkeys(everybody(300), 1)


def test_a_child_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """Its slice is sent by another one; the command ends as if nothing had been."""
    with Relay(plan=slowly(0.03)) as relay, office(tmp_path, relay, "sqlite:///publisher.db", 300, processes=2) as room:
        sender = room.start("issues", "resume", "--yes")
        until(lambda: relay.most_open >= 2 * CONNECTIONS, 60)
        os.kill(children_of(sender)[0], signal.SIGKILL)
        assert sender.process.wait(timeout=60) == 0
        assert room.counts().accepted == 300
    assert set(relay.recipients()) == everybody(300)
    assert repeated(relay.taken) <= CONNECTIONS


def test_ctrl_c_stops_all_of_them_and_loses_nothing(tmp_path: Path) -> None:
    """What is on the wire is finished, the rest waits: nothing is repeated afterwards."""
    with Relay(plan=slowly(0.03)) as relay, office(tmp_path, relay, "sqlite:///publisher.db", 300, processes=2) as room:
        sender = room.start("issues", "resume", "--yes")
        until(lambda: relay.most_open >= 2 * CONNECTIONS, 60)
        sender.process.send_signal(signal.SIGINT)
        assert sender.process.wait(timeout=10) == 4
        assert 0 < room.counts().accepted == len(relay.taken) < 300
        assert room.counts().sending == 0
        assert room.newsroom.run("issues", "resume", "--yes").code == 0
    assert relay.recipients() == dict.fromkeys(everybody(300), 1)


def test_publisher_work_keeps_its_processes_and_takes_them_with_it(tmp_path: Path, postgres_url: str) -> None:
    """The command becomes small processes without anything that composes; one that dies is started again; none outlives the killed parent."""
    with Relay() as relay, office(tmp_path, relay, postgres_url, 100) as room:
        parent = room.start("work", "--processes", "2")
        until(lambda: len(parent.lines("started")) == 3, 60)
        children = children_of(parent)
        for pid in (parent.process.pid, *children):
            loaded = Path(f"/proc/{pid}/maps").read_text("utf-8")
            assert [name for name in ("/lxml/", "/PIL/", "/nh3/", "/_imaging") if name in loaded] == []
        os.kill(children[0], signal.SIGKILL)
        until(lambda: len(parent.lines("started")) == 4, 60)
        room.put()
        until(lambda: room.state() == "sent")
        children = children_of(parent)
        parent.kill()
        killed = time.monotonic()
        until(lambda: not any(is_alive(pid) for pid in children))
        assert time.monotonic() - killed < 2
    assert relay.recipients() == dict.fromkeys(everybody(100), 1)


def test_publisher_work_with_several_processes_ends_on_sigterm(tmp_path: Path, postgres_url: str) -> None:
    """All of them, within ten seconds, and with 0."""
    with Relay(plan=slowly(0.02)) as relay, office(tmp_path, relay, postgres_url, 300, processes=2) as room:
        parent = room.start("work")
        until(lambda: len(parent.lines("started")) == 3, 60)
        room.put()
        until(lambda: len(relay.taken) > 20)
        assert parent.end() < 10
        assert room.counts().sending == 0
        assert len(relay.taken) == room.counts().accepted


def test_sqlite_has_no_queue_and_says_what_to_do(tmp_path: Path) -> None:
    """In one line, by both commands."""
    with Relay() as relay, office(tmp_path, relay, "sqlite:///publisher.db", 1) as room:
        for words in (("work",), ("run", "--no-work")):
            refused = room.newsroom.run(*words)
            assert refused.code == 1
            assert "needs PostgreSQL" in refused.err
            assert "mail.processes" in refused.err
