"""What a reader's row says after an answer of the relay: docs/answers.md, gone through with a real relay and a whole issue."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.db import Database
from publisher.deliver.smtp import RelayTrouble
from tests.answers import GREETING, MAIL, TABLE, Answer
from tests.mailing import START, Newsroom, crowd, newsroom
from tests.readers import HANAKO, TARO, join
from tests.relay import HANG_UP, Plan, Relay

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
FIRST_PAUSE = (timedelta(minutes=5), timedelta(minutes=6))
# One reader each, with somebody whose mail is taken before and after him.
ONE_BY_ONE = [answer for answer in TABLE if answer.kind in ("accepted", "refused", "held", "deferred") and not answer.pause and not answer.again]


def in_words(answer: Answer, address: str) -> str:
    """The answer as a relay says it."""
    words = answer.text.format(address)
    return f"{answer.code}-{words}\r\n{answer.code} and so on" if answer.said[3] == "-" else f"{answer.code} {words}"


def one_by_one(answers: dict[str, Answer]) -> Plan:
    """A relay that has an answer for some readers; MAIL does not name them, so that they are counted there."""
    place = {"number": -1, "reader": ""}

    def plan(verb: str, argument: str) -> str | None:
        if verb == "MAIL":
            place["number"] += 1
            place["reader"] = f"r{place['number']}@example.jp"
        answer = answers.get(str(place["reader"]))
        return in_words(answer, str(place["reader"])) if answer is not None and answer.verb == verb else None

    return plan


def crowded(database: Database, folder: Path, relay: Relay, number: int, **mail: object) -> Newsroom:
    """An issue for r0@example.jp and so on, over one connection."""
    room = newsroom(database, folder, relay.url, [], started=False, connections=1, **mail)
    crowd(database, number)
    room.start()
    return room


def test_every_answer_leaves_the_row_that_the_table_says(database: Database, tmp_path: Path) -> None:
    """One issue, one connection from beginning to end, and every other reader has his mail."""
    answers = {f"r{2 * index + 1}@example.jp": answer for index, answer in enumerate(ONE_BY_ONE)}
    with Relay(one_by_one(answers)) as relay:
        room = crowded(database, tmp_path, relay, 2 * len(answers) + 1)
        room.send()
        assert len(relay.sessions) == 1
    rows = room.rows()
    for address, answer in answers.items():
        row = rows[address]
        assert row.state == ("refused" if answer.kind == "held" else answer.kind), answer
        assert (row.reason or "").startswith(str(answer.code)), answer
        assert "@" not in (row.reason or ""), answer
        assert answer.said[3] != "-" or (row.reason or "").endswith("and so on")
        if row.state == "deferred":
            assert row.not_before is not None
            assert FIRST_PAUSE[0] <= row.not_before - START <= FIRST_PAUSE[1]
        else:
            assert row.not_before is None
    assert {row.state for address, row in rows.items() if address not in answers} == {"accepted"}
    assert {mail.recipient for mail in relay.taken} == {address for address, row in rows.items() if row.state == "accepted"}


@on_sqlite
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_421_puts_one_reader_off_and_the_others_take_a_new_connection(database: Database, tmp_path: Path, verb: str) -> None:
    """After a rest of two seconds."""
    said = threading.Event()

    def plan(asked: str, _argument: str) -> str | None:
        if asked != verb or said.is_set():
            return None
        said.set()
        return "421 4.3.2 Service shutting down"

    with Relay(plan) as relay:
        room = crowded(database, tmp_path, relay, 5)
        counts = room.send()
        assert (counts.accepted, counts.deferred) == (4, 1)
        assert len(relay.sessions) == 2
    row = room.rows()["r0@example.jp"]
    assert (row.state, row.reason) == ("deferred", "421 4.3.2 Service shutting down")
    assert row.not_before is not None
    assert FIRST_PAUSE[0] <= row.not_before - START <= FIRST_PAUSE[1]


@on_sqlite
@pytest.mark.parametrize("answer", [one for one in GREETING if one.kind == "us"] + [one for one in MAIL if one.kind == "us"][::4], ids=lambda one: f"{one.verb} {one.code}")
def test_what_is_about_us_leaves_every_row_as_it_was(database: Database, tmp_path: Path, answer: Answer) -> None:
    """Queued, without a reason; the run ends with the relay's own words."""
    verbs = ("EHLO", "HELO") if answer.verb == "EHLO" else (answer.verb,)
    with Relay(lambda verb, _argument: in_words(answer, "") if verb in verbs else None, credentials=("desk", "secret") if answer.verb == "AUTH" else None) as relay:
        room = newsroom(database, tmp_path, relay.url.replace("//", "//desk@") if answer.verb == "AUTH" else relay.url, [HANAKO, TARO])
        with pytest.raises(RelayTrouble, match=str(answer.code)):
            room.send(secrets={"mail": "secret"})
        assert relay.taken == []
    assert [(row.state, row.reason, row.not_before, row.attempts) for row in room.rows().values()] == [("queued", None, None, 0)] * 2


