"""A fenced database sends nothing by any door, and after a claim nothing goes on by itself that the world may have had already."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from publisher.clock import utc_now
from publisher.db import Database
from publisher.jobs import Press, go_on
from publisher.models import Delivery, Issue, Post, Slot
from publisher.primary import Fenced, claim_primary, look
from publisher.rounds import note_round
from publisher.schedule import Service
from publisher.settings import Settings
from publisher.timetable import due_slot, hold_passed, pending_slots
from tests import posting, rows
from tests.afterwards import afterwards
from tests.fake_x import FakeX
from tests.fences import carried_away
from tests.mailing import START, Clock, newsroom
from tests.notices import notice_room
from tests.readers import ALICE, HANAKO, KEYS, TARO
from tests.relay import Relay

MINUTE = timedelta(minutes=1)
EVERYBODY = [HANAKO, TARO, ALICE]


@pytest.fixture
def x() -> Iterator[FakeX]:
    """X, as far as we use it."""
    with FakeX() as fake:
        yield fake


def until(what: Callable[[], object], seconds: float = 10) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_fenced_database_starts_no_issue(database: Database, tmp_path: Path) -> None:
    """Its readers are not even fixed, and the relay hears nothing."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY, started=False)
        carried_away(database, room.settings)
        with pytest.raises(Fenced, match="publisher primary claim"):
            go_on(Press(room.settings, database, KEYS, {}, {}), room.issue_id, room.clock, threading.Event())
        assert (relay.log, room.state(), room.rows()) == ([], "approved", {})


def test_a_fenced_database_sends_no_mail_of_an_issue(database: Database, tmp_path: Path) -> None:
    """Whoever asks: a slice is refused as the whole issue is."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY)
        carried_away(database, room.settings)
        with pytest.raises(Fenced):
            room.send()
        assert (relay.log, {row.state for row in room.rows().values()}) == ([], {"queued"})
        claim_primary(database, room.settings, START, "hanako")
        assert room.state() == "paused"
        with database.writing() as session:
            session.execute(update(Issue).values(state="sending"))
        assert room.send().accepted == 3


def test_a_fenced_database_sends_no_notice(database: Database, tmp_path: Path) -> None:
    """A confirmation waits until an operator has said what is true."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        room.write("welcome", room.reader(HANAKO))
        carried_away(database, room.settings)
        with pytest.raises(Fenced):
            room.send()
        assert relay.log == []
        claim_primary(database, room.settings, START, "hanako")
        assert room.send().accepted == 1


def test_a_fenced_database_makes_no_post(database: Database, tmp_path: Path, x: FakeX) -> None:
    """X is not even asked."""
    desk = posting.opened(database, tmp_path, x, Clock())
    carried_away(database, desk.settings)
    with pytest.raises(Fenced):
        desk.go()
    assert (x.log, desk.states()) == ([], ["queued"] * 3)


def test_a_round_without_work_counts_nothing(database: Database, tmp_path: Path, x: FakeX) -> None:
    """The service asks every ten seconds whether a post is due: that writes nothing."""
    desk = posting.opened(database, tmp_path, x, Clock())
    assert desk.go().accepted == 6
    before = look(database, desk.settings).row
    desk.go()
    assert look(database, desk.settings).row == before


def test_a_claim_pauses_what_was_being_sent_and_leaves_its_mails_unknown(database: Database, tmp_path: Path) -> None:
    """Taro's was on the wire when the backup was made. Who has had it already, a person has to say."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY)
    carried_away(database, room.settings)
    with database.writing() as session:
        session.execute(update(Delivery).where(Delivery.id == room.rows()[TARO].id).values(state="sending", attempts=1, first_tried_at=START))
    claimed = claim_primary(database, room.settings, START + MINUTE, "hanako")
    assert (claimed.found, claimed.issues, claimed.mails) == ("kind", (room.issue_id,), 1)
    assert room.state() == "paused"
    taro = room.rows()[TARO]
    assert (taro.state, taro.settled_at, taro.first_tried_at) == ("unknown", START + MINUTE, START)
    assert room.rows()[HANAKO].state == "queued"


def test_a_claim_of_a_healthy_database_halts_nothing(database: Database, tmp_path: Path) -> None:
    """Unless an operator knows of a snapshot that nothing shows."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY)
    assert claim_primary(database, room.settings, START, "hanako").issues == ()
    assert room.state() == "sending"
    assert claim_primary(database, room.settings, START, "hanako", restored=True).issues == (room.issue_id,)
    assert room.state() == "paused"


def test_after_a_claim_each_post_is_looked_for_before_it_is_made(database: Database, tmp_path: Path, x: FakeX) -> None:
    """The first one stands on X since the backup was made: it is found, and the others are made."""
    desk = posting.opened(database, tmp_path, x, Clock())
    desk.set(Issue(id=desk.issue_id), started_at=START)
    carried_away(database, desk.settings)
    first = desk.posts()[0]
    x.take("main", first.text)
    desk.issue("sent")
    assert claim_primary(database, desk.settings, START, "hanako").posts == 6
    desk.later()
    assert desk.states() == ["accepted"] * 3
    assert set(desk.on_x().values()) == {1}


