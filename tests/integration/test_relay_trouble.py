"""Trouble with the relay is the newsroom's to mend: it stops the run with a sentence and marks no reader."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.deliver import control
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.worker import check_relay
from publisher.errors import PublisherError
from publisher.models_mail import Notice
from tests import composing
from tests.certificates import certificate
from tests.mailing import newsroom
from tests.readers import ALICE, HANAKO, TARO
from tests.relay import HANG_UP, SILENCE, Relay

EVERYBODY = [HANAKO, TARO, ALICE]
both_ways = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "line by line"])


@both_ways
def test_a_silent_close_after_some_mails_is_a_reconnect_and_no_failure(database: Database, tmp_path: Path, pipelining: bool) -> None:
    """Yahoo closes without a word after a number of mails."""
    def plan(verb: str, _argument: str) -> str | None:
        mails = len(relay.taken)
        return HANG_UP if verb == "MAIL" and mails and mails % 2 == 0 and relay.log[-2] != "ehlo localhost" else None

    with Relay(plan, pipelining=pipelining) as relay:
        room = newsroom(database, tmp_path, relay.url, [f"r{number}@example.jp" for number in range(7)], connections=1)
        assert room.send().accepted == 7
    assert set(relay.recipients().values()) == {1}


@both_ways
def test_421_closes_the_connection_and_costs_no_reader(database: Database, tmp_path: Path, pipelining: bool) -> None:
    """RFC 5321 section 3.8: the mail waits, the line is opened anew."""
    shut = threading.Event()

    def plan(verb: str, _argument: str) -> str | None:
        if verb == "MAIL" and not shut.is_set():
            shut.set()
            return "421 4.3.2 closing"
        return None

    with Relay(plan, pipelining=pipelining) as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO, TARO], connections=1)
        counts = room.send()
        assert (counts.accepted, counts.deferred) == (1, 1)


@pytest.mark.parametrize(("verb", "answer", "says"), [
    ("MAIL", "550 5.7.1 sender not allowed", "refuses the sender"),
    ("MAIL", "530 5.7.0 login first", "refuses the sender"),
    ("CONNECT", "554 5.7.1 no service for you", "turns us away"),
])
@both_ways
def test_trouble_with_the_relay_marks_nobody(database: Database, tmp_path: Path, verb: str, answer: str, says: str, pipelining: bool) -> None:
    """No reader is refused for what is the newsroom's to mend, and the sentence names the relay."""
    with Relay(lambda said, _argument: answer if said == verb else None, pipelining=pipelining) as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY)
        with pytest.raises(RelayTrouble, match=says):
            room.send()
    assert room.counts().queued == 3
    assert room.state() == "sending"


@pytest.mark.parametrize(("verb", "answer"), [
    (".", "554 5.7.1 spam"),
    ("RCPT", "554 5.7.1 <{}>: Relay access denied"),
    ("RCPT", "553 sorry, that domain isn't in my list of allowed rcpthosts"),
])
@both_ways
def test_a_relay_that_takes_nothing_makes_no_reader_one_to_be_given_up(database: Database, tmp_path: Path, verb: str, answer: str, pipelining: bool) -> None:
    """Ten in a row are its word about us or the issue: it is paused, the operator is told, and once it is mended everybody has the mail."""
    mended = threading.Event()

    def plan(said: str, argument: str) -> str | None:
        return answer.format(argument.partition("<")[2].rstrip(">")) if said == verb and not mended.is_set() else None

    with Relay(plan, pipelining=pipelining) as relay:
        room = newsroom(database, tmp_path, relay.url, [f"r{number}@example.jp" for number in range(40)], connections=2)
        with pytest.raises(RelayTrouble, match="takes none of these mails"):
            room.send()
        counts = room.counts()
        assert counts.refused == 0
        assert 10 <= counts.deferred <= 12
        assert counts.queued == 40 - counts.deferred
        assert room.state() == "paused"
        with database.reading() as session:
            (alert,) = session.scalars(select(Notice).where(Notice.kind == "alert"))
        assert alert.data["code"] == "relay_refuses"
        assert alert.data["said"].startswith(answer[:8])
        control.resume(database, room.issue_id, room.clock())
        mended.set()
        room.clock.pass_by(timedelta(minutes=10))
        assert room.send().accepted == 40
    assert set(relay.recipients().values()) == {1}


def test_three_readers_who_are_all_refused_for_our_sake_are_none_to_be_given_up(database: Database, tmp_path: Path) -> None:
    """A first try with a few readers says what is wrong instead of calling the issue sent; after a day it is given up all the same."""
    with Relay(lambda verb, _argument: "554 5.7.1 Relay access denied" if verb == "RCPT" else None) as relay:
        room = newsroom(database, tmp_path, relay.url, EVERYBODY)
        with pytest.raises(RelayTrouble, match="Relay access denied"):
            room.send()
        assert (room.counts().deferred, room.state()) == (3, "sending")
        room.clock.pass_by(timedelta(hours=25))
        with pytest.raises(RelayTrouble):
            room.send()
    assert (room.counts().refused, room.state()) == (3, "sent")


