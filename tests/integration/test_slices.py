"""The parts of an issue: each has a lock, a journal and a holder of its own, and all of them together are the issue."""

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from publisher.db import Database
from publisher.deliver import control
from publisher.deliver.claim import claim, release
from publisher.deliver.journal import Journal, database_identity, forgotten_line, intent_line, outcome_line
from publisher.deliver.recovery import recover
from publisher.deliver.slices import holding, is_ours, lock_of, slices_of
from publisher.deliver.verdict import Verdict
from publisher.deliver.worker import send_slice
from publisher.errors import Busy
from publisher.locks import hold
from publisher.models import Delivery
from publisher.models_sending import Slice
from tests.issue_sender import begin
from tests.mailing import START, Newsroom, crowd, newsroom
from tests.preferring import prefer
from tests.readers import ALICE, HANAKO, KEYS, TARO, lists
from tests.relay import SILENCE, Relay

HOUR = timedelta(hours=1)


def sliced(database: Database, folder: Path, relay: str, readers: int = 34, size: int = 5, **more: object) -> Newsroom:
    """A started issue in slices of `size`: seven of them, unless told otherwise."""
    lists(database)
    crowd(database, readers)
    return newsroom(database, folder, relay, [], slice_size=size, **more)


def journals(room: Newsroom) -> list[str]:
    """The journals that lie in the state folder."""
    return sorted(path.name for path in (room.settings.place("state") / "journal").glob("*"))


def test_an_issue_of_seven_slices_is_sent_whole(database: Database, tmp_path: Path) -> None:
    """Every reader once, and no journal is left."""
    with Relay() as relay:
        room = sliced(database, tmp_path, relay.url)
        assert [span.number for span in slices_of(database, room.issue_id, 5)] == [1, 2, 3, 4, 5, 6, 7]
        assert room.send().accepted == 34
    assert set(relay.recipients().values()) == {1}
    assert (room.state(), journals(room)) == ("sent", [])


