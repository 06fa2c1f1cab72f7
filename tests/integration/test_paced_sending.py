"""Limits, warm-up and rests through a whole sending: what may not leave now is a listed row with its moment and reason, and leaves then."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from publisher.db import Database
from publisher.deliver import control
from publisher.models_sending import RelayDay
from publisher.rounds import due_issues
from subscribers.consent import Evidence
from subscribers.models import Suppression
from subscribers.registry.readers import leave
from tests.mailing import START, Newsroom
from tests.readers import ids_of
from tests.relay import Relay
from tests.several import RunningClock, Watch, by_relay, each_once, entry, given, office, waiting_reasons

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TOMORROW = datetime(2025, 12, 5, tzinfo=UTC)


def people(number: int, domain: str = "example.jp") -> list[str]:
    """Addresses at one domain."""
    return [f"p{index}@{domain}" for index in range(number)]


def test_a_relays_pace_is_kept_and_what_waits_is_listed_with_its_moment_and_reason(database: Database, tmp_path: Path) -> None:
    """Ten a second: a burst of one second's, the others a tenth of a second apart, each when the clock has passed its moment."""
    with Relay() as relay:
        room = office(database, tmp_path, [entry("slow", relay, per_second=10)], 25)
        assert room.send().accepted == 10
        assert waiting_reasons(room) == {"pace of slow": 15}
        moments = sorted(row.not_before for row in room.rows().values() if row.state == "queued" and row.not_before)
        assert moments == [START + SECOND * place / 10 for place in range(1, 16)]
        assert room.send().accepted == 10
        room.clock.pass_by(SECOND)
        assert room.send().accepted == 20
        room.clock.pass_by(SECOND)
        assert room.send().accepted == 25
    assert len(each_once(relay)) == 25
    assert room.state() == "sent"


def test_mails_that_wait_for_seconds_only_are_waited_for_over_open_connections(database: Database, tmp_path: Path) -> None:
    """Twenty-five a second and forty mails: one call sends all, never more than the rate and a burst of it in a second, over the same connections."""
    watch = Watch()
    with Relay(watch) as relay:
        room = office(database, tmp_path, [entry("slow", relay, per_second=25, connections=2)], 40)
        room.clock = RunningClock()
        began = time.monotonic()
        assert room.send().accepted == 40
        assert 0.5 <= time.monotonic() - began <= 3
    assert watch.most_within(0.5) <= 25 + 13
    assert relay.log.count("ehlo localhost") <= 2


def test_a_limit_holds_over_all_relays_and_slows_nobody_else(database: Database, tmp_path: Path) -> None:
    """Ten a second to one carrier over two relays; everybody else at once."""
    with Relay() as one, Relay() as other:
        room = office(database, tmp_path, [entry("one", one), entry("other", other)], people(25, "docomo.ne.jp") + people(30),
                      limits=[{"name": "carriers", "domains": ["docomo.ne.jp"], "per_second": 10}])
        assert room.send().accepted == 40
        assert waiting_reasons(room) == {"pace of carriers": 15}
        for accepted in (50, 55):
            room.clock.pass_by(SECOND)
            assert room.send().accepted == accepted
    assert len(each_once(one, other)) == 55


def test_readers_in_other_slices_do_not_wait_behind_a_pace(database: Database, tmp_path: Path) -> None:
    """The first slice is full of a slow carrier's readers: those of the second have their mail before the first is through."""
    watch = Watch()
    with Relay(watch) as relay:
        room = office(database, tmp_path, [entry("one", relay)], people(20, "docomo.ne.jp") + people(20), mail={"slice_size": 20},
                      limits=[{"name": "carriers", "domains": ["docomo.ne.jp"], "per_second": 10}])
        room.clock = RunningClock()
        assert room.send().accepted == 40
    domains = [mail.recipient.partition("@")[2] for mail in relay.taken]
    assert domains[:10] == ["docomo.ne.jp"] * 10
    assert domains[11:31].count("example.jp") >= 18
    assert domains[-5:] == ["docomo.ne.jp"] * 5


def test_no_more_are_on_the_wire_to_a_group_than_its_limit_says(database: Database, tmp_path: Path) -> None:
    """Two at once to one group, six connections, and no mail that waits beside hangs the run."""
    watch = Watch(takes=0.005)
    with Relay(watch) as relay:
        room = office(database, tmp_path, [entry("one", relay, connections=6)], people(60, "gmail.com") + people(30),
                      limits=[{"name": "google", "domains": ["gmail.com"], "connections": 2}])
        assert room.send().accepted == 90
    assert watch.most["gmail.com"] <= 2
    assert watch.most["example.jp"] >= 2
    assert len(each_once(relay)) == 90


