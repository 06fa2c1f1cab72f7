"""The edges of the doors: bounds, several recipients, TLS to the mailbox, rests, and other processes."""

import smtplib
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from publisher.db import Database
from publisher.duties import duties
from publisher.errors import Busy, PublisherError
from publisher.jobs import Press
from publisher.locks import hold
from publisher.mailroom.imap import MailboxDuty, Place
from publisher.mailroom.reception import Reception
from publisher.mailroom.server import MailServer
from tests.dovecot import Dovecot, dovecot
from tests.inbound import DOMAIN, NOW, OWNER, REQUEST, SUBSCRIBE, Inbox, inbound_settings, written
from tests.mail_servers import free_port
from tests.readers import HANAKO, KEYS, TARO
from tests.relay import Relay


class Door:
    """An open door."""

    def __init__(self, database: Database, tmp_path: Path, scheme: str = "lmtp") -> None:
        self.port = free_port()
        listen = f"{scheme}://127.0.0.1:{self.port}"
        self.inbox = Inbox(database, inbound_settings(tmp_path, listen=listen, mail={"relay": "smtp://127.0.0.1:9", "timeout": "2s"}))
        self.server = MailServer(Reception(database, self.inbox.settings, KEYS, {}, lambda: NOW), listen)

    def __enter__(self) -> "Door":
        self.server.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.server.stop()


def answers(port: int, recipients: list[str], data: bytes) -> list[int]:
    """What a server hears for each recipient by LMTP."""
    with smtplib.LMTP("127.0.0.1", port, "mx.example.jp", timeout=10) as line:
        line.ehlo_or_helo_if_needed()
        line.mail(HANAKO)
        taken = [recipient for recipient in recipients if line.rcpt(recipient)[0] == 250]
        line.putcmd("data")
        line.getreply()
        line.send(data.replace(b"\n", b"\r\n") + b"\r\n.\r\n")
        return [line.getreply()[0] for _recipient in taken]


def test_one_recipient_may_fail_and_the_other_be_served(database: Database, tmp_path: Path) -> None:
    """The owner's relay is down: that copy stays with the server that brought it, the wish to join does not."""
    with Door(database, tmp_path) as door:
        assert answers(door.port, [OWNER, SUBSCRIBE], written()) == [451, 250]
        assert door.inbox.kinds() == ["confirm"]


def test_by_smtp_one_answer_serves_all_and_nothing_is_done_twice(database: Database, tmp_path: Path) -> None:
    """The mail comes again for the one that failed; the other knows it."""
    with Door(database, tmp_path, "smtp") as door, smtplib.SMTP("127.0.0.1", door.port, "mx.example.jp", timeout=10) as line:
        for _time in range(2):
            with pytest.raises(smtplib.SMTPDataError):
                line.sendmail(HANAKO, [SUBSCRIBE, OWNER], written())
        assert line.sendmail(HANAKO, [REQUEST], written(subject="help")) == {}
        assert door.inbox.kinds() == ["confirm", "help"]


def test_what_is_said_after_the_data_is_said_for_each_recipient(database: Database, tmp_path: Path) -> None:
    """Also that the mail is too large, which the library says once: the server would wait for the second answer until it gave up."""
    with Door(database, tmp_path) as door:
        assert answers(door.port, [SUBSCRIBE, REQUEST], written(body=f"{'x' * 70}\n" * 16_000)) == [552, 552]
        assert answers(door.port, [SUBSCRIBE, REQUEST], written(body="x" * 70_000)) == [250, 250]


def test_the_null_sender_and_utf_8_addresses_are_heard(database: Database, tmp_path: Path) -> None:
    with Door(database, tmp_path) as door, smtplib.LMTP("127.0.0.1", door.port, "mx.example.jp", timeout=10) as line:
        line.ehlo_or_helo_if_needed()
        assert line.docmd("MAIL FROM:<>")[0] == 250
        line.send("RCPT TO:<花子@lists.example.jp>\r\n".encode())
        assert line.getreply()[0] == 550
        assert line.docmd(f"RCPT TO:<@relay.example:{SUBSCRIBE}>")[0] == 250
        assert line.data(written())[0] == 250
        assert door.inbox.received() == ["silent:null-sender"]


def test_there_is_room_for_so_many_and_the_next_one_is_told(database: Database, tmp_path: Path) -> None:
    """421, and whoever hangs up makes room."""
    with Door(database, tmp_path) as door, ExitStack() as stack:
        held = [stack.enter_context(smtplib.LMTP("127.0.0.1", door.port, timeout=10)) for _one in range(50)]
        with pytest.raises(smtplib.SMTPConnectError) as raised:
            smtplib.LMTP("127.0.0.1", door.port, timeout=10)
        assert raised.value.smtp_code == 421
        held[0].quit()
        for _try in range(50):
            try:
                smtplib.LMTP("127.0.0.1", door.port, timeout=10).quit()
                break
            except smtplib.SMTPConnectError:
                threading.Event().wait(0.02)
        else:
            pytest.fail("no room was made")


