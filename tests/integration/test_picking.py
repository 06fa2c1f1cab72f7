"""Picking writes an issue, its tellings and every reason at once, and the database keeps a story from being told twice."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from publisher.curate.desk import approve_issue, judge, pin
from publisher.curate.picking import look, pick
from publisher.db import Database
from publisher.errors import Busy, PublisherError
from publisher.models import Decision, Issue, Pick, Story, Telling
from tests.rows import NOW, add_story, call_off, leave, newsroom

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def rows(database: Database, what: Any, *where: Any) -> list[Any]:
    with database.reading() as session:
        return list(session.scalars(select(what).where(*where)))


def picks_of(database: Database, issue_id: int | None) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(Pick.story_id).where(Pick.issue_id == issue_id).order_by(Pick.position)))


def codes(database: Database) -> dict[int, str]:
    return {row.story_id: row.reason["code"] for row in rows(database, Decision)}


def test_a_draft_has_its_picks_their_tellings_and_every_other_story_a_reason(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, "max_stories = 2")
    ids = [add_story(database, number, approved=NOW - number * HOUR) for number in (1, 2, 3)]
    made = pick(database, settings, morning, NOW)
    assert picks_of(database, made.issue_id) == ids[:2]
    assert [(row.story_id, row.duplicate_group, row.told_at) for row in rows(database, Telling)] == [(ids[0], ids[0], None), (ids[1], ids[1], None)]
    assert codes(database) == {ids[2]: "waits_room"}
    issue = rows(database, Issue)[0]
    assert (issue.number, issue.state, issue.created_at) == (1, "draft", NOW)


def test_nothing_is_told_twice(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    first = add_story(database, 1)
    leave(database, pick(database, settings, morning, NOW).issue_id or 0)
    assert pick(database, settings, morning, NOW + HOUR).issue_id is None
    second = add_story(database, 2, approved=NOW + HOUR)
    made = pick(database, settings, morning, NOW + DAY)
    assert picks_of(database, made.issue_id) == [second]
    assert {passed.story.id: passed.reason for passed in made.choice.passed} == {first: {"code": "told", "number": 1, "day": "2026-11-20"}}


def test_a_look_writes_nothing(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    add_story(database, 1)
    assert look(database, settings, morning, NOW).enough
    assert rows(database, Issue) == rows(database, Decision) == rows(database, Telling) == []


def test_an_unfinished_issue_refuses_the_next_one_and_names_the_remedy(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    add_story(database, 1)
    issue_id = pick(database, settings, morning, NOW).issue_id
    for state in ("draft", "approved", "sending", "paused"):
        with database.writing() as session:
            session.execute(update(Issue).values(state=state))
        with pytest.raises(PublisherError, match=f"publisher issues resume {issue_id}"):
            pick(database, settings, morning, NOW + HOUR)


def test_the_stories_of_a_cancelled_issue_are_free_again(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    one = add_story(database, 1, approved=NOW - 2 * DAY)
    call_off(database, pick(database, settings, morning, NOW).issue_id or 0)
    assert picks_of(database, pick(database, settings, morning, NOW + HOUR).issue_id) == [one]


def test_an_issue_cancelled_before_a_mail_left_is_no_last_issue(tmp_path: Path, database: Database) -> None:
    """Its stories are older than it, and would have waited too long."""
    settings, morning = newsroom(tmp_path, database, 'carry_over = "1h"')
    one = add_story(database, 1, approved=NOW - 2 * DAY)
    issue_id = pick(database, settings, morning, NOW).issue_id or 0
    leave(database, issue_id, state="sending")
    call_off(database, issue_id)
    assert picks_of(database, pick(database, settings, morning, NOW + HOUR).issue_id) == [one]


def test_two_who_pick_at_once_make_one_issue(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    for number in range(1, 9):
        add_story(database, number)
    gate, outcomes = threading.Barrier(4), []

    def run() -> None:
        gate.wait()
        try:
            outcomes.append(pick(database, settings, morning, NOW).issue_id)
        except PublisherError as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=run) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([outcome for outcome in outcomes if isinstance(outcome, int)]) == 1
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= {"PublisherError", Busy.__name__}
    assert len(rows(database, Issue)) == 1
    assert len(rows(database, Telling)) == 8


def test_what_is_approved_while_an_issue_goes_out_belongs_to_the_next(tmp_path: Path, database: Database) -> None:
    """The last issue counts from the moment it was picked, not from the one it left."""
    settings, morning = newsroom(tmp_path, database, 'carry_over = "0m"')
    add_story(database, 1)
    issue_id = pick(database, settings, morning, NOW).issue_id or 0
    late = add_story(database, 2, approved=NOW + HOUR)
    leave(database, issue_id, NOW + 2 * HOUR)
    assert picks_of(database, pick(database, settings, morning, NOW + 3 * DAY).issue_id) == [late]


def test_a_story_that_was_being_read_while_the_issue_was_picked_is_not_lost_over_the_weekend(tmp_path: Path, database: Database) -> None:
    """It bears a moment before the issue's, came into the database after it, and three days later no carry-over saves it."""
    settings, morning = newsroom(tmp_path, database)
    add_story(database, 1)
    leave(database, pick(database, settings, morning, NOW).issue_id or 0)
    slow = add_story(database, 2, approved=NOW - timedelta(minutes=1))
    assert picks_of(database, pick(database, settings, morning, NOW + 3 * DAY).issue_id) == [slow]


def test_what_has_waited_too_long_stays_behind(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, "max_stories = 1")
    add_story(database, 1)
    second = add_story(database, 2, approved=NOW - 2 * HOUR)
    leave(database, pick(database, settings, morning, NOW).issue_id or 0)
    assert pick(database, settings, morning, NOW + 4 * DAY).issue_id is None
    assert codes(database) == {second: "waited_too_long"}