def test_unknown_readers_in_a_row_are_their_own_misfortune(database: Database, tmp_path: Path) -> None:
    """An old list: 5.1.1 is about the reader, however often it is said, and by whatever host."""
    with Relay(lambda verb, _argument: "550 5.1.1 relay.example.net: no such user" if verb == "RCPT" else None) as relay:
        room = newsroom(database, tmp_path, relay.url, [f"r{number}@example.jp" for number in range(15)])
        assert room.send().refused == 15
    assert room.state() == "sent"


def test_a_relay_with_room_for_two_is_served_over_two(database: Database, tmp_path: Path) -> None:
    """421 at the greeting means no further connection; the open ones carry the rest, and no reader is deferred."""
    with Relay() as relay:
        relay.plan = lambda verb, _argument: "421 4.7.0 too many connections" if verb == "CONNECT" and relay.open_now > 2 else (
            "250 ok" if verb == "." and threading.Event().wait(0.01) is False else None)
        room = newsroom(database, tmp_path, relay.url, [f"r{number}@example.jp" for number in range(60)], connections=4)
        assert room.send().accepted == 60
    assert set(relay.recipients().values()) == {1}


def test_a_login_is_made_and_a_wrong_password_marks_nobody(database: Database, tmp_path: Path) -> None:
    """The password comes from the caller, never from the settings."""
    with Relay(credentials=("desk", "secret")) as relay:
        room = newsroom(database, tmp_path, f"smtp://desk@127.0.0.1:{relay.port}", [HANAKO])
        with pytest.raises(RelayTrouble, match="login") as wrong:
            room.send(secrets={"mail": "guess"})
        assert "guess" not in str(wrong.value)
        assert room.send(secrets={"mail": "secret"}).accepted == 1


@pytest.mark.parametrize(("scheme", "at_once"), [("smtp+starttls", False), ("smtps", True)])
def test_mail_and_password_travel_encrypted_to_a_relay_that_proves_itself(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                          scheme: str, at_once: bool) -> None:
    """A certificate nobody vouches for ends the attempt before the password is said."""
    cert, context = certificate(tmp_path)
    with Relay(credentials=("desk", "secret"), tls=context, tls_at_once=at_once) as relay:
        room = newsroom(database, tmp_path, f"{scheme}://desk@127.0.0.1:{relay.port}", [HANAKO])
        with pytest.raises(RelayTrouble, match="trustworthy TLS"):
            room.send(secrets={"mail": "secret"})
        assert room.counts().queued == 1
        assert not any(line.startswith("AUTH") for line in relay.log)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert room.send(secrets={"mail": "secret"}).accepted == 1


def test_a_relay_without_starttls_gets_no_mail_in_the_clear(database: Database, tmp_path: Path) -> None:
    """Asked for is asked for: no falling back."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, f"smtp+starttls://127.0.0.1:{relay.port}", [HANAKO])
        with pytest.raises(RelayTrouble, match="STARTTLS"):
            room.send()
        assert relay.taken == []
    assert room.counts().queued == 1


def test_a_relay_that_does_not_answer_at_all_marks_nobody(database: Database, tmp_path: Path) -> None:
    """The same rows are sent when it is back."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO])
    with pytest.raises(RelayTrouble, match="does not answer"):
        room.send()
    with Relay(port=relay.port):
        assert room.send().accepted == 1


def test_a_stalling_relay_is_given_up_after_the_timeout(database: Database, tmp_path: Path) -> None:
    """Silence after the last byte is an unknown outcome, never a hang."""
    with Relay(lambda verb, _argument: SILENCE if verb == "." else None) as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO], timeout="1s")
        assert room.send().unknown == 1


def test_a_carrier_address_is_offered_in_quotes_and_then_without(database: Database, tmp_path: Path) -> None:
    """a..b@docomo.ne.jp is an address, even where the server does not know the quoted form."""
    with Relay(lambda verb, argument: "501 5.1.3 syntax" if verb == "RCPT" and '"' in argument else None) as relay:
        room = newsroom(database, tmp_path, relay.url, ["a..b@docomo.ne.jp"])
        assert room.send().accepted == 1
    assert [mail.recipient for mail in relay.taken] == ["a..b@docomo.ne.jp"]


def test_a_relay_of_the_world_is_refused_while_the_links_lead_to_this_machine(tmp_path: Path) -> None:
    """Links to 127.0.0.1 in a reader's mail would lead nowhere, or somewhere worse."""
    here = composing.settings(root=tmp_path, site={"url": "http://localhost:8000"}, mail={"relay": "smtp://mail.example.jp"})
    with pytest.raises(PublisherError, match="lead nowhere"):
        check_relay(here)
    check_relay(composing.settings(root=tmp_path, mail={"relay": "smtp://mail.example.jp"}))
    check_relay(composing.settings(root=tmp_path, site={"url": "http://[::1]:8000"}, mail={"relay": "smtp://127.0.0.1:2525"}))
