"""`publisher work`: several processes share an issue on one PostgreSQL, and whatever happens to one of them, every reader has the mail."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay import Relay
from tests.workers import Cable, everybody, office, repeated, slowly, until

CONNECTIONS = 4
READERS = 600
# A worker that died is noticed by its heartbeat within ten seconds; the rest is for a busy machine.
TAKEN_OVER = 40


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay that takes ten milliseconds for a mail: nobody is through before the others have begun."""
    with Relay(plan=slowly(0.01)) as made:
        yield made


def test_three_workers_share_an_issue_and_everybody_has_it_once(tmp_path: Path, relay: Relay, postgres_url: str) -> None:
    """Each of them sends a part, and each stops within seconds when asked to."""
    with office(tmp_path, relay, postgres_url, READERS) as room:
        workers = room.work(3)
        assert room.put() == READERS / 50
        until(lambda: room.state() == "sent")
        assert all(worker.end() < 5 for worker in workers)
        assert all(worker.lines("slice_sent") for worker in workers)
        assert sum(len(worker.lines("issue_sent")) for worker in workers) >= 1
        assert room.counts().accepted == READERS
        said = "".join(worker.log.read_text("utf-8") for worker in workers)
    assert relay.recipients() == dict.fromkeys(everybody(READERS), 1)
    assert "@example.jp" not in said


def test_what_a_killed_worker_had_is_done_by_the_others(tmp_path: Path, relay: Relay, postgres_url: str) -> None:
    """Nobody is lost, and no more is repeated than it had connections: its journal is on this machine."""
    with office(tmp_path, relay, postgres_url, READERS, slice_size=150) as room:
        workers = room.work(3)
        room.put()
        until(lambda: len(relay.taken) > READERS / 5)
        workers[0].kill()
        until(lambda: room.state() == "sent", TAKEN_OVER)
        assert room.counts().accepted == READERS
        assert any(worker.lines("slice_taken_over") for worker in workers[1:])
    assert set(relay.recipients()) == everybody(READERS)
    assert repeated(relay.taken) <= CONNECTIONS


def test_a_killed_machine_repeats_no_more_than_it_had_not_settled(tmp_path: Path, relay: Relay, postgres_url: str) -> None:
    """Its journal is out of reach: a tenth of a second's mails, and what was on the wire."""
    with Relay(plan=slowly(0.02)) as theirs, office(tmp_path, relay, postgres_url, READERS) as room:
        there = room.work(at=room.another_machine(theirs))
        room.put()
        until(lambda: len(theirs.taken) > READERS / 10)
        there[0].kill()
        taken = len(theirs.taken)
        room.work(2)
        until(lambda: room.state() == "sent", TAKEN_OVER)
        # 50 mails a second over each of four connections.
        assert repeated(relay.taken, theirs.taken) <= 0.1 * CONNECTIONS * 50 + 2 * CONNECTIONS
        assert len(theirs.taken) <= taken + CONNECTIONS
    assert set(relay.recipients()) | set(theirs.recipients()) == everybody(READERS)


def test_a_worker_that_is_cut_from_the_database_stops_and_the_others_go_on(tmp_path: Path, relay: Relay, postgres_url: str) -> None:
    """It can write nothing down any more, so it sends nothing more; it says so in a line or two, and still stops when asked to."""
    cable = Cable(postgres_url)
    with Relay(plan=slowly(0.02)) as theirs, office(tmp_path, relay, postgres_url, READERS) as room:
        (there,) = room.work(at=room.another_machine(theirs, cable.url))
        room.put()
        until(lambda: len(theirs.taken) > READERS / 10)
        cable.cut()
        time.sleep(1)
        taken = len(theirs.taken)
        room.work(2)
        until(lambda: room.state() == "sent", TAKEN_OVER)
        assert len(theirs.taken) == taken
        until(lambda: there.lines("database_lost"))
        assert there.end() < 10
        assert len(there.lines("database_lost")) == 1
        assert "Traceback" not in there.log.read_text("utf-8")
    assert set(relay.recipients()) | set(theirs.recipients()) == everybody(READERS)
    assert repeated(relay.taken, theirs.taken) <= 0.1 * CONNECTIONS * 50 + 2 * CONNECTIONS + 10


def test_two_schedulers_and_two_workers_send_an_issue_once(tmp_path: Path, relay: Relay, postgres_url: str) -> None:
    """Both put jobs for the same slices, one of them works as well, and one leaves that to others."""
    with office(tmp_path, relay, postgres_url, 300) as room:
        began = [room.start("run"), room.start("run", "--no-work"), *room.work(2)]
        until(lambda: room.state() == "sent")
        until(lambda: all(worker.is_ready() for worker in began))
        assert all(worker.end() < 10 for worker in began)
        assert began[1].lines("slice_sent") == []
        assert room.counts().accepted == 300
    assert relay.recipients() == dict.fromkeys(everybody(300), 1)


def test_a_changed_configuration_is_taken_up(tmp_path: Path, relay: Relay, postgres_url: str) -> None:
    """The worker becomes a new one in the same place, finds the relay's new address, and still ends when asked to."""
    with Relay() as new, office(tmp_path, relay, postgres_url, 50) as room:
        (worker,) = room.work()
        path = room.newsroom.path / "publisher.toml"
        path.write_text(path.read_text("utf-8").replace(relay.url, new.url), "utf-8")
        until(lambda: len(worker.lines("started")) == 2, 60)
        room.put()
        until(lambda: room.state() == "sent")
        assert worker.end() < 10
    assert new.recipients() == dict.fromkeys(everybody(50), 1)
    assert relay.taken == []


def test_a_service_alone_is_complete_on_postgresql(tmp_path: Path, relay: Relay, postgres_url: str) -> None:
    """`publisher run` keeps the queue and works at it; nothing else is needed."""
    with office(tmp_path, relay, postgres_url, 120) as room:
        service = room.start("run")
        until(lambda: room.state() == "sent")
        service.end()
        assert len(service.lines("slice_sent")) + len(service.lines("issue_sent")) == 3
    assert relay.recipients() == dict.fromkeys(everybody(120), 1)


def test_an_editor_joins_in_and_waits_for_the_workers(tmp_path: Path, postgres_url: str) -> None:
    """`issues resume` sends what is free, leaves what others hold, and comes back with the figures of the whole issue."""
    with Relay() as relay, office(tmp_path, relay, postgres_url, 300) as room:
        # Slow until the editor is there too, however long a command takes to begin.
        relay.plan = lambda verb, argument: slowly(0.5 if relay.most_open <= CONNECTIONS else 0.01)(verb, argument)
        (worker,) = room.work()
        room.put()
        until(lambda: len(relay.taken) > 8)
        done = room.newsroom.run("issues", "resume", "--yes", "--json")
        assert done.code == 0, done.err
        assert done.json()["mails"]["accepted"] == 300
        assert done.json()["state"] == "sent"
        assert worker.lines("slice_sent")
        assert relay.most_open > CONNECTIONS
    assert relay.recipients() == dict.fromkeys(everybody(300), 1)
