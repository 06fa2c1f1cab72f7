"""Leaving while the database cannot be written: the wish is on the disk before the answer, and applied when it can be again."""

import json
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from publisher.db import Database
from publisher.track.queued_leaves import QueuedLeave, apply_queued, queue_leave
from tests.doors import Doors, doors, words
from tests.readers import HANAKO, TARO, ids_of, join, state_of
from tests.serving import plain

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def shut(database: Database, *, wholly: bool = False) -> None:
    """The database takes no leaving; `wholly`: nothing can be read of readers either."""
    with database.writing() as session:
        session.execute(text("ALTER TABLE consents RENAME TO away"))
        if wholly:
            session.execute(text("ALTER TABLE subscriptions RENAME TO gone"))


def mend(database: Database, *, wholly: bool = False) -> None:
    """It does again."""
    with database.writing() as session:
        session.execute(text("ALTER TABLE away RENAME TO consents"))
        if wholly:
            session.execute(text("ALTER TABLE gone RENAME TO subscriptions"))


def waiting(root: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (root / "state" / "left-requests.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("wholly", [False, True])
def test_a_one_click_is_taken_while_the_database_is_away(database: Database, tmp_path: Path, wholly: bool) -> None:
    with doors(database, root=tmp_path) as opened:
        join(database, HANAKO)
        path, ids = opened.leave(HANAKO), ids_of(database, HANAKO)
        shut(database, wholly=wholly)
        answers = [opened.client.post(path, data=ONE_CLICK) for _time in range(2)]
        for answer in answers:
            plain(answer)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/plain")
        line = waiting(tmp_path)[0]
        assert line == {"list_id": ids[0], "subscriber_id": ids[1], "issue_id": 7, "door": "one-click", "at": opened.now.isoformat()}
        assert HANAKO not in json.dumps(line)
        with pytest.raises(SQLAlchemyError):
            apply_queued(database, opened.settings)
        mend(database, wholly=wholly)
        assert state_of(database, HANAKO) == "subscribed"
        assert apply_queued(database, opened.settings) == 2
        assert state_of(database, HANAKO) == "left"
        assert [(row.action, row.door) for row in opened.consents()].count(("left", "one-click")) == 1
        assert opened.consents()[-1].at == opened.now
        assert apply_queued(database, opened.settings) == 0


def test_the_button_is_taken_as_well_and_says_so(database: Database, tmp_path: Path) -> None:
    with doors(database, root=tmp_path, lists=[{"name": "daily"}, {"name": "weekly"}]) as opened:
        for name in ("daily", "weekly"):
            join(database, HANAKO, name)
        shut(database)
        answer = opened.client.post(opened.leave(HANAKO), data={"action": "all"})
        plain(answer)
        assert answer.status_code == 200
        assert "You have left all our newsletters" in words(answer)
        mend(database)
        apply_queued(database, opened.settings)
        assert {state_of(database, HANAKO, name) for name in ("daily", "weekly")} == {"left"}


def test_when_the_disk_is_full_too_the_sender_is_asked_to_come_again(database: Database, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder", "utf-8")
    with doors(database, root=tmp_path) as opened:
        join(database, HANAKO)
        path = opened.leave(HANAKO)
        shut(database)
        answer = opened.client.post(path, data=ONE_CLICK)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        plain(answer)


def test_who_agreed_anew_since_stays(database: Database, tmp_path: Path) -> None:
    with doors(database, root=tmp_path) as opened:
        for address, span in ((HANAKO, timedelta(hours=-2)), (TARO, timedelta())):
            join(database, address)  # an hour ago
            queue_leave(opened.settings, QueuedLeave(*ids_of(database, address), 7, "one-click", opened.now + span))
        apply_queued(database, opened.settings)
    assert (state_of(database, HANAKO), state_of(database, TARO)) == ("subscribed", "left")


def test_half_a_line_costs_that_line_only(database: Database, tmp_path: Path) -> None:
    """A power failure in mid-write; and whatever somebody did to the file by hand."""
    with doors(database, root=tmp_path) as opened:
        join(database, HANAKO)
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "left-requests.jsonl").write_text('[1]\n{"list_id": "x"}\n\n\x00\n{"list_id": 1, "subscr', "utf-8")
        queue_leave(opened.settings, QueuedLeave(*ids_of(database, HANAKO), 7, "one-click", opened.now))
        assert apply_queued(database, opened.settings) == 1
        assert state_of(database, HANAKO) == "left"
        assert list((tmp_path / "state").iterdir()) == []


def test_what_was_taken_up_before_a_crash_is_applied_after_it(database: Database, tmp_path: Path) -> None:
    with doors(database, root=tmp_path) as opened:
        for address in (HANAKO, TARO):
            join(database, address)
        queue_leave(opened.settings, QueuedLeave(*ids_of(database, HANAKO), 7, "one-click", opened.now))
        state = tmp_path / "state"
        os.rename(state / "left-requests.jsonl", state / "left-requests.taken")
        queue_leave(opened.settings, QueuedLeave(*ids_of(database, TARO), 7, "one-click", opened.now))
        assert apply_queued(database, opened.settings) == 2
        assert state_of(database, HANAKO) == state_of(database, TARO) == "left"


def test_nothing_is_lost_while_many_append_and_one_applies(database: Database, tmp_path: Path) -> None:
    with doors(database, root=tmp_path) as opened:
        join(database, HANAKO)
        counted, done = [0], threading.Event()

        def append(door: Doors, number: int) -> None:
            for step in range(25):
                queue_leave(door.settings, QueuedLeave(1, number * 100 + step, 7, "one-click", door.now))

        def apply(door: Doors) -> None:
            while not done.is_set():
                counted[0] += apply_queued(database, door.settings)

        writers = [threading.Thread(target=append, args=(opened, number)) for number in range(4)]
        reader = threading.Thread(target=apply, args=(opened,))
        for thread in (*writers, reader):
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        reader.join()
        assert counted[0] + apply_queued(database, opened.settings) == 100
