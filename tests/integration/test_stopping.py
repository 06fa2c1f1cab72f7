"""Pausing, stopping, cancelling and dying in mid-send: nobody is skipped, and what left is known."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.deliver import control
from publisher.deliver.slices import lock_of
from publisher.errors import Busy, PublisherError
from publisher.locks import hold
from publisher.models import Telling
from tests.mailing import START, newsroom
from tests.readers import ALICE, HANAKO, TARO
from tests.relay import Relay

EVERYBODY = [HANAKO, TARO, ALICE]


def when_taken(relay: Relay, mails: int, act: Callable[[], object]) -> threading.Thread:
    """Act, by another hand, as soon as the relay has taken so many mails."""
    def watch() -> None:
        while len(relay.taken) < mails:
            threading.Event().wait(0.01)
        act()

    hand = threading.Thread(target=watch, daemon=True)
    hand.start()
    return hand


def test_another_living_process_is_left_alone(database: Database, tmp_path: Path) -> None:
    """Busy at once, not a second mail."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO])
        with hold(database.engine, lock_of(room.issue_id)), pytest.raises(Busy):
            room.send()
        assert relay.taken == []


def test_pause_in_mid_send_stops_within_two_seconds_and_resume_finishes(database: Database, tmp_path: Path) -> None:
    """By another hand, while a slow relay takes one mail after the other."""
    pace = threading.Event()
    with Relay(lambda verb, _argument: "250 ok" if verb == "." and pace.wait(0.05) is None else None) as relay:
        room = newsroom(database, tmp_path, relay.url, [f"r{number}@example.jp" for number in range(200)], connections=2)
        when_taken(relay, 6, lambda: control.pause(database, room.issue_id, START))
        counts = room.send()
        assert room.state() == "paused"
        assert 0 < counts.accepted < 200
        assert counts.accepted == len(relay.taken)
        assert counts.queued == 200 - counts.accepted
        control.resume(database, room.issue_id, START)
        pace.set()
        assert room.send().accepted == 200
    assert set(relay.recipients().values()) == {1}


def test_a_stop_leaves_nothing_half_done(database: Database, tmp_path: Path) -> None:
    """The mail on the wire is finished, the others are queued again, and the journal is gone."""
    stop = threading.Event()
    wait = threading.Event()
    with Relay(lambda verb, _argument: "250 ok" if verb == "." and wait.wait(0.05) is None else None) as relay:
        room = newsroom(database, tmp_path, relay.url, [f"r{number}@example.jp" for number in range(100)], connections=2)
        when_taken(relay, 6, stop.set)
        counts = room.send(stop=stop)
        assert counts.sending == counts.unknown == 0
        assert counts.accepted == len(relay.taken) > 0
        assert counts.queued == 100 - counts.accepted
    assert list((tmp_path / "state" / "journal").iterdir()) == []


def test_cancel_frees_the_stories_of_which_nothing_left_and_only_those(database: Database, tmp_path: Path) -> None:
    """Before the start they are free for the next issue; after a mail has left they are told."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [HANAKO])
    control.cancel(database, room.issue_id, START)
    assert room.rows()[HANAKO].state == "skipped"
    with database.reading() as session:
        assert session.scalars(select(Telling)).all() == []
    with pytest.raises(PublisherError, match="cannot be cancelled"):
        control.cancel(database, room.issue_id, START)
    with pytest.raises(PublisherError, match="cannot be paused"):
        control.pause(database, room.issue_id, START)


def test_cancel_in_mid_send_leaves_no_mail_waiting(database: Database, tmp_path: Path) -> None:
    """By another hand: what is on the wire ends, nothing else leaves, and no row waits for ever."""
    with Relay(lambda verb, argument: "450 4.2.0 later" if verb == "RCPT" and "r1" in argument and threading.Event().wait(0.02) is False else None) as relay:
        room = newsroom(database, tmp_path, relay.url, [f"r{number}@example.jp" for number in range(200)], connections=2)
        when_taken(relay, 6, lambda: control.cancel(database, room.issue_id, START))
        counts = room.send()
    assert room.state() == "cancelled"
    assert counts.unfinished == 0
    assert 0 < counts.accepted == len(relay.taken) < 200


def test_cancel_after_a_mail_has_left_keeps_the_tellings(database: Database, tmp_path: Path) -> None:
    """Hanako has read it: it is told."""
    with Relay(lambda verb, argument: "450 later" if verb == "RCPT" and TARO in argument else None) as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO, TARO])
        room.send()
    control.cancel(database, room.issue_id, START)
    assert {row.state for row in room.rows().values()} == {"accepted", "skipped"}
    with database.reading() as session:
        assert all(telling.told_at for telling in session.scalars(select(Telling)))
        assert session.scalars(select(Telling)).all()