def test_a_claim_holds_the_moments_of_which_the_database_knows_nothing(database: Database, tmp_path: Path) -> None:
    """The backup is of half past six; at seven the issue left elsewhere, and at half past seven the claim is made: it is not made twice."""
    settings, morning = rows.newsroom(tmp_path, database, 'timetable = "0 7 * * *"', seen=rows.NOW - timedelta(minutes=30))
    now = rows.NOW + timedelta(minutes=30)
    carried_away(database, settings)
    assert hold_passed(database, settings, now) == 1
    claim_primary(database, settings, now, "hanako")
    assert due_slot(database, settings, morning, now) is None
    assert pending_slots(database, settings, morning, now) == [(rows.NOW, "held")]
    assert hold_passed(database, settings, now) == 0


def test_a_claim_holds_what_the_timetable_made_and_did_not_send(database: Database, tmp_path: Path) -> None:
    """As far as the backup knows: a moment that was taken, and an approved issue of another one."""
    room = afterwards(database, tmp_path, state="approved", newsletter='timetable = "0 7 * * *"')
    with database.writing() as session:
        usual = {"newsletter_id": session.scalars(select(Issue.newsletter_id)).one(), "decided_at": rows.NOW}
        made, taken = Slot(at=rows.NOW - MINUTE, state="done", **usual), Slot(at=rows.NOW, state="taken", **usual)
        session.add_all([made, taken])
        session.flush()
        session.get_one(Issue, room.issue_id).slot_id = made.id
    carried_away(database, room.settings)
    assert claim_primary(database, room.settings, rows.NOW, "hanako").slots == 2
    with database.reading() as session:
        assert {(slot.state, slot.reason and slot.reason["code"]) for slot in session.scalars(select(Slot))} == {("held", "slot_claimed")}


def fenced_service(database: Database, folder: Path) -> tuple[Service, Settings]:
    """A service on a database that was copied, with a story that waits to be read."""
    (folder / "stories").mkdir()
    (folder / "stories" / "one.md").write_text("# Aoba Labs opens a model\n\nThe weights are open.\n", "utf-8")
    settings, _morning = rows.newsroom(folder, database, '[[sources]]\nname = "desk"\nkind = "folder"\npath = "stories"\n')
    carried_away(database, settings)
    return Service(Press(settings, database, KEYS, {}, {}), utc_now), settings


def test_a_fenced_service_says_it_once_and_goes_on_with_what_sends_nothing(database: Database, tmp_path: Path) -> None:
    """Its health tells; stories are read; when it is claimed, it says so too."""
    service, settings = fenced_service(database, tmp_path)
    with capture_logs() as logs:
        service.start()
        try:
            until(lambda: service.last_round is not None)
            until(lambda: any(line["event"] == "source_read" for line in logs))
            assert service.health()["sends"] is False
            assert "publisher primary claim" in service.health()["why_not"]
            service.look_at_the_fence()
            claim_primary(database, settings, utc_now(), "hanako")
            service.look_at_the_fence()
            assert (service.health()["sends"], service.health()["why_not"]) == (True, None)
        finally:
            service.stop()
    said = [line["event"] for line in logs if line["event"].startswith("sending_") or line["log_level"] == "error"]
    assert said == ["sending_refused", "sending_allowed"]


def test_a_service_whose_clock_jumped_back_says_it(database: Database, tmp_path: Path) -> None:
    """And sends again when the clock is right."""
    settings, _morning = rows.newsroom(tmp_path, database)
    clock = Clock(rows.NOW)
    service = Service(Press(settings, database, KEYS, {}, {}), clock)
    with capture_logs() as logs:
        service.look_at_the_fence()
        note_round(database, clock())
        clock.pass_by(-timedelta(hours=3))
        service.look_at_the_fence()
        assert "180 minutes" in service.health()["why_not"]
        note_round(database, clock())
        clock.pass_by(timedelta(hours=3))
        service.look_at_the_fence()
    assert [line["event"] for line in logs if line["event"].startswith("sending_")] == ["sending_refused", "sending_allowed"]


def test_posts_of_an_unfinished_issue_stay_where_they_are(database: Database, tmp_path: Path, x: FakeX) -> None:
    """A draft's posts were never due: nothing of them can have left."""
    desk = posting.opened(database, tmp_path, x, Clock())
    desk.issue("draft")
    carried_away(database, desk.settings)
    assert claim_primary(database, desk.settings, START, "hanako").posts == 0
    with database.reading() as session:
        assert set(session.scalars(select(Post.state))) == {"queued"}