def test_a_mail_has_so_many_recipients_at_most(database: Database, tmp_path: Path) -> None:
    with Door(database, tmp_path) as door, smtplib.LMTP("127.0.0.1", door.port, timeout=10) as line:
        line.ehlo_or_helo_if_needed()
        line.mail(HANAKO)
        assert [line.rcpt(SUBSCRIBE)[0] for _one in range(101)].count(452) == 1


def test_a_port_in_use_is_said_in_one_line(database: Database, tmp_path: Path) -> None:
    with Door(database, tmp_path) as door:
        again = MailServer(Reception(database, door.inbox.settings, KEYS, {}, lambda: NOW), f"lmtp://127.0.0.1:{door.port}")
        with pytest.raises(PublisherError, match=r"change inbound\.listen"):
            again.start()


def test_a_closed_door_can_be_opened_again_at_once(database: Database, tmp_path: Path) -> None:
    """A changed publisher.toml does that, with a mail server's line still open."""
    first = Door(database, tmp_path)
    with first:
        line = smtplib.LMTP("127.0.0.1", first.port, timeout=10)
        line.sendmail(HANAKO, [SUBSCRIBE], written())
    second = MailServer(Reception(database, first.inbox.settings, KEYS, {}, lambda: NOW), first.server.address)
    second.start()
    try:
        with pytest.raises(smtplib.SMTPServerDisconnected):
            line.noop()
        assert answers(first.port, [SUBSCRIBE], written()) == [250]
    finally:
        line.close()
        second.stop()


