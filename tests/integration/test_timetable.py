"""A moment of the timetable is taken once; what is late, paused or overtaken is written down and not sent."""

import threading
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update

from publisher.db import Database
from publisher.models import Installation, Issue, NewsletterRow, Slot
from publisher.rounds import due_issues, hold_interrupted, note_round
from publisher.settings import Newsletter, Settings
from publisher.timetable import due_slot, held_slots, pending_slots, settle_slot
from tests.rows import NOW, newsroom

# NOW is Friday the 20th, seven o'clock.
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
DAILY = 'timetable = "0 7 * * *"'


def slots(database: Database) -> list[tuple[datetime, str, str | None]]:
    with database.reading() as session:
        return [(row.at, row.state, row.reason and row.reason["code"]) for row in session.scalars(select(Slot).order_by(Slot.at))]


def add_issue(database: Database, slot: Slot | None, state: str, **values: object) -> int:
    with database.writing() as session:
        issue = Issue(**({"newsletter_id": 1, "number": 1, "state": state, "slot_id": slot and slot.id, "created_at": NOW} | values))
        session.add(issue)
        session.flush()
        return issue.id


def taken(database: Database, settings: Settings, newsletter: Newsletter, now: datetime = NOW) -> Slot:
    slot = due_slot(database, settings, newsletter, now)
    assert slot is not None
    return slot