def test_one_at_once_and_all_of_them_refused_lets_every_row_end(database: Database, tmp_path: Path) -> None:
    """What is refused has landed as well: the next one leaves."""
    with Relay(lambda verb, argument: "550 5.1.1 no such user" if verb == "RCPT" and "@gmail.com" in argument else None) as relay:
        room = office(database, tmp_path, [entry("one", relay, connections=4)], people(25, "gmail.com") + people(5),
                      limits=[{"name": "google", "domains": ["gmail.com"], "connections": 1}])
        counts = room.send()
        assert (counts.accepted, counts.refused) == (5, 25)


def test_a_new_relay_takes_today_what_its_plan_says_and_the_rest_tomorrow(database: Database, tmp_path: Path) -> None:
    """Twenty, then forty: the rows wait for midnight (UTC) with their reason, and a round leaves the issue alone until then."""
    with Relay() as relay:
        room = office(database, tmp_path, [entry("new", relay, warm_up=True)], 70, warm_up={"start": 20, "growth": 2})
        assert room.send().accepted == 20
        assert waiting_reasons(room) == {"warming up the relay new": 50}
        assert {row.not_before for row in room.rows().values() if row.state == "queued"} == {TOMORROW}
        assert due_issues(database, room.settings, TOMORROW - SECOND) == []
        assert due_issues(database, room.settings, TOMORROW) == [room.issue_id]
        room.clock.now = TOMORROW
        assert room.send().accepted == 60
        room.clock.now = TOMORROW + timedelta(days=1)
        assert room.send().accepted == 70
    assert [given(database, "new", day) for day in ("2025-12-04", "2025-12-05", "2025-12-06")] == [20, 40, 10]
    assert len(each_once(relay)) == 70


def test_an_established_relay_takes_what_a_new_one_may_not_yet(database: Database, tmp_path: Path) -> None:
    """Nobody waits for tomorrow while there is one that has its history."""
    with Relay() as young, Relay() as old:
        room = office(database, tmp_path, [entry("young", young, warm_up=True, weight=9), entry("old", old, warm_up=True)], 60,
                      warm_up={"start": 10, "ceiling": 100})
        with database.writing() as session:
            session.add(RelayDay(relay="old", day="2025-12-01", given=100))
        assert room.send().accepted == 60
    assert by_relay(room) == {"young": 10, "old": 50}


def test_mails_that_were_given_back_are_no_part_of_the_relays_day(database: Database, tmp_path: Path) -> None:
    """The new relay refuses the login: what it was to take goes over the other, and its day is empty."""
    with Relay(lambda verb, _argument: "554 5.7.1 no" if verb == "CONNECT" else None) as young, Relay() as old:
        room = office(database, tmp_path, [entry("young", young, warm_up=True), entry("old", old)], 30, warm_up={"start": 10})
        assert room.send().accepted == 30
    assert (given(database, "young", "2025-12-04"), given(database, "old", "2025-12-04")) == (0, 30)


class Gmail:
    """Takes nothing for its readers from the eleventh mail on until it is `well`."""

    def __init__(self) -> None:
        self.well = False
        self.watch = Watch(self, takes=0.002)

    def __call__(self, verb: str, argument: str) -> str | None:
        tired = verb == "RCPT" and not self.well and ("@gmail.com" in argument or "@googlemail.com" in argument)
        return "450 4.7.28 Gmail has detected an unusual rate of mail, gsmtp" if tired and len(self.watch.moments) >= 10 else None


def test_receivers_who_ask_for_a_rest_have_one_and_nobody_else_waits(database: Database, tmp_path: Path) -> None:
    """Ten minutes for the whole operator; then one at a time; each sending is a new start of the program, and changes nothing."""
    gmail = Gmail()
    with Relay(gmail.watch) as relay:
        room = office(database, tmp_path, [entry("one", relay, connections=4)], people(80, "gmail.com") + people(20, "googlemail.com") + people(20))
        began = time.monotonic()
        counts = room.send()
        assert time.monotonic() - began < 5
        waiting = [row for row in room.rows().values() if row.state == "queued"]
        assert counts.accepted + counts.deferred + len(waiting) == 120
        assert {(row.reason, row.not_before) for row in waiting} == {("gmail.com asked for a rest", START + 10 * MINUTE)}
        assert {row.state for address, row in room.rows().items() if address.endswith("@example.jp")} == {"accepted"}
        gmail.well = True
        room.clock.now = START + 9 * MINUTE
        assert room.send().accepted == counts.accepted
        gmail.watch.most.clear()
        climb(room, START + 10 * MINUTE)
        assert gmail.watch.most["gmail.com"] + gmail.watch.most["googlemail.com"] <= 2
        climb_over(room)
    assert len(each_once(relay)) == 120


