"""Every reader's row ends in what is true: accepted, refused, deferred, unknown or skipped, whatever the relay does."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from publisher.db import Database
from publisher.deliver import control
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.worker import check_relay
from publisher.errors import Busy, PublisherError
from publisher.locks import hold
from publisher.models import Edition, Telling
from subscribers.addresses import parse_address
from subscribers.registry.readers import leave
from subscribers.registry.suppressions import suppress
from tests import composing
from tests.mailing import START, newsroom
from tests.readers import ALICE, HANAKO, KEYS, TARO, ids_of, join
from tests.relay import HANG_UP, SILENCE, Relay

EVERYBODY = [HANAKO, TARO, ALICE]


def at(relay: Relay) -> str:
    """The relay's address in the settings."""
    return f"smtp://127.0.0.1:{relay.port}"


def test_every_reader_gets_one_mail_and_the_issue_is_sent(database: Database, tmp_path: Path) -> None:
    """Nothing is left in the journal's folder, and a second send finds nothing to do."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, at(relay), EVERYBODY)
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
def test_what_happens_to_one_reader_costs_one_reader(database: Database, tmp_path: Path, verb: str, answer: str, state: str) -> None:
    """The row says what the relay said, without an address; the others have their mail."""
    place = {"last": ""}

    def plan(said: str, argument: str) -> str | None:
        if said == "RCPT":
            place["last"] = argument
        return answer.format(TARO) if said == verb and TARO in (argument if said in ("RCPT", ".") else place["last"]) else None

    with Relay(plan) as relay:
        room = newsroom(database, tmp_path, at(relay), EVERYBODY, connections=1)
        room.send()
    rows = room.rows()
    assert {address: row.state for address, row in rows.items()} == {HANAKO: "accepted", ALICE: "accepted", TARO: state}
    assert TARO not in (rows[TARO].reason or "")
    assert rows[TARO].reason
    assert room.state() == ("sent" if state == "refused" else "sending")


def test_a_deferred_mail_is_tried_again_when_its_pause_is_over_and_given_up_after_a_day(database: Database, tmp_path: Path) -> None:
    """Not before, and not for ever."""
    with Relay(lambda verb, _argument: "451 4.7.1 later" if verb == "RCPT" else None) as relay:
        room = newsroom(database, tmp_path, at(relay), [HANAKO])
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


def test_a_mail_whose_answer_was_lost_is_sent_again_with_the_same_message_id(database: Database, tmp_path: Path) -> None:
    """Plain SMTP can be asked nothing: a repeat is better than a reader skipped, and can be recognised."""
    lost = threading.Event()

    def plan(verb: str, _argument: str) -> str | None:
        if verb == "." and not lost.is_set():
            lost.set()
            return HANG_UP
        return None

    with Relay(plan) as relay:
        room = newsroom(database, tmp_path, at(relay), [HANAKO])
        assert room.send().unknown == 1
        room.clock.pass_by(timedelta(minutes=10))
        assert room.send().accepted == 1
    assert len(relay.taken) == 2
    assert len({mail.message_id for mail in relay.taken}) == 1


def test_a_silent_close_after_some_mails_is_a_reconnect_and_no_failure(database: Database, tmp_path: Path) -> None:
    """Yahoo closes without a word after a number of mails."""
    def plan(verb: str, _argument: str) -> str | None:
        mails = len(relay.taken)
        return HANG_UP if verb == "MAIL" and mails and mails % 2 == 0 and relay.log[-2] != "ehlo localhost" else None

    with Relay(plan) as relay:
        room = newsroom(database, tmp_path, at(relay), [f"r{number}@example.jp" for number in range(7)], connections=1)
        assert room.send().accepted == 7
    assert set(relay.recipients().values()) == {1}


def test_421_closes_the_connection_and_costs_no_reader(database: Database, tmp_path: Path) -> None:
    """RFC 5321 section 3.8: the mail waits, the line is opened anew."""
    shut = threading.Event()

    def plan(verb: str, _argument: str) -> str | None:
        if verb == "MAIL" and not shut.is_set():
            shut.set()
            return "421 4.3.2 closing"
        return None

    with Relay(plan) as relay:
        room = newsroom(database, tmp_path, at(relay), [HANAKO, TARO], connections=1)
        counts = room.send()
        assert (counts.accepted, counts.deferred) == (1, 1)


@pytest.mark.parametrize(("verb", "answer", "says"), [
    ("MAIL", "550 5.7.1 sender not allowed", "refuses the sender"),
    ("MAIL", "530 5.7.0 login first", "refuses the sender"),
    ("CONNECT", "554 5.7.1 no service for you", "turns us away"),
])
def test_trouble_with_the_relay_marks_nobody(database: Database, tmp_path: Path, verb: str, answer: str, says: str) -> None:
    """No reader is refused for what is the newsroom's to mend, and the sentence names the relay."""
    with Relay(lambda said, _argument: answer if said == verb else None) as relay:
        room = newsroom(database, tmp_path, at(relay), EVERYBODY)
        with pytest.raises(RelayTrouble, match=says):
            room.send()
    assert room.counts().queued == 3
    assert room.state() == "sending"


