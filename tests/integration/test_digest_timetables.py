"""Each digest has a timetable of its own: kept like the newsletter's, silent where nobody takes it, and never due for days before it was looked at."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from publisher.curate.picking import pick
from publisher.db import Database
from publisher.errors import Busy
from publisher.jobs import Press, making
from publisher.locks import hold
from publisher.models import Installation, Issue, NewsletterRow, Slot
from publisher.rounds import due_issues
from publisher.schedule import Service
from publisher.timetable import due_slot, held_slots, pending_slots, timetables
from tests.preferring import joined
from tests.readers import KEYS, TARO, lists
from tests.rows import NOW, add_story, leave, newsroom

# NOW is Friday the 20th, seven o'clock in UTC; the digest of this newsletter is made at six in the evening.
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVENING = NOW + 11 * HOUR
SITE = 'daily_digest = "0 18 * * *"\nweekly_digest = "0 18 * * fri"\n'


def press_of(folder: Path, database: Database, *lines: str, rhythm: str | None = "daily") -> Press:
    """A newsroom whose timetables were first looked at at NOW, with Taro, who takes the digest. It has no postal address: nothing leaves."""
    settings, newsletter = newsroom(folder, database, SITE, *lines)
    lists(database)
    if rhythm:
        joined(database, TARO, NOW - 30 * DAY, rhythm=rhythm)
    for kind in timetables(newsletter):
        due_slot(database, settings, newsletter, NOW, kind)
    return Press(settings, database, KEYS, {}, {})


def tell(press: Press) -> int:
    """A regular issue that has left."""
    add_story(press.database, 1)
    issue_id = pick(press.database, press.settings, press.settings.newsletters[0], NOW).issue_id or 0
    leave(press.database, issue_id, NOW + HOUR)
    return issue_id


def slots(database: Database) -> list[tuple[str, str, str | None]]:
    with database.reading() as session:
        return [(row.rhythm, row.state, row.reason and row.reason["code"]) for row in session.scalars(select(Slot).order_by(Slot.id))]


def issues(database: Database) -> list[Issue]:
    with database.reading() as session:
        return list(session.scalars(select(Issue).order_by(Issue.id)))


def keep(press: Press, rhythm: str, at: timedelta = timedelta(0)) -> None:
    service = Service(press, lambda: EVENING + at)
    try:
        service.keep(press.settings.newsletters[0], rhythm)
    finally:
        service.stop()


def test_a_newsletter_keeps_the_timetables_that_it_offers(tmp_path: Path, database: Database) -> None:
    """Its own where it has one."""
    _settings, paper = newsroom(tmp_path, database, SITE, 'timetable = "0 7 * * *"', 'rhythms = ["each", "weekly"]')
    assert timetables(paper) == {"each": "0 7 * * *", "weekly": "0 18 * * fri"}


def test_the_moment_of_a_digest_makes_it_and_approves_it(tmp_path: Path, database: Database) -> None:
    """Once, numbered by itself, due to be sent; the round goes on with it."""
    press = press_of(tmp_path, database)
    tell(press)
    keep(press, "daily")
    keep(press, "daily", HOUR)
    made = issues(database)[-1]
    assert (made.kind, made.rhythm, made.number, made.state) == ("digest", "daily", 1, "approved")
    assert slots(database) == [("daily", "done", None)]
    assert due_issues(database, press.settings, EVENING) == [made.id]


def test_a_digest_waits_for_approval_like_its_newsletter(tmp_path: Path, database: Database) -> None:
    """A person says yes to it as well."""
    press = press_of(tmp_path, database, 'approval = "required"')
    tell(press)
    keep(press, "daily")
    assert issues(database)[-1].state == "draft"
    assert due_issues(database, press.settings, EVENING + DAY) == []


def test_two_digests_at_the_same_moment_stand_beside_each_other(tmp_path: Path, database: Database) -> None:
    """It is Friday: the daily and the weekly one."""
    press = press_of(tmp_path, database)
    joined(database, "weekly@example.jp", NOW - 30 * DAY, rhythm="weekly")
    tell(press)
    for rhythm in ("daily", "weekly"):
        keep(press, rhythm)
    assert slots(database) == [("daily", "done", None), ("weekly", "done", None)]
    assert [(issue.rhythm, issue.number) for issue in issues(database)] == [("each", 1), ("daily", 1), ("weekly", 1)]


def test_two_schedulers_make_one_digest(tmp_path: Path, database: Database) -> None:
    press = press_of(tmp_path, database)
    tell(press)
    gate = threading.Barrier(3)

    def look() -> None:
        gate.wait()
        try:
            keep(press, "daily")
        except Busy:
            return

    threads = [threading.Thread(target=look) for _number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [issue.rhythm for issue in issues(database)] == ["each", "daily"]


def test_a_digest_that_nobody_takes_is_skipped_in_silence(tmp_path: Path, database: Database) -> None:
    """One row for all the evenings that passed, and nothing held: when somebody takes it next year, nothing was missed."""
    press = press_of(tmp_path, database, rhythm=None)
    tell(press)
    keep(press, "daily", 9 * DAY)
    assert slots(database) == [("daily", "skipped", "slot_no_readers")]
    assert [issue.rhythm for issue in issues(database)] == ["each"]
    with database.reading() as session:
        assert held_slots(session) == []


def test_a_digest_without_news_is_skipped_and_says_so(tmp_path: Path, database: Database) -> None:
    press = press_of(tmp_path, database)
    keep(press, "daily")
    assert slots(database) == [("daily", "skipped", "slot_nothing_new")]


def test_a_digest_missed_by_more_than_its_grace_is_held_until_one_leaves(tmp_path: Path, database: Database) -> None:
    """A regular issue that leaves settles it not."""
    press = press_of(tmp_path, database)
    keep(press, "daily", 3 * HOUR)
    assert slots(database) == [("daily", "held", "slot_late")]
    morning = press.settings.newsletters[0]
    assert pending_slots(database, press.settings, morning, EVENING + 4 * HOUR, "daily") == [(EVENING, "held")]
    assert pending_slots(database, press.settings, morning, EVENING + 4 * HOUR) == []
    with database.writing() as session:
        newsletter = session.scalars(select(NewsletterRow.id)).one()
        later = {"newsletter_id": newsletter, "number": 9, "state": "sent", "created_at": EVENING + 4 * HOUR, "started_at": EVENING + 4 * HOUR}
        session.add(Issue(**later))
    with database.reading() as session:
        assert held_slots(session) == [EVENING]
    with database.writing() as session:
        session.execute(update(Issue).values(kind="digest", rhythm="daily"))
        assert held_slots(session) == []


def test_a_digest_is_due_from_when_its_timetable_was_first_looked_at(tmp_path: Path, database: Database) -> None:
    """An old newsletter after an update, and one whose digest was moved: yesterday's moment was not missed."""
    settings, paper = newsroom(tmp_path, database, SITE)
    lists(database)
    joined(database, TARO, NOW - 30 * DAY, rhythm="daily")
    assert pending_slots(database, settings, paper, NOW, "daily") == []
    assert due_slot(database, settings, paper, NOW, "daily") is None
    settings, paper = newsroom(tmp_path, database, 'daily_digest = "0 6 * * *"')
    assert due_slot(database, settings, paper, NOW + HOUR, "daily") is None
    assert slots(database) == []
    taken = due_slot(database, settings, paper, NOW + 23 * HOUR, "daily")
    assert taken is not None
    assert taken.at == NOW + 23 * HOUR
    with database.reading() as session:
        assert [row.value for row in session.scalars(select(Installation).where(Installation.key.like("digest:%")))] == ["0 6 * * * UTC"]


def test_the_slot_of_a_dead_process_becomes_a_digest(tmp_path: Path, database: Database) -> None:
    """And is left alone while the process that makes it lives."""
    press = press_of(tmp_path, database)
    tell(press)
    morning = press.settings.newsletters[0]
    slot = due_slot(database, press.settings, morning, EVENING, "daily")
    assert slot is not None
    service = Service(press, lambda: EVENING + HOUR)
    with hold(database.engine, making("morning", "daily")), pytest.raises(Busy):
        service.take_up(morning, slot.id, slot.at, "daily")
    with hold(database.engine, making("morning")):
        service.take_up(morning, slot.id, slot.at, "daily")
    assert slots(database) == [("daily", "done", None)]


def test_a_paused_newsletter_makes_no_digest(tmp_path: Path, database: Database) -> None:
    press = press_of(tmp_path, database)
    tell(press)
    with database.writing() as session:
        session.execute(update(NewsletterRow).values(paused_at=NOW))
    keep(press, "daily")
    assert slots(database) == [("daily", "skipped", "slot_paused")]