def test_no_address_stands_in_the_log(database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The library logs each line of the exchange."""
    with caplog.at_level(0), Door(database, tmp_path) as door:
        answers(door.port, [SUBSCRIBE], written())
    assert "hanako" not in caplog.text


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot({"desk": "secret"}, catch_all="desk") as running:
        yield running


def press(inbox: Inbox) -> Press:
    return Press(inbox.settings, inbox.database, KEYS, {}, {})


def polling(database: Database, tmp_path: Path, url: str, **more: Any) -> Inbox:
    return Inbox(database, inbound_settings(tmp_path, listen=None, imap=url, **more))


def test_the_mailbox_is_looked_at_as_often_as_was_said(database: Database, tmp_path: Path, server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    """And by TLS, when the server's certificate is one that this machine trusts."""
    monkeypatch.setenv("PUBLISHER_IMAP_PASSWORD", "secret")
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    inbox = polling(database, tmp_path, f"imaps://desk@localhost:{server.imaps_port}/INBOX", poll="5m")
    duty, stop = MailboxDuty(), threading.Event()
    for number, who in enumerate((HANAKO, TARO)):
        server.deliver(written(who, message_id=f"<{number}@example.jp>"), who, SUBSCRIBE)
        duty.work(press(inbox), inbox.clock, stop)
        inbox.clock.pass_by(timedelta(minutes=1))
    assert inbox.people() == [HANAKO]
    inbox.clock.pass_by(timedelta(minutes=5))
    duty.work(press(inbox), inbox.clock, stop)
    assert inbox.people() == [HANAKO, TARO]


def test_starttls_reaches_the_same_mailbox(database: Database, tmp_path: Path, server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_IMAP_PASSWORD", "secret")
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    inbox = polling(database, tmp_path, f"imap+starttls://desk@localhost:{server.imap_port}/INBOX")
    server.deliver(written(), HANAKO, SUBSCRIBE)
    MailboxDuty().work(press(inbox), inbox.clock, threading.Event())
    assert inbox.people() == [HANAKO]


def test_a_certificate_that_nobody_vouches_for_is_not_believed(database: Database, tmp_path: Path, server: Dovecot) -> None:
    inbox = polling(database, tmp_path, f"imaps://desk@localhost:{server.imaps_port}/INBOX")
    with pytest.raises(PublisherError, match="no trustworthy TLS") as raised:
        MailboxDuty().work(press(inbox), inbox.clock, threading.Event())
    assert isinstance(raised.value.__cause__, ssl.SSLError)


def test_a_login_that_is_refused_is_tried_more_and_more_seldom(database: Database, tmp_path: Path, server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts lock accounts. The pauses grow to a quarter of an hour, and a changed password is tried within that."""
    monkeypatch.setenv("PUBLISHER_IMAP_PASSWORD", "wrong")
    inbox = polling(database, tmp_path, f"imap://desk@127.0.0.1:{free_port()}/INBOX")
    duty, tries, begin = MailboxDuty(), [], inbox.clock()
    while (minute := int((inbox.clock() - begin) / timedelta(minutes=1))) < 50:
        try:
            duty.work(press(inbox), inbox.clock, threading.Event())
        except PublisherError:
            tries.append(minute)
        inbox.clock.pass_by(timedelta(minutes=1))
    assert tries == [0, 1, 3, 7, 15, 30, 45]


def test_two_processes_do_not_look_at_one_mailbox_at_once(database: Database, tmp_path: Path, server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_IMAP_PASSWORD", "secret")
    inbox = polling(database, tmp_path, server.url("desk"))
    with hold(database.engine, "mailbox"), pytest.raises(Busy):
        MailboxDuty().work(press(inbox), inbox.clock, threading.Event())


def test_a_database_that_does_not_answer_leaves_the_mail_where_it_lies(database: Database, tmp_path: Path, server: Dovecot,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next look takes it up, though others came behind it meanwhile."""
    monkeypatch.setenv("PUBLISHER_IMAP_PASSWORD", "secret")
    inbox = polling(database, tmp_path, server.url("desk"))
    with database.writing() as session:
        session.execute(text("ALTER TABLE signup_requests RENAME TO away"))
    before = len(server.mails("desk"))
    server.deliver(written(), HANAKO, SUBSCRIBE)
    server.deliver(written(subject="help", message_id="<2@example.jp>"), HANAKO, REQUEST)
    MailboxDuty().work(press(inbox), inbox.clock, threading.Event())
    assert inbox.kinds() == ["help"]
    assert len(server.mails("desk")) == before + 1
    with database.writing() as session:
        session.execute(text("ALTER TABLE away RENAME TO signup_requests"))
    MailboxDuty().work(press(inbox), inbox.clock, threading.Event())
    assert inbox.kinds() == ["help", "confirm"]
    assert len(server.mails("desk")) == before


def test_mail_to_a_person_that_waits_for_the_relay_holds_up_nobody_else(database: Database, tmp_path: Path, server: Dovecot,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    """Four lie in front of a wish to join; after three the relay is left alone."""
    monkeypatch.setenv("PUBLISHER_IMAP_PASSWORD", "secret")
    def plan(verb: str, _argument: str) -> str | None:
        return "451 4.3.2 closed" if closed and verb == "MAIL" else None

    closed = True
    with Relay(plan=plan) as relay:
        inbox = polling(database, tmp_path, server.url("desk"), mail={"relay": relay.url})
        for number in range(4):
            server.deliver(written(message_id=f"<{number}@example.jp>"), HANAKO, OWNER)
        server.deliver(written(), HANAKO, SUBSCRIBE)
        MailboxDuty().work(press(inbox), inbox.clock, threading.Event())
        assert inbox.kinds() == ["confirm"]
        assert [line.partition(" ")[0] for line in relay.log].count("MAIL") == 3
        closed = False
        MailboxDuty().work(press(inbox), inbox.clock, threading.Event())
        assert len(relay.taken) == 4
        assert server.mails("desk") == []


def test_a_mailbox_elsewhere_is_not_read_without_encryption(database: Database, tmp_path: Path) -> None:
    """The password would travel in the open."""
    inbox = polling(database, tmp_path, "imap://desk@imap.example.jp/INBOX")
    with pytest.raises(PublisherError, match="without encryption"):
        MailboxDuty().work(press(inbox), inbox.clock, threading.Event())


def test_without_a_mailbox_nothing_is_looked_at(database: Database, tmp_path: Path) -> None:
    """The duty is one of every service."""
    inbox = Inbox(database)
    MailboxDuty().work(press(inbox), inbox.clock, threading.Event())
    assert "mailbox" in [duty.name for duty in duties()]


@pytest.mark.parametrize(("url", "place"), [
    ("imaps://desk@imap.example.jp", Place("tls", "imap.example.jp", 993, "desk", "INBOX")),
    ("imap+starttls://desk%40example.jp@imap.example.jp:1143/Lists/In", Place("starttls", "imap.example.jp", 1143, "desk@example.jp", "Lists/In")),
    ("imap://desk@[::1]/%E5%8F%97%E4%BF%A1", Place("none", "::1", 143, "desk", "受信"))])
def test_the_place_of_a_mailbox(url: str, place: Place) -> None:
    assert Place.parse(url) == place


def test_an_address_of_ours_in_bounce_domain_only_is_taken(database: Database, tmp_path: Path) -> None:
    """Where `inbound.domain` is not set, mail comes in at the domain of envelope senders."""
    settings = inbound_settings(tmp_path, domain=None, mail={"bounce_domain": DOMAIN})
    assert Reception(database, settings, KEYS, {}, lambda: NOW).takes(SUBSCRIBE)
