"""Mails wait for the hour their readers chose, where they are; the issue waits with them, costs nothing meanwhile, and is never paused for it."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from publisher.db import Database
from publisher.deliver import control
from publisher.deliver.claim import claim
from publisher.deliver.message import preview_eml
from publisher.deliver.slices import slices_of
from publisher.models import Delivery, Issue
from publisher.rounds import due_issues, hold_interrupted, note_round
from subscribers.consent import Evidence
from subscribers.models import Subscriber
from subscribers.registry.readers import leave
from tests.mailing import START, Newsroom, newsroom
from tests.preferring import prefer
from tests.readers import ALICE, HANAKO, KEYS, NOW, TARO, ids_of, join
from tests.relay import Relay

# START is seven o'clock in Tokyo, 23:00 in Berlin, 17:00 in New York.
HOUR = timedelta(hours=1)
PEOPLE = {HANAKO: (9, None, START + 2 * HOUR), TARO: (7, "Asia/Tokyo", None), ALICE: (7, "Europe/Berlin", START + 8 * HOUR),
          "bob@example.com": (16, "America/New_York", START + 23 * HOUR), "carol@example.com": (None, "Europe/Berlin", None),
          "dan@example.com": (8, "Asia/Nowhere", START + HOUR)}


def waiting_room(database: Database, folder: Path, relay: str) -> Newsroom:
    """A started issue of which two of six mails may leave at once."""
    room = newsroom(database, folder, relay, PEOPLE, started=False)
    for address, (hour, zone, _due) in PEOPLE.items():
        prefer(database, address, hour=hour, timezone=None if zone == "Asia/Nowhere" else zone)
    with database.writing() as session:
        # A zone that the reader's browser knew and this machine does not.
        session.execute(update(Subscriber).where(Subscriber.address_key == "dan@example.com").values(timezone="Asia/Nowhere"))
    room.start()
    return room


def test_each_row_waits_for_the_hour_of_its_reader_in_the_order_of_hours(database: Database, tmp_path: Path) -> None:
    """Whose hour it is goes at once; an unknown zone is the newsletter's."""
    room = waiting_room(database, tmp_path, "smtp://127.0.0.1:9")
    rows = room.rows()
    assert {address: row.not_before for address, row in rows.items()} == {address: due for address, (_hour, _zone, due) in PEOPLE.items()}
    order = sorted(rows.values(), key=lambda row: row.id)
    assert order == sorted(order, key=lambda row: (row.not_before or START, row.subscriber_id))


def test_mails_leave_when_their_hour_has_come_and_then_the_issue_is_sent(database: Database, tmp_path: Path) -> None:
    """Nobody is mailed before it, everybody in the end."""
    with Relay() as relay:
        room = waiting_room(database, tmp_path, relay.url)
        reached = []
        for hours in (0, 1, 2, 3, 8, 23):
            room.clock.now = START + hours * HOUR
            assert room.state() == "sending"
            reached.append(room.send().accepted)
        assert reached == [2, 3, 4, 4, 5, 6]
        assert room.state() == "sent"
        assert relay.recipients() == dict.fromkeys(PEOPLE, 1)


def test_what_waits_is_told(database: Database, tmp_path: Path) -> None:
    """How many, and from when until when."""
    with Relay() as relay:
        room = waiting_room(database, tmp_path, relay.url)
        room.send()
        assert control.waiting(database, room.issue_id, START) == control.Waiting(4, START + HOUR, START + 23 * HOUR)
        assert control.waiting(database, room.issue_id, START + 23 * HOUR) == control.Waiting()


def test_a_round_leaves_an_issue_alone_of_which_nothing_is_due(database: Database, tmp_path: Path) -> None:
    """Until the next hour comes; a mail that was deferred or left on the wire is work as well."""
    with Relay() as relay:
        room = waiting_room(database, tmp_path, relay.url)
        assert due_issues(database, room.settings, START) == [room.issue_id]
        room.send()
    for thorough in (True, False):
        assert due_issues(database, room.settings, START + HOUR / 2, thorough=thorough) == []
        assert due_issues(database, room.settings, START + HOUR, thorough=thorough) == [room.issue_id]
    with database.writing() as session:
        session.execute(update(Delivery).where(Delivery.not_before == START + HOUR).values(not_before=START + 2 * HOUR))
    for state, found in (("sending", [room.issue_id]), ("unknown", []), ("deferred", [])):
        with database.writing() as session:
            session.execute(update(Delivery).where(Delivery.id == room.rows()[TARO].id).values(state=state, not_before=START + HOUR))
        assert due_issues(database, room.settings, START + HOUR / 2) == found
        assert due_issues(database, room.settings, START + HOUR, thorough=False) == [room.issue_id]