def test_an_issue_that_is_refused_for_what_it_says_stops_by_itself(database: Database, tmp_path: Path) -> None:
    """Ten in a row: the rest of the readers still wait."""
    with Relay(lambda said, _argument: "554 5.7.1 spam" if said == "." else None) as relay:
        room = newsroom(database, tmp_path, at(relay), [f"r{number}@example.jp" for number in range(40)], connections=1)
        with pytest.raises(RelayTrouble, match="what this issue says"):
            room.send()
    counts = room.counts()
    assert 10 <= counts.refused <= 12
    assert counts.queued == 40 - counts.refused


def test_a_login_is_made_and_a_wrong_password_marks_nobody(database: Database, tmp_path: Path) -> None:
    """The password comes from the caller, never from the settings."""
    with Relay(credentials=("desk", "secret")) as relay:
        room = newsroom(database, tmp_path, f"smtp://desk@127.0.0.1:{relay.port}", [HANAKO])
        with pytest.raises(RelayTrouble, match="login") as wrong:
            room.send(password="guess")
        assert "guess" not in str(wrong.value)
        assert room.send(password="secret").accepted == 1


def test_a_relay_that_does_not_answer_at_all_marks_nobody(database: Database, tmp_path: Path) -> None:
    """The same rows are sent when it is back."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, at(relay), [HANAKO])
    with pytest.raises(RelayTrouble, match="does not answer"):
        room.send()
    with Relay(port=relay.port):
        assert room.send().accepted == 1


def test_a_stalling_relay_is_given_up_after_the_timeout(database: Database, tmp_path: Path) -> None:
    """Silence after the last byte is an unknown outcome, never a hang."""
    with Relay(lambda verb, _argument: SILENCE if verb == "." else None) as relay:
        room = newsroom(database, tmp_path, at(relay), [HANAKO], timeout="1s")
        assert room.send().unknown == 1


def test_a_carrier_address_is_offered_in_quotes_and_then_without(database: Database, tmp_path: Path) -> None:
    """a..b@docomo.ne.jp is an address, even where the server does not know the quoted form."""
    with Relay(lambda verb, argument: "501 5.1.3 syntax" if verb == "RCPT" and '"' in argument else None) as relay:
        room = newsroom(database, tmp_path, at(relay), ["a..b@docomo.ne.jp"])
        assert room.send().accepted == 1
    assert [mail.recipient for mail in relay.taken] == ["a..b@docomo.ne.jp"]


def test_who_left_or_was_suppressed_since_the_start_is_skipped(database: Database, tmp_path: Path) -> None:
    """Asked again at the moment of sending; the row says why."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, at(relay), EVERYBODY)
        leave(database, *ids_of(database, HANAKO), "clicked", START)
        suppress(database, KEYS, parse_address(TARO), "complaint", START)
        counts = room.send()
        assert (counts.accepted, counts.skipped) == (1, 2)
        assert relay.recipients() == {ALICE: 1}
    assert (room.rows()[HANAKO].reason, room.rows()[TARO].reason) == ("left", "suppressed")


