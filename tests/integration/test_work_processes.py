"""Several processes of one machine share the slices of an issue: everybody once, trouble in a sentence, and others waited for when asked to."""

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.db import Database
from publisher.deliver.control import pause
from publisher.deliver.slices import lock_of
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.verdict import Counts
from publisher.errors import Busy
from publisher.locks import hold
from publisher.work.processes import send_mails
from tests.mailing import Newsroom, newsroom
from tests.readers import KEYS
from tests.relay import Relay
from tests.workers import slowly, until

PEOPLE = [f"p{number}@example.jp" for number in range(40)]


def send(room: Newsroom, **more: Any) -> Counts:
    return send_mails(room.database, room.settings, KEYS, room.issue_id, secrets={}, clock=room.clock, **more)


def test_two_processes_share_an_issue(database: Database, tmp_path: Path) -> None:
    """With a connection each they have two at once, and the bar is told how far they are. The clock is the parent's in all of them."""
    seen: list[Counts] = []
    with Relay(plan=slowly(0.02)) as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE, slice_size=10, processes=2, connections=1)
        assert send(room, progress=seen.append).accepted == len(PEOPLE)
    assert relay.most_open == 2
    assert relay.recipients() == dict.fromkeys(PEOPLE, 1)
    assert room.state() == "sent"
    assert seen
    assert [known.accepted for known in seen] == sorted(known.accepted for known in seen)
    moments = {row.settled_at for row in room.rows().values()}
    assert all(moment is not None and abs(moment - room.clock()) < timedelta(minutes=5) for moment in moments)


def test_one_slice_needs_no_second_process(database: Database, tmp_path: Path) -> None:
    """Starting one takes longer than a few mails: it is sent here, by the clock of the test."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE, processes=4)
        assert send(room).accepted == len(PEOPLE)
    assert {row.settled_at for row in room.rows().values()} == {room.clock()}


@pytest.mark.parametrize("processes", [1, 2])
def test_trouble_with_the_relay_comes_back_as_what_it_is(database: Database, tmp_path: Path, processes: int) -> None:
    """Out of another process as from this one: the sentence, and whether it may pass. Nobody lost the mail by it."""
    with Relay() as closed:
        url = closed.url
    room = newsroom(database, tmp_path, url, PEOPLE[:4], slice_size=2, processes=processes)
    with pytest.raises(RelayTrouble) as raised:
        send(room)
    assert raised.value.passing
    assert raised.value.remedy or raised.value.reason
    assert room.counts().sending == 0
    assert room.counts().unfinished == 4


def test_a_stop_reaches_the_children(database: Database, tmp_path: Path) -> None:
    """Nothing of what had begun is left in the middle, and the rest leaves with the next start."""
    stop = threading.Event()
    with Relay(plan=slowly(0.05)) as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE, slice_size=20, processes=2, connections=1)
        threading.Thread(target=lambda: (until(lambda: len(relay.taken) > 3), stop.set())).start()
        known = send(room, stop=stop)
        assert known.sending == 0
        assert 0 < known.accepted == len(relay.taken) < len(PEOPLE)
        relay.plan = slowly(0)
        assert send(room).accepted == len(PEOPLE)
    assert relay.recipients() == dict.fromkeys(PEOPLE, 1)


@pytest.mark.parametrize("processes", [1, 2])
def test_all_slices_held_by_others_is_said_at_once(database: Database, tmp_path: Path, processes: int) -> None:
    """Unless whoever asks wants to wait."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE[:4], slice_size=2, processes=processes)
        with hold(database.engine, lock_of(room.issue_id, 1)), hold(database.engine, lock_of(room.issue_id, 2)), pytest.raises(Busy):
            send(room)
    assert relay.taken == []


def test_who_waits_takes_over_what_others_let_go(database: Database, tmp_path: Path) -> None:
    """The free slice is sent at once, the held one when its holder has gone; the counts are shown meanwhile."""
    seen: list[Counts] = []
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE[:4], slice_size=2)
        free = threading.Event()

        def hold_one() -> None:
            with hold(database.engine, lock_of(room.issue_id, 1)):
                free.wait(20)

        holder = threading.Thread(target=hold_one)
        holder.start()
        threading.Thread(target=lambda: (until(lambda: len(relay.taken) == 2 and len(seen) > 2), free.set())).start()
        assert send(room, wait=True, progress=seen.append).accepted == 4
        holder.join()
    assert relay.recipients() == dict.fromkeys(PEOPLE[:4], 1)


def test_waiting_ends_when_somebody_pauses_or_stops_it(database: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, PEOPLE[:4], slice_size=4)
        stop = threading.Event()
        with hold(database.engine, lock_of(room.issue_id, 1)):
            for end in (stop.set, lambda: pause(database, room.issue_id, room.clock())):
                stop.clear()
                threading.Timer(0.5, end).start()
                began = time.monotonic()
                assert send(room, wait=True, stop=stop).queued == 4
                assert time.monotonic() - began < 3
    assert relay.taken == []