def test_a_moment_is_taken_when_it_comes_and_once(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    assert due_slot(database, settings, morning, NOW - MINUTE) is None
    assert taken(database, settings, morning).at == NOW
    assert due_slot(database, settings, morning, NOW) is None
    assert due_slot(database, settings, morning, NOW + HOUR) is None
    assert taken(database, settings, morning, NOW + DAY).at == NOW + DAY


def test_two_schedulers_take_a_moment_once(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    gate, found = threading.Barrier(4), []

    def look() -> None:
        gate.wait()
        found.append(due_slot(database, settings, morning, NOW))

    threads = [threading.Thread(target=look) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([slot for slot in found if slot is not None]) == 1
    assert slots(database) == [(NOW, "taken", None)]


def test_late_within_grace_is_taken(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    assert taken(database, settings, morning, NOW + 2 * HOUR).at == NOW


def test_missed_by_more_than_its_grace_is_held_and_never_taken(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    assert due_slot(database, settings, morning, NOW + 2 * HOUR + MINUTE) is None
    assert slots(database) == [(NOW, "held", "slot_late")]
    with database.reading() as session:
        assert session.scalars(select(Slot)).one().reason == {"code": "slot_late", "late": "2h01m", "grace": "2h00m"}
        assert held_slots(session) == [NOW]
    assert due_slot(database, settings, morning, NOW + 3 * HOUR) is None
    assert taken(database, settings, morning, NOW + DAY).at == NOW + DAY


def test_only_the_last_of_several_moments_is_sent(tmp_path: Path, database: Database) -> None:
    """An hourly paper that slept an hour sends one issue, not two."""
    settings, morning = newsroom(tmp_path, database, 'timetable = "0 * * * *"', seen=NOW - 90 * MINUTE)
    assert taken(database, settings, morning, NOW + MINUTE).at == NOW
    assert slots(database) == [(NOW - HOUR, "skipped", "slot_superseded"), (NOW, "taken", None)]


def test_a_paused_newsletter_skips_its_moments(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    with database.writing() as session:
        session.execute(update(NewsletterRow).values(paused_at=NOW - HOUR))
    assert pending_slots(database, settings, morning, NOW) == []
    assert due_slot(database, settings, morning, NOW) is None
    assert slots(database) == [(NOW, "skipped", "slot_paused")]


def test_what_lies_before_the_newsletter_was_first_seen_was_not_missed(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW + MINUTE)
    assert due_slot(database, settings, morning, NOW + 9 * HOUR) is None
    assert slots(database) == []


def test_a_changed_timetable_begins_when_it_is_seen(tmp_path: Path, database: Database) -> None:
    """The six o'clock of today, asked for at ten, is no missed one."""
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    taken(database, settings, morning)
    settings, morning = newsroom(tmp_path, database, 'timetable = "30 8 * * *"')
    with database.writing() as session:
        session.execute(update(NewsletterRow).values(first_seen_at=NOW + 3 * HOUR))
    assert due_slot(database, settings, morning, NOW + 4 * HOUR) is None
    assert slots(database) == [(NOW, "taken", None)]


def test_a_newsletter_without_a_timetable_has_no_moments(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    assert due_slot(database, settings, morning, NOW) is None
    assert pending_slots(database, settings, morning, NOW) == []


def test_a_year_without_power_is_noted_in_a_hundred_rows(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, 'timetable = "* * * * *"', seen=NOW - 365 * DAY)
    assert taken(database, settings, morning).at == NOW
    assert len(slots(database)) == 100


def test_pending_are_the_held_the_due_and_the_one_being_made(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    assert pending_slots(database, settings, morning, NOW + MINUTE) == [(NOW, "due")]
    slot = taken(database, settings, morning)
    assert pending_slots(database, settings, morning, NOW + MINUTE) == [(NOW, "due")]
    settle_slot(database, slot.id, "held", reason={"code": "slot_refused", "why": "x"})
    assert pending_slots(database, settings, morning, NOW + MINUTE) == [(NOW, "held")]


def test_a_held_moment_is_settled_by_the_next_issue_that_leaves(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    due_slot(database, settings, morning, NOW + 3 * HOUR)
    add_issue(database, None, "sent", created_at=NOW + 4 * HOUR, started_at=NOW + 4 * HOUR)
    with database.reading() as session:
        assert held_slots(session) == []
    assert pending_slots(database, settings, morning, NOW + 5 * HOUR) == []


def test_the_service_goes_on_with_what_it_made_and_with_what_is_being_sent(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    issue_id = add_issue(database, taken(database, settings, morning), "draft")
    for state, values in (("draft", {}), ("draft", {"content_hash": "c"}), ("approved", {"approved_at": NOW}), ("sending", {"slot_id": None})):
        with database.writing() as session:
            session.execute(update(Issue).values(state=state, **values))
        assert due_issues(database, settings, NOW + HOUR) == [issue_id]
    for state in ("paused", "sent", "cancelled"):
        with database.writing() as session:
            session.execute(update(Issue).values(state=state))
        assert due_issues(database, settings, NOW + HOUR) == []


def test_a_draft_made_by_hand_waits_for_the_hand(tmp_path: Path, database: Database) -> None:
    settings, _morning = newsroom(tmp_path, database, DAILY)
    add_issue(database, None, "draft")
    assert due_issues(database, settings, NOW) == []
    with database.writing() as session:
        session.execute(update(Issue).values(state="approved", approved_at=NOW))
    assert due_issues(database, settings, NOW) == []


def test_a_draft_that_needs_approval_is_composed_and_then_waits(tmp_path: Path, database: Database) -> None:
    """However long it takes; once a person has approved it, it goes out."""
    settings, morning = newsroom(tmp_path, database, DAILY, 'approval = "required"', seen=NOW - HOUR)
    issue_id = add_issue(database, taken(database, settings, morning), "draft")
    assert due_issues(database, settings, NOW + 9 * HOUR) == [issue_id]
    with database.writing() as session:
        session.execute(update(Issue).values(content_hash="c"))
    assert due_issues(database, settings, NOW + 9 * HOUR) == []
    with database.writing() as session:
        session.execute(update(Issue).values(state="approved", approved_at=NOW + 10 * HOUR))
    assert due_issues(database, settings, NOW + 10 * HOUR) == [issue_id]


def test_an_issue_that_lay_still_for_longer_than_its_grace_is_held(tmp_path: Path, database: Database) -> None:
    """The machine stopped between picking and sending, and woke a day later: never sent by surprise."""
    settings, morning = newsroom(tmp_path, database, DAILY, seen=NOW - HOUR)
    add_issue(database, taken(database, settings, morning), "approved", approved_at=NOW, content_hash="c")
    assert due_issues(database, settings, NOW + DAY) == []
    assert slots(database) == [(NOW, "held", "slot_late")]
    assert due_issues(database, settings, NOW) == []


def sending(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Issue.state)))


def test_an_issue_interrupted_a_minute_ago_goes_on_by_itself(tmp_path: Path, database: Database) -> None:
    settings, _morning = newsroom(tmp_path, database, DAILY)
    add_issue(database, None, "sending", started_at=NOW - 9 * HOUR)
    note_round(database, NOW - MINUTE)
    hold_interrupted(database, settings, NOW)
    assert sending(database) == ["sending"]


def test_an_issue_interrupted_for_longer_than_its_grace_is_paused_for_a_person(tmp_path: Path, database: Database) -> None:
    """A snapshot was restored or a copy started: its readers may have the mail already."""
    settings, _morning = newsroom(tmp_path, database, DAILY)
    add_issue(database, None, "sending", started_at=NOW - 9 * HOUR)
    note_round(database, NOW - 8 * HOUR)
    hold_interrupted(database, settings, NOW)
    assert sending(database) == ["paused"]


def test_the_sign_of_life_is_written_once_a_minute(tmp_path: Path, database: Database) -> None:
    for seconds in (0, 10, 50, 70):
        note_round(database, NOW + timedelta(seconds=seconds))
    with database.reading() as session:
        assert session.scalars(select(Installation.noted_at)).one() == NOW + timedelta(seconds=70)