def test_too_few_stories_make_no_issue_and_say_so_for_each(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database, "max_stories = 9")
    morning = morning.model_copy(update={"min_stories": 3})
    one = add_story(database, 1)
    made = pick(database, settings, morning, NOW)
    assert (made.issue_id, made.choice.found) == (None, 1)
    assert codes(database) == {one: "too_few"}
    assert rows(database, Telling) == []


def test_a_copy_from_another_source_is_named_and_never_told_later(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    words = {"headline": "楽天、国産AIを公開", "body": "同じ本文。" * 20}
    one = add_story(database, 1, source_name="本紙", **words)
    two = add_story(database, 2, source_name="通信社", source_url="https://wire.example.jp/1", rights="summary", **words)
    issue_id = pick(database, settings, morning, NOW).issue_id
    assert picks_of(database, issue_id) == [one]
    assert rows(database, Pick)[0].also == [{"name": "通信社", "url": "https://wire.example.jp/1"}]
    assert codes(database) == {two: "duplicate"}
    assert {row.id: row.duplicate_group or row.id for row in rows(database, Story)} == {one: one, two: one}
    leave(database, issue_id or 0)
    three = add_story(database, 3, approved=NOW + HOUR, **words)
    assert pick(database, settings, morning, NOW + DAY).issue_id is None
    assert codes(database) == {two: "told_elsewhere", three: "told_elsewhere"}


@pytest.mark.parametrize("change", [{"status": "rejected"}, {"withdrawn_at": NOW}, {"status": "archive"}])
def test_told_is_told_also_when_the_story_is_gone(tmp_path: Path, database: Database, change: dict[str, Any]) -> None:
    """Its file was deleted or an editor thought better of it: a copy of it is still a copy of something told."""
    settings, morning = newsroom(tmp_path, database)
    words = {"headline": "楽天、国産AIを公開", "body": "同じ本文。" * 20}
    one = add_story(database, 1, **words)
    leave(database, pick(database, settings, morning, NOW).issue_id or 0)
    with database.writing() as session:
        session.execute(update(Story).where(Story.id == one).values(**change))
    copy = add_story(database, 2, approved=NOW + HOUR, **words)
    assert pick(database, settings, morning, NOW + DAY).issue_id is None
    assert codes(database) == {copy: "told_elsewhere"}


def test_a_group_that_was_told_long_ago_stops_no_issue(tmp_path: Path, database: Database) -> None:
    """A story tied to one told a year ago would break the unique key of tellings, and with it every issue from now on."""
    settings, morning = newsroom(tmp_path, database)
    old = add_story(database, 1, approved=NOW - 400 * DAY, pinned=1)
    leave(database, pick(database, settings, morning, NOW - 400 * DAY).issue_id or 0, NOW - 400 * DAY)
    tied, other = add_story(database, 2, duplicate_group=old), add_story(database, 3)
    assert picks_of(database, pick(database, settings, morning, NOW).issue_id) == [other]
    assert codes(database)[tied] == "told_elsewhere"


def test_what_was_told_long_ago_is_not_picked_again_for_a_pin(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    old = add_story(database, 1, approved=NOW - 400 * DAY)
    leave(database, pick(database, settings, morning, NOW - 399 * DAY).issue_id or 0, NOW - 399 * DAY)
    pin(database, old, 9, NOW)
    other = add_story(database, 2)
    assert picks_of(database, pick(database, settings, morning, NOW).issue_id) == [other]


def test_an_issue_keeps_the_story_as_it_was(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    one = add_story(database, 1, headline="楽天、国産AIを公開")
    pick(database, settings, morning, NOW)
    with database.writing() as session:
        session.execute(update(Story).where(Story.id == one).values(headline="変更後"))
    assert rows(database, Pick)[0].snapshot["headline"] == "楽天、国産AIを公開"


def test_a_reason_is_kept_with_the_day_on_which_it_came_up(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    morning = morning.model_copy(update={"min_stories": 2})
    add_story(database, 1)
    pick(database, settings, morning, NOW)
    pick(database, settings, morning, NOW + HOUR)
    assert [row.decided_at for row in rows(database, Decision)] == [NOW]


def test_an_editors_word_counts(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    one, two = add_story(database, 1, status="inbox", approved_at=None), add_story(database, 2)
    judged = judge(database, [one, two, 99], "approved", "Yuki", NOW)
    assert (judged.changed, judged.already, judged.unknown) == ((one,), (two,), (99,))
    judge(database, [two], "rejected", "Yuki", NOW)
    assert picks_of(database, pick(database, settings, morning, NOW).issue_id) == [one]
    with pytest.raises(PublisherError, match="there is no story 99"):
        pin(database, 99, 1, NOW)


def test_only_a_composed_draft_is_approved(tmp_path: Path, database: Database) -> None:
    settings, morning = newsroom(tmp_path, database)
    add_story(database, 1)
    issue_id = pick(database, settings, morning, NOW).issue_id or 0
    with pytest.raises(PublisherError, match="cannot be approved"):
        approve_issue(database, issue_id, "Yuki", NOW)
    with database.writing() as session:
        session.execute(update(Issue).values(content_hash="c" * 64))
    approve_issue(database, issue_id, "Yuki", NOW)
    assert [(row.state, row.approved_hash, row.approved_by) for row in rows(database, Issue)] == [("approved", "c" * 64, "Yuki")]
    with pytest.raises(PublisherError, match="is approved and cannot be approved"):
        approve_issue(database, issue_id, "Yuki", NOW)
    with pytest.raises(PublisherError, match="there is no issue 99"):
        approve_issue(database, 99, "Yuki", NOW)