def test_mails_that_are_due_behind_some_that_wait_are_found_by_the_long_look(database: Database, tmp_path: Path) -> None:
    """Somebody put off the first rows since the start."""
    with Relay() as relay:
        room = waiting_room(database, tmp_path, relay.url)
        first = min(row.id for row in room.rows().values())
        with database.writing() as session:
            session.execute(update(Delivery).where(Delivery.id == first).values(not_before=START + 5 * HOUR))
        assert due_issues(database, room.settings, START, thorough=False) == []
        assert due_issues(database, room.settings, START) == [room.issue_id]
        assert claim(database, slices_of(database, room.issue_id, 10)[0], 1, START, 1, thorough=False) == []
        assert room.send().accepted == 1


def test_a_service_that_starts_again_pauses_no_issue_for_waiting(database: Database, tmp_path: Path) -> None:
    """Ten hours without a service: what came due an hour ago goes on, what lay still for longer than its grace waits for a person."""
    with Relay() as relay:
        room = waiting_room(database, tmp_path, relay.url)
        room.send()
        room.clock.now = START + 2 * HOUR
        room.send()
    note_round(database, START)
    for hours, state in ((7, "sending"), (9, "sending"), (10.1, "paused")):
        hold_interrupted(database, room.settings, START + hours * HOUR)
        assert room.state() == state


@pytest.mark.parametrize("way", ["pause", "cancel", "leave"])
def test_a_waiting_issue_can_be_stopped(database: Database, tmp_path: Path, way: str) -> None:
    """Paused it waits on beyond its hours; cancelled nothing leaves; who leaves meanwhile gets no mail."""
    with Relay() as relay:
        room = waiting_room(database, tmp_path, relay.url)
        room.send()
        if way == "pause":
            control.pause(database, room.issue_id, START)
        elif way == "cancel":
            control.cancel(database, room.issue_id, START)
        else:
            leave(database, *ids_of(database, HANAKO), Evidence("web"), START)
        room.clock.now = START + 24 * HOUR
        if way == "leave":
            assert room.send().accepted == 5
            assert room.rows()[HANAKO].reason == "left"
            return
        assert room.send().accepted == 2
        if way == "pause":
            control.resume(database, room.issue_id, START + 24 * HOUR)
            assert room.send().accepted == 6
        else:
            assert {row.reason for row in room.rows().values() if row.state == "skipped"} == {"cancelled"}


def test_a_mail_that_waited_says_when_it_left(database: Database, tmp_path: Path) -> None:
    """Filters mistrust a date of many hours ago. Tried again it is the same mail."""
    with Relay() as relay:
        room = waiting_room(database, tmp_path, relay.url)
        room.send()
        room.clock.now = START + 8 * HOUR
        room.send()
        dates = {mail.recipient: parsedate_to_datetime(message_from_bytes(mail.data, policy=policy.default)["Date"]) for mail in relay.taken}
        assert (dates[TARO], dates[ALICE]) == (START, START + 8 * HOUR)
        assert preview_eml(database, room.settings, KEYS, room.issue_id, ALICE) == next(
            mail.data for mail in relay.taken if mail.recipient == ALICE)


def test_the_night_in_which_the_clocks_change_is_one_hour_shorter(database: Database, tmp_path: Path) -> None:
    """Berlin, 30 March 2025: seven o'clock is at five UTC; and two o'clock, which does not come, when the clocks have jumped."""
    night = datetime(2025, 3, 29, 20, 0, tzinfo=UTC)
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [HANAKO, TARO], started=False)
    prefer(database, HANAKO, hour=7, timezone="Europe/Berlin", at=NOW)
    prefer(database, TARO, hour=2, timezone="Europe/Berlin", at=NOW)
    room.clock.now = night
    room.start()
    rows = room.rows()
    assert (rows[HANAKO].not_before, rows[TARO].not_before) == (datetime(2025, 3, 30, 5, tzinfo=UTC), datetime(2025, 3, 30, 1, tzinfo=UTC))


def test_who_joins_while_an_issue_waits_gets_the_next_one(database: Database, tmp_path: Path) -> None:
    """Its readers are fixed when it starts, also for the hours to come."""
    with Relay() as relay:
        room = waiting_room(database, tmp_path, relay.url)
        join(database, "late@example.com")
        room.clock.now = START + 24 * HOUR
        assert room.send().total == len(PEOPLE)
    with database.reading() as session:
        assert session.scalars(select(Issue.state)).one() == "sent"
