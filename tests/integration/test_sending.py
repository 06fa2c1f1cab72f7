"""Every reader's row ends in what is true: accepted, refused, deferred, unknown or skipped, whatever the relay does."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.models import Edition
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.registry.readers import leave
from subscribers.registry.suppressions import suppress
from tests.mailing import START, newsroom
from tests.readers import ALICE, HANAKO, KEYS, TARO, ids_of, join
from tests.relay import HANG_UP, Relay

EVERYBODY = [HANAKO, TARO, ALICE]
both_ways = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "line by line"])


@both_ways
def test_every_reader_gets_one_mail_and_the_issue_is_sent(database: Database, tmp_path: Path, pipelining: bool) -> None:
    """Nothing is left in the journal's folder, and a second send finds nothing to do."""
    with Relay(pipelining=pipelining) as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY)
        assert room.send().accepted == 3
        assert room.state() == "sent"
        assert room.send().accepted == 3
        assert relay.recipients() == dict.fromkeys(EVERYBODY, 1)
    assert list((tmp_path / "state" / "journal").iterdir()) == []


@pytest.mark.parametrize(("verb", "answer", "state"), [
    ("RCPT", "550 5.1.1 <{}>: User unknown", "refused"),
    ("RCPT", "450 4.2.0 grey-listed, come back", "deferred"),
    ("RCPT", "552 5.2.2 mailbox full", "deferred"),
    ("DATA", "451 4.3.0 later", "deferred"),
    ("DATA", "554 5.7.1 no", "refused"),
    (".", "452 4.3.1 disk full", "deferred"),
    (".", "554 5.6.0 not like this", "refused"),
    (".", HANG_UP, "unknown"),
])
@both_ways
def test_what_happens_to_one_reader_costs_one_reader(database: Database, tmp_path: Path, verb: str, answer: str, state: str, pipelining: bool) -> None:
    """The row says what the relay said, without an address; the others have their mail."""
    place = {"last": ""}

    def plan(said: str, argument: str) -> str | None:
        if said == "RCPT":
            place["last"] = argument
        return answer.format(TARO) if said == verb and TARO in (argument if said in ("RCPT", ".") else place["last"]) else None

    with Relay(plan, pipelining=pipelining) as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY, connections=1)
        room.send()
    rows = room.rows()
    assert {address: row.state for address, row in rows.items()} == {HANAKO: "accepted", ALICE: "accepted", TARO: state}
    assert TARO not in (rows[TARO].reason or "")
    assert rows[TARO].reason
    assert room.state() == ("sent" if state == "refused" else "sending")


def test_a_deferred_mail_is_tried_again_when_its_pause_is_over_and_given_up_after_a_day(database: Database, tmp_path: Path) -> None:
    """Not before, and not for ever."""
    with Relay(lambda verb, _argument: "451 4.7.1 later" if verb == "RCPT" else None) as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO])
        assert room.send().deferred == 1
        asked = len(relay.log)
        assert room.send().deferred == 1
        assert len(relay.log) == asked
        room.clock.pass_by(timedelta(minutes=10))
        assert room.send().deferred == 1
        assert len(relay.log) > asked
        room.clock.pass_by(timedelta(hours=25))
        assert room.send().refused == 1
    assert room.state() == "sent"
    assert (room.rows()[HANAKO].reason or "").startswith("gave up")


@both_ways
def test_a_mail_whose_answer_was_lost_is_sent_again_with_the_same_message_id(database: Database, tmp_path: Path, pipelining: bool) -> None:
    """Plain SMTP can be asked nothing: a repeat is better than a reader skipped, and can be recognised."""
    lost = threading.Event()

    def plan(verb: str, _argument: str) -> str | None:
        if verb == "." and not lost.is_set():
            lost.set()
            return HANG_UP
        return None

    with Relay(plan, pipelining=pipelining) as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO])
        assert room.send().unknown == 1
        room.clock.pass_by(timedelta(minutes=10))
        assert room.send().accepted == 1
    assert len(relay.taken) == 2
    assert len({mail.message_id for mail in relay.taken}) == 1


def test_who_left_or_was_suppressed_since_the_start_is_skipped(database: Database, tmp_path: Path) -> None:
    """Asked again at the moment of sending; the row says why."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY)
        leave(database, *ids_of(database, HANAKO), Evidence("web", "clicked"), START)
        suppress(database, KEYS, parse_address(TARO), "complaint", START)
        counts = room.send()
        assert (counts.accepted, counts.skipped) == (1, 2)
        assert relay.recipients() == {ALICE: 1}
    assert (room.rows()[HANAKO].reason, room.rows()[TARO].reason) == ("left", "suppressed")


def test_who_leaves_while_the_issue_is_being_sent_gets_no_mail(database: Database, tmp_path: Path) -> None:
    """A slow relay, a long queue, and Hanako at its end: her wish counts until a second or so before her turn."""
    going, gone = threading.Event(), threading.Event()

    def plan(verb: str, _argument: str) -> str | None:
        if verb == "." and len(relay.taken) >= 10:
            if not going.is_set():
                going.set()
                leave(database, *ids_of(database, HANAKO), Evidence("web", "clicked"), START)
                gone.set()
            gone.wait(10)  # however long her wish takes to be written: nobody is served meanwhile
        return "250 ok" if verb == "." and threading.Event().wait(0.02) is False else None

    with Relay(plan) as relay:
        room = newsroom(database, tmp_path, relay.url, [*(f"r{number}@example.jp" for number in range(150)), HANAKO], connections=2)
        counts = room.send()
    assert (counts.accepted, counts.skipped) == (150, 1)
    assert HANAKO not in relay.recipients()


def test_who_joins_after_the_start_waits_for_the_next_issue(database: Database, tmp_path: Path) -> None:
    """The readers of an issue are fixed when it starts."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO])
        join(database, TARO)
        assert room.send().total == 1


def test_an_edit_after_the_approval_voids_it(database: Database, tmp_path: Path) -> None:
    """What was approved is what goes out: the issue is a draft again and nobody is mailed."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [HANAKO], started=False)
    with database.writing() as session:
        session.execute(update(Edition).values(text="another text"))
    with pytest.raises(PublisherError, match="changed after it was approved"):
        room.start()
    assert room.state() == "draft"
    assert room.counts().total == 0


def test_an_issue_without_readers_is_sent_at_once(database: Database, tmp_path: Path) -> None:
    """Its posts and its page are out all the same."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [])
    room.send()
    assert room.state() == "sent"