def climb(room: Newsroom, begin: datetime) -> None:
    """The first three seconds after a rest: five mails in each of them, over one connection."""
    room.clock.now, before = begin, room.counts().accepted
    for second in range(1, 4):
        assert room.send().accepted - before == 5 * second
        room.clock.pass_by(SECOND)


def climb_over(room: Newsroom) -> None:
    """When the other side has stood the usual number of connections again, all that waits leaves."""
    room.clock.pass_by(5 * MINUTE)
    assert room.send().unfinished == 0


def test_a_relay_that_asks_for_a_rest_lets_the_call_return_at_once(database: Database, tmp_path: Path) -> None:
    """What was claimed is released and listed, nothing hangs for ten minutes, and after them everybody has the mail."""
    def plan(verb: str, _argument: str) -> str | None:
        return "421 4.7.0 too many messages, slow down" if verb == "MAIL" and len(relay.taken) >= 15 and not well else None

    well = False
    with Relay(plan) as relay:
        room = office(database, tmp_path, [entry("only", relay, connections=3)], 100)
        began = time.monotonic()
        counts = room.send()
        assert time.monotonic() - began < 5
        assert (counts.sending, counts.unknown) == (0, 0)
        assert counts.accepted + counts.queued + counts.deferred == 100
        assert counts.deferred <= 3
        assert Counter((row.reason, row.not_before) for row in room.rows().values() if row.state == "queued") == {
            ("the relay only asked for a rest", START + 10 * MINUTE): counts.queued}
        wait = control.waiting(database, room.issue_id, START)
        assert (wait.mails, wait.last) == (counts.queued, START + 10 * MINUTE)
        well = True
        climb(room, START + 10 * MINUTE)
        climb_over(room)
    assert len(each_once(relay)) == 100


@pytest.mark.parametrize("way", ["pause", "cancel", "leave", "suppress"])
def test_what_waits_for_a_pace_can_be_stopped(database: Database, tmp_path: Path, way: str) -> None:
    """Paused it waits beyond its moment; cancelled nothing leaves; who left or was suppressed meanwhile gets no mail."""
    with Relay() as relay:
        room = office(database, tmp_path, [entry("slow", relay, per_second=5)], people(12))
        assert room.send().accepted == 5
        late = next(address for address, row in room.rows().items() if row.state == "queued")
        if way == "pause":
            control.pause(database, room.issue_id, START)
        elif way == "cancel":
            control.cancel(database, room.issue_id, START)
        elif way == "leave":
            leave(database, *ids_of(database, late), Evidence("web"), START)
        else:
            with database.writing() as session:
                session.add(Suppression(address_hash=hash_of(database, late), reason="bounce", at=START))
        room.clock.pass_by(timedelta(minutes=5))
        for _second in range(2):
            room.clock.pass_by(SECOND)
            counts = room.send()
        if way in ("pause", "cancel"):
            assert (counts.accepted, room.state()) == (5, "paused" if way == "pause" else "cancelled")
        else:
            assert (counts.accepted, counts.skipped, room.state()) == (11, 1, "sent")
            assert room.rows()[late].reason == ("left" if way == "leave" else "suppressed")
        if way == "pause":
            control.resume(database, room.issue_id, START)
            room.send()
            room.clock.pass_by(SECOND)
            assert room.send().accepted == 12


def hash_of(database: Database, address: str) -> str:
    """The hash under which an address is suppressed."""
    from sqlalchemy import select

    from subscribers.models import Subscriber

    with database.reading() as session:
        return session.scalars(select(Subscriber.address_hash).where(Subscriber.address_key == address)).one()


def test_a_pause_acts_while_a_call_waits_for_a_pace(database: Database, tmp_path: Path) -> None:
    """Another process pauses the issue: the call comes back within a second, long before the last moment."""
    import threading

    with Relay() as relay:
        room = office(database, tmp_path, [entry("slow", relay, per_second=2)], 40)
        room.clock = RunningClock()
        timer = threading.Timer(0.8, control.pause, (database, room.issue_id, START))
        timer.start()
        began = time.monotonic()
        counts = room.send()
        assert time.monotonic() - began < 3
    assert 2 <= counts.accepted <= 6
    assert (counts.sending, counts.queued) == (0, 40 - counts.accepted)
