"""The service: no duty starves another, a slot ends in a state that says why, and stopping takes seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.clock import utc_now
from publisher.curate.picking import pick
from publisher.db import Database
from publisher.errors import Busy, PublisherError
from publisher.jobs import Press
from publisher.locks import hold
from publisher.models import Installation, Slot
from publisher.schedule import Service
from publisher.timetable import due_slot
from publisher.tokens import Keys
from tests.rows import NOW, add_story, newsroom

DAILY = 'timetable = "0 7 * * *"'
HOUR = timedelta(hours=1)


class HangingSources(Service):
    """A service whose sources never answer."""

    answer = threading.Event()

    def read(self, source: str) -> None:
        """Wait for what does not come."""
        self.answer.wait(30)


@pytest.fixture
def answers() -> Iterator[threading.Event]:
    """The hanging sources, let go at the end."""
    HangingSources.answer.clear()
    yield HangingSources.answer
    HangingSources.answer.set()


def press_of(folder: Path, database: Database, *lines: str, seen: datetime = NOW - HOUR) -> Press:
    settings, _morning = newsroom(folder, database, *lines, seen=seen)
    return Press(settings, database, Keys(["a key for tests"]), {}, {})


def service_of(press: Press, now: datetime = NOW) -> Service:
    return Service(press, lambda: now)


def slots_of(database: Database) -> list[Slot]:
    with database.reading() as session:
        return list(session.scalars(select(Slot)))


def the_slot(database: Database) -> Slot:
    (slot,) = slots_of(database)
    return slot


def until(what: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_twelve_sources_that_hang_stop_neither_the_round_nor_the_timetable(tmp_path: Path, database: Database, answers: threading.Event) -> None:
    """And the service stops at once all the same: what hangs has nothing on the wire."""
    sources = "".join(f'[[sources]]\nname = "s{number}"\nkind = "folder"\npath = "stories"\n' for number in range(12))
    press = press_of(tmp_path, database, 'timetable = "* * * * *"', sources, seen=utc_now() - timedelta(minutes=2))
    service = HangingSources(press, utc_now)
    service.start()
    try:
        until(lambda: service.last_round is not None)
        until(lambda: slots_of(database) != [])
    finally:
        begun = time.monotonic()
        service.stop()
    assert time.monotonic() - begun < 3


def test_a_round_leaves_a_sign_of_life_and_health_tells_of_it(tmp_path: Path, database: Database) -> None:
    service = Service(press_of(tmp_path, database), utc_now)
    assert service.health() == {"last_round": None, "held_slots": 0, "issues_sending": 0, "sends": True, "why_not": None}
    service.start()
    until(lambda: service.last_round is not None)
    service.stop()
    assert service.health()["last_round"] is not None
    with database.reading() as session:
        assert session.get(Installation, "service:round") is not None


def test_a_slot_without_enough_stories_is_skipped_and_says_so(tmp_path: Path, database: Database) -> None:
    press = press_of(tmp_path, database, DAILY)
    service_of(press).keep(press.settings.newsletters[0])
    slot = the_slot(database)
    assert (slot.state, slot.reason) == ("skipped", {"code": "slot_too_few", "found": 0, "min": 1})


def test_a_slot_is_held_while_an_issue_is_unfinished(tmp_path: Path, database: Database) -> None:
    """A draft that waits for approval since yesterday: today's moment is not made on top of it."""
    press = press_of(tmp_path, database, DAILY)
    morning = press.settings.newsletters[0]
    add_story(database, 1)
    issue_id = pick(database, press.settings, morning, NOW - HOUR / 2).issue_id
    with pytest.raises(PublisherError, match="is not finished"):
        service_of(press).keep(morning)
    slot = the_slot(database)
    assert (slot.state, slot.reason) == ("held", {"code": "slot_refused", "why": f"issue {issue_id} of morning is not finished"})


def test_a_slot_is_left_to_the_process_that_makes_it(tmp_path: Path, database: Database) -> None:
    press = press_of(tmp_path, database, DAILY)
    morning = press.settings.newsletters[0]
    with hold(database.engine, "newsletter-morning"), pytest.raises(Busy):
        service_of(press).keep(morning)
    assert the_slot(database).state == "taken"


def test_the_slot_of_a_dead_process_is_taken_up_within_its_grace(tmp_path: Path, database: Database) -> None:
    press = press_of(tmp_path, database, DAILY)
    morning = press.settings.newsletters[0]
    slot = due_slot(database, press.settings, morning, NOW)
    assert slot is not None
    service_of(press, NOW + HOUR).take_up(morning, slot.id, slot.at)
    assert the_slot(database).state == "skipped"
    service_of(press, NOW + HOUR).run_slot(morning, slot.id)
    assert the_slot(database).state == "skipped"


def test_the_slot_of_a_dead_process_is_held_after_its_grace(tmp_path: Path, database: Database) -> None:
    press = press_of(tmp_path, database, DAILY)
    morning = press.settings.newsletters[0]
    slot = due_slot(database, press.settings, morning, NOW)
    assert slot is not None
    service_of(press, NOW + 3 * HOUR).take_up(morning, slot.id, slot.at)
    assert the_slot(database).state == "held"


def test_a_slot_whose_issue_was_picked_before_the_crash_is_done(tmp_path: Path, database: Database) -> None:
    press = press_of(tmp_path, database, DAILY)
    morning = press.settings.newsletters[0]
    add_story(database, 1)
    slot = due_slot(database, press.settings, morning, NOW)
    assert slot is not None
    issue_id = pick(database, press.settings, morning, NOW, slot_id=slot.id).issue_id
    service_of(press, NOW + 9 * HOUR).take_up(morning, slot.id, slot.at)
    assert (the_slot(database).state, the_slot(database).issue_id) == ("done", issue_id)