def test_who_joins_after_the_start_waits_for_the_next_issue(database: Database, tmp_path: Path) -> None:
    """The readers of an issue are fixed when it starts."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, at(relay), [HANAKO])
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


def test_another_living_process_is_left_alone(database: Database, tmp_path: Path) -> None:
    """Busy at once, not a second mail."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, at(relay), [HANAKO])
        with hold(database.engine, control.lock_of(room.issue_id)), pytest.raises(Busy):
            room.send()
        assert relay.taken == []


def test_pause_in_mid_send_stops_within_two_seconds_and_resume_finishes(database: Database, tmp_path: Path) -> None:
    """By another hand, while a slow relay takes one mail after the other."""
    pace = threading.Event()
    with Relay(lambda verb, _argument: "250 ok" if verb == "." and pace.wait(0.05) is None else None) as relay:
        room = newsroom(database, tmp_path, at(relay), [f"r{number}@example.jp" for number in range(200)], connections=2)
        timer = threading.Timer(0.7, control.pause, (database, room.issue_id, START))
        timer.start()
        counts = room.send()
        assert room.state() == "paused"
        assert 0 < counts.accepted < 200
        assert counts.accepted == len(relay.taken)
        assert counts.queued == 200 - counts.accepted
        control.resume(database, room.issue_id, START)
        pace.set()
        assert room.send().accepted == 200
    assert set(relay.recipients().values()) == {1}


def test_a_stop_leaves_nothing_half_done(database: Database, tmp_path: Path) -> None:
    """The mail on the wire is finished, the others are queued again, and the journal is gone."""
    stop = threading.Event()
    wait = threading.Event()
    with Relay(lambda verb, _argument: "250 ok" if verb == "." and wait.wait(0.05) is None else None) as relay:
        room = newsroom(database, tmp_path, at(relay), [f"r{number}@example.jp" for number in range(100)], connections=2)
        threading.Timer(0.5, stop.set).start()
        counts = room.send(stop=stop)
        assert counts.sending == counts.unknown == 0
        assert counts.accepted == len(relay.taken) > 0
        assert counts.queued == 100 - counts.accepted
    assert list((tmp_path / "state" / "journal").iterdir()) == []


def test_cancel_frees_the_stories_of_which_nothing_left_and_only_those(database: Database, tmp_path: Path) -> None:
    """Before the start they are free for the next issue; after a mail has left they are told."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [HANAKO])
    control.cancel(database, room.issue_id, START)
    assert room.rows()[HANAKO].state == "skipped"
    with database.reading() as session:
        assert session.scalars(select(Telling)).all() == []
    with pytest.raises(PublisherError, match="cannot be cancelled"):
        control.cancel(database, room.issue_id, START)
    with pytest.raises(PublisherError, match="cannot be paused"):
        control.pause(database, room.issue_id, START)


def test_cancel_after_a_mail_has_left_keeps_the_tellings(database: Database, tmp_path: Path) -> None:
    """Hanako has read it: it is told."""
    with Relay(lambda verb, argument: "450 later" if verb == "RCPT" and TARO in argument else None) as relay:
        room = newsroom(database, tmp_path, at(relay), [HANAKO, TARO])
        room.send()
    control.cancel(database, room.issue_id, START)
    assert {row.state for row in room.rows().values()} == {"accepted", "skipped"}
    with database.reading() as session:
        assert all(telling.told_at for telling in session.scalars(select(Telling)))
        assert session.scalars(select(Telling)).all()


def test_a_relay_of_the_world_is_refused_while_the_links_lead_to_this_machine(tmp_path: Path) -> None:
    """Links to 127.0.0.1 in a reader's mail would lead nowhere, or somewhere worse."""
    here = composing.settings(root=tmp_path, site={"url": "http://localhost:8000"}, mail={"relay": "smtp://mail.example.jp"})
    with pytest.raises(PublisherError, match="lead nowhere"):
        check_relay(here)
    check_relay(composing.settings(root=tmp_path, mail={"relay": "smtp://mail.example.jp"}))
    check_relay(composing.settings(root=tmp_path, site={"url": "http://[::1]:8000"}, mail={"relay": "smtp://127.0.0.1:2525"}))