def test_each_slice_has_a_journal_of_its_own_while_it_is_sent(database: Database, tmp_path: Path) -> None:
    """Two at the same time, with other names; each is gone when its slice is done."""
    seen: set[str] = set()

    def plan(verb: str, _argument: str) -> str | None:
        if verb == ".":
            seen.update(journals(room))
        return None

    with Relay(plan) as relay:
        room = sliced(database, tmp_path, relay.url, 10)
        threads = [threading.Thread(target=send_slice, args=(database, room.settings, KEYS, room.issue_id, number),
                                    kwargs={"secrets": {}, "clock": room.clock}) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    identity = database_identity(database, START)
    assert seen == {f"issue-{room.issue_id}-{number}-{identity}.journal" for number in (1, 2)}
    assert (room.counts().accepted, journals(room), room.state()) == (10, [], "sent")


def test_a_slice_that_another_process_sends_is_left_to_it(database: Database, tmp_path: Path) -> None:
    """All others are sent; Busy is said only when all that is due is held."""
    with Relay() as relay:
        room = sliced(database, tmp_path, relay.url)
        with hold(database.engine, lock_of(room.issue_id, 3)):
            assert room.send().accepted == 29
            with pytest.raises(Busy):
                room.send()
            assert room.state() == "sending"
        assert room.send().accepted == 34
    assert set(relay.recipients().values()) == {1}


def test_a_lock_that_was_given_back_can_be_had_at_once(database: Database) -> None:
    """Slices are taken again a moment later."""
    for _time in range(20):
        with hold(database.engine, "slice"):
            pass


def test_who_lost_the_slice_stops_at_once_and_touches_none_of_its_mails(database: Database, tmp_path: Path) -> None:
    """Another name stands in its row: nothing more leaves, and what was in hand is left to the new holder as it is."""
    taken_over = threading.Event()

    def plan(verb: str, _argument: str) -> str | None:
        if verb == "." and len(relay.taken) >= 10 and not taken_over.is_set():
            taken_over.set()
            with database.writing() as session:
                session.execute(update(Slice).values(holder="somebody else"))
        elif verb == ".":
            time.sleep(0.002)
        return None

    with Relay(plan) as relay:
        room = sliced(database, tmp_path, relay.url, 450, 1000, connections=2)
        counts = room.send()
        assert counts.accepted == len(relay.taken) < 450
        assert counts.accepted + counts.sending + counts.queued == 450
        # The new holder takes what it finds for left; each of them has one mail all the same, or one more with the same Message-ID.
        assert room.send().accepted == 450
    assert len(relay.recipients()) == 450


def test_a_late_giving_back_changes_nothing_for_the_new_holder(database: Database, tmp_path: Path) -> None:
    """What was claimed before is on somebody else's wire now."""
    room = sliced(database, tmp_path, "smtp://127.0.0.1:9", 5)
    span = slices_of(database, room.issue_id, 5)[0]
    with holding(database, span, START) as old:
        mails = claim(database, old, 1, START, 5)
        assert mails is not None
        with database.writing() as session:
            session.execute(update(Slice).values(holder="somebody else"))
            assert not is_ours(session, old)
        assert claim(database, old, 1, START, 5) is None
        release(database, mails, START, old)
    assert {row.state for row in room.rows().values()} == {"sending"}


def test_an_issue_that_began_before_there_were_slices_is_cut_when_it_goes_on(database: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        room = sliced(database, tmp_path, relay.url)
        with database.writing() as session:
            session.execute(delete(Slice))
        assert room.send().accepted == 34
        assert len(slices_of(database, room.issue_id, 5)) == 7
    assert room.state() == "sent"


def test_cancelling_such_an_issue_settles_what_a_dead_process_left_on_the_wire(database: Database, tmp_path: Path) -> None:
    room = sliced(database, tmp_path, "smtp://127.0.0.1:9", 12)
    first = min(row.id for row in room.rows().values())
    with database.writing() as session:
        session.execute(delete(Slice))
        session.execute(update(Delivery).where(Delivery.id == first).values(state="sending", attempts=1, first_tried_at=START))
    control.cancel(database, room.issue_id, START)
    assert (room.counts().unknown, room.counts().skipped) == (1, 11)


def test_cancelling_settles_the_slice_of_a_dead_process_and_leaves_that_of_a_living_one(database: Database, tmp_path: Path) -> None:
    """The living one finishes what is on its wire itself."""
    room = sliced(database, tmp_path, "smtp://127.0.0.1:9", 10)
    with database.writing() as session:
        session.execute(update(Delivery).values(state="sending", attempts=1, first_tried_at=START))
    with hold(database.engine, lock_of(room.issue_id, 2)):
        control.cancel(database, room.issue_id, START)
    assert (room.counts().unknown, room.counts().sending) == (5, 5)
    assert room.state() == "cancelled"


def test_hours_of_readers_hold_over_several_slices(database: Database, tmp_path: Path) -> None:
    """Two readers a slice: who chose an hour waits for it in whatever slice they are."""
    people = [HANAKO, TARO, ALICE, "bob@example.com", "carol@example.com"]
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, people, started=False, slice_size=2)
        for address, hour in ((TARO, 9), (ALICE, 11)):
            prefer(database, address, hour=hour, timezone=None)
        room.start()
        reached = []
        for hours in (0, 1, 2, 4):
            room.clock.now = START + hours * HOUR
            reached.append(room.send().accepted)
    assert reached == [3, 3, 4, 5]
    assert (room.state(), relay.recipients()) == ("sent", dict.fromkeys(people, 1))


def test_a_canary_may_be_larger_than_a_slice(database: Database, tmp_path: Path) -> None:
    """The first twelve of thirty-four go ahead, out of three slices; the others half an hour later."""
    with Relay() as relay:
        room = sliced(database, tmp_path, relay.url, started=False)
        object.__setattr__(room.settings.newsletters[0], "canary", 12)
        room.start()
        assert room.send().accepted == 12
        room.clock.pass_by(timedelta(minutes=29))
        assert room.send().accepted == 12
        room.clock.pass_by(timedelta(minutes=1))
        assert room.send().accepted == 34
    assert set(relay.recipients().values()) == {1}


def test_a_process_killed_in_its_second_slice_repeats_one_mail_at_most(database: Database, tmp_path: Path) -> None:
    """The first slice is done; the journal of the second says what was on the wire."""
    with Relay(lambda verb, _argument: SILENCE if verb == "." and len(relay.taken) == 7 else None) as relay:
        room = sliced(database, tmp_path, relay.url, connections=1)
        process = begin(room, {})
        deadline = time.monotonic() + 20
        while len(relay.taken) < 8 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert journals(room) == [f"issue-{room.issue_id}-2-{database_identity(database, START)}.journal"]
        relay.plan = lambda _verb, _argument: None
        assert room.send().accepted == 34
    assert len(relay.recipients()) == 34
    assert len(relay.taken) <= 35
    assert len({mail.message_id for mail in relay.taken}) == 34


@pytest.mark.parametrize(("lines", "state", "attempts"), [
    (("intent",), "unknown", 1), (("intent", "forgotten"), "queued", 0), (("intent", "forgotten", "intent"), "unknown", 1),
    (("intent", "forgotten", "intent", "accepted"), "accepted", 1), ((), "queued", 0)])
def test_the_last_word_of_a_journal_counts(database: Database, tmp_path: Path, lines: tuple[str, ...], state: str, attempts: int) -> None:
    """A mail that was put back never left; one that was given out once more may have. Its time for trying again begins with its first attempt."""
    room = sliced(database, tmp_path, "smtp://127.0.0.1:9", 1)
    (row,) = room.rows().values()
    with database.writing() as session:
        session.execute(update(Delivery).values(state="sending", attempts=1, first_tried_at=START))
    journal = Journal(tmp_path / "state" / "journal", database_identity(database, START), room.issue_id)
    words = {"intent": intent_line(row.id, START), "forgotten": forgotten_line(row.id, START),
             "accepted": outcome_line(row.id, Verdict("accepted", "250 ok"), START)}
    journal.close(settled=False)
    journal = Journal(tmp_path / "state" / "journal", database_identity(database, START), room.issue_id)
    for line in lines:
        journal.write(words[line])
    recover(database, journal, slices_of(database, room.issue_id, 5)[0], timedelta(hours=24), START + HOUR)
    journal.close(settled=True)
    (row,) = room.rows().values()
    assert (row.state, row.attempts, row.first_tried_at) == (state, attempts, START if attempts else None)


def test_a_pause_in_one_slice_holds_for_all(database: Database, tmp_path: Path) -> None:
    """It comes while the second is sent: nothing of the others leaves, and they go on when it does."""
    def plan(verb: str, _argument: str) -> str | None:
        if verb == "." and len(relay.taken) == 7:
            control.pause(database, room.issue_id, START)
        return None

    with Relay(plan) as relay:
        room = sliced(database, tmp_path, relay.url, connections=1)
        counts = room.send()
        assert 7 < counts.accepted <= 10
        assert (counts.sending, room.state()) == (0, "paused")
        control.resume(database, room.issue_id, START)
        assert room.send().accepted == 34
    assert set(relay.recipients().values()) == {1}
    with database.reading() as session:
        assert all(session.scalars(select(Slice.holder).where(Slice.issue_id == room.issue_id)))