@on_sqlite
def test_a_relay_that_takes_no_connection_for_now_is_asked_three_times(database: Database, tmp_path: Path) -> None:
    """421 to each of them: the rows stay as they are, and the service tries again."""
    with Relay(lambda verb, _argument: "421 4.3.2 Service not available" if verb == "CONNECT" else None) as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO], connections=1)
        with pytest.raises(RelayTrouble, match="turns us away: 421"):
            room.send()
        assert len(relay.sessions) == 3
    assert room.counts().queued == 1


@on_sqlite
@pytest.mark.parametrize("answer", ["421 4.7.28 Gmail has detected an unusual rate of mail. gsmtp", "450 4.7.28 Gmail has detected an unusual rate of mail. gsmtp"])
def test_an_answer_about_our_pace_makes_the_others_of_those_receivers_wait(database: Database, tmp_path: Path, answer: str) -> None:
    """The one whom it met is deferred; who comes behind is a queued row that says until when and for whom; all others have their mail."""
    with Relay(lambda verb, argument: answer if verb == "RCPT" and "gmail.com" in argument else None) as relay:
        room = newsroom(database, tmp_path, relay.url, ["mika@gmail.com"], started=False, connections=1)
        crowd(database, 60)
        join(database, "yuta@gmail.com")
        room.start()
        counts = room.send()
        assert (counts.accepted, counts.deferred, counts.queued) == (60, 1, 1)
    rows = room.rows()
    assert (rows["mika@gmail.com"].state, rows["mika@gmail.com"].reason) == ("deferred", answer)
    waiting = rows["yuta@gmail.com"]
    assert (waiting.state, waiting.reason, waiting.attempts) == ("queued", "gmail.com asked for a rest", 0)
    assert waiting.not_before is not None
    assert waiting.not_before - START == timedelta(minutes=10)


@on_sqlite
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "."])
def test_an_answer_about_the_relays_own_pace_makes_everybody_wait(database: Database, tmp_path: Path, verb: str) -> None:
    """What was in hand already may still leave; the rest waits as queued rows."""
    said = threading.Event()

    def plan(asked: str, _argument: str) -> str | None:
        if asked != verb or said.is_set():
            return None
        said.set()
        return "450 4.7.1 Error: too much mail from 192.0.2.1"

    with Relay(plan) as relay:
        room = crowded(database, tmp_path, relay, 100)
        counts = room.send()
    assert counts.deferred == 1
    waiting = [row for row in room.rows().values() if row.state == "queued"]
    assert len(waiting) == counts.queued > 50
    assert {(row.reason, row.not_before) for row in waiting} == {("the relay mail asked for a rest", START + timedelta(minutes=10))}


@on_sqlite
def test_a_mail_that_the_relay_has_already_ends_as_accepted(database: Database, tmp_path: Path) -> None:
    """Its answer was lost; when it comes again the relay knows its Message-ID. A first mail refused in the same words is refused."""
    lost = threading.Event()

    def plan(verb: str, argument: str) -> str | None:
        if verb != "." or argument == TARO:
            return None
        if lost.is_set():
            return "550 5.7.1 message already received"
        lost.set()
        return HANG_UP

    with Relay(plan) as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO, TARO], connections=1)
        assert room.send().unknown == 1
        assert (room.rows()[HANAKO].reason or "").startswith("no answer after the last byte")
        room.clock.pass_by(timedelta(minutes=10))
        assert room.send().accepted == 2
        assert relay.recipients() == {HANAKO: 1, TARO: 1}
    assert room.rows()[HANAKO].reason == "550 5.7.1 message already received"
