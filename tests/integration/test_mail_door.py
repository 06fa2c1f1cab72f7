"""The door for mail: unknown addresses are refused at RCPT, 250 means done, and each recipient has an outcome of its own."""

import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from publisher.db import Database
from publisher.mailroom.reception import Reception
from publisher.mailroom.server import MailServer
from tests.inbound import DOMAIN, NOW, OWNER, SUBSCRIBE, UNSUBSCRIBE, Inbox, inbound_settings, written
from tests.mail_servers import free_port
from tests.readers import HANAKO, KEYS, state_of
from tests.relay import Relay


@contextmanager
def door(database: Database, tmp_path: Path, scheme: str = "lmtp", relay: str = "smtp://127.0.0.1:9") -> Iterator[tuple[Inbox, int]]:
    """An open door, and what came through it."""
    port = free_port()
    listen = f"{scheme}://127.0.0.1:{port}"
    inbox = Inbox(database, inbound_settings(tmp_path, listen=listen, mail={"relay": relay}))
    server = MailServer(Reception(database, inbox.settings, KEYS, {}, lambda: NOW), listen)
    server.start()
    try:
        yield inbox, port
    finally:
        server.stop()


@contextmanager
def line(port: int, kind: type[smtplib.SMTP] = smtplib.LMTP) -> Iterator[smtplib.SMTP]:
    """A connection, as a mail server opens one."""
    with kind("127.0.0.1", port, "mx.example.jp") as opened:
        opened.ehlo_or_helo_if_needed()
        yield opened


def test_what_is_no_address_of_ours_is_refused_at_rcpt(database: Database, tmp_path: Path) -> None:
    """Its sender hears of it from the server that has the mail still; nothing comes back from us later."""
    with door(database, tmp_path) as (_inbox, port), line(port) as lmtp:
        lmtp.mail(HANAKO)
        for unknown in (f"nobody@{DOMAIN}", f"other-subscribe@{DOMAIN}", "daily-subscribe@elsewhere.example", f"u+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@{DOMAIN}",
                        f"b+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@{DOMAIN}", f"daily-confirm+x@{DOMAIN}", "<>", DOMAIN):
            assert lmtp.rcpt(unknown)[0] in (550, 501, 553), unknown
        assert lmtp.rcpt(SUBSCRIBE)[0] == 250


def test_one_mail_to_two_of_our_addresses_has_two_answers_by_lmtp(database: Database, tmp_path: Path) -> None:
    """RFC 2033 section 4.2; the library's own server sends one, and the second answer times out."""
    with door(database, tmp_path) as (inbox, port), line(port) as lmtp:
        lmtp.mail(HANAKO)
        assert [lmtp.rcpt(SUBSCRIBE)[0], lmtp.rcpt(f"weekly-subscribe@{DOMAIN}")[0]] == [250, 250]
        lmtp.putcmd("data")
        assert lmtp.getreply()[0] == 354
        lmtp.send(written().replace(b"\n", b"\r\n") + b"\r\n.\r\n")
        assert [lmtp.getreply()[0], lmtp.getreply()[0]] == [250, 250]
        assert len(inbox.received()) == 2


def test_250_means_that_it_is_done(database: Database, tmp_path: Path) -> None:
    """By LMTP and by SMTP alike; the same mail on the same line again is known."""
    for scheme, kind in (("lmtp", smtplib.LMTP), ("smtp", smtplib.SMTP)):
        with door(database, tmp_path, scheme) as (inbox, port), line(port, kind) as opened:
            for _time in range(2):
                assert opened.sendmail(HANAKO, [SUBSCRIBE], written()) == {}
        assert inbox.kinds() == ["confirm"]


def test_a_database_that_does_not_answer_keeps_the_mail_with_its_server(database: Database, tmp_path: Path) -> None:
    """451, and brought again it counts: nothing that was taken is lost, nothing that is lost was taken."""
    with door(database, tmp_path) as (inbox, port), line(port) as lmtp:
        with database.writing() as session:
            session.execute(text("ALTER TABLE signup_requests RENAME TO away"))
        lmtp.mail(HANAKO)
        lmtp.rcpt(SUBSCRIBE)
        assert lmtp.data(written())[0] == 451
        with database.writing() as session:
            session.execute(text("ALTER TABLE away RENAME TO signup_requests"))
        assert inbox.notices() == []
        assert lmtp.sendmail(HANAKO, [SUBSCRIBE], written()) == {}
        assert inbox.kinds() == ["confirm"]


def test_a_mail_that_is_too_large_is_refused_and_the_line_goes_on(database: Database, tmp_path: Path) -> None:
    """552 to this one, 250 to the next."""
    with door(database, tmp_path) as (inbox, port), line(port) as lmtp:
        lmtp.mail(HANAKO)
        lmtp.rcpt(SUBSCRIBE)
        assert lmtp.data(written(body="x\n" * 600_000).replace(b"\n", b"\r\n"))[0] == 552
        lmtp.mail(HANAKO)
        lmtp.rcpt(SUBSCRIBE)
        assert lmtp.data(written() + b"x" * 100_000)[0] == 500
        assert lmtp.sendmail(HANAKO, [SUBSCRIBE], written(message_id="<2@example.jp>")) == {}
        assert inbox.kinds() == ["confirm"]


def test_mail_to_an_owner_goes_on_to_a_person_and_is_taken_only_then(database: Database, tmp_path: Path) -> None:
    """While the relay does not answer it stays with the server that brought it."""
    with door(database, tmp_path) as (_inbox, port), line(port) as lmtp:
        lmtp.mail(HANAKO)
        lmtp.rcpt(OWNER)
        assert lmtp.data(written(subject="A question"))[0] == 451
    with Relay() as relay, door(database, tmp_path, relay=f"smtp://127.0.0.1:{relay.port}") as (inbox, port), line(port) as lmtp:
        for _time in range(2):
            assert lmtp.sendmail(HANAKO, [OWNER], written(subject="A question")) == {}
        assert [mail.recipient for mail in relay.taken] == ["desk@news.example.jp"]
        assert b"message/rfc822" in relay.taken[0].data
        assert inbox.received() == ["forwarded"]


def test_a_carrier_address_without_quotes_is_heard(database: Database, tmp_path: Path) -> None:
    """a..b@docomo.ne.jp is no address of RFC 5321, and is somebody's."""
    with door(database, tmp_path) as (inbox, port), line(port) as lmtp:
        lmtp.docmd("MAIL FROM:<a..b@docomo.ne.jp>")
        assert lmtp.rcpt(SUBSCRIBE)[0] == 250
        assert lmtp.data(b"From: a..b@docomo.ne.jp\r\nSubject: subscribe\r\n\r\n")[0] == 250
        assert inbox.people() == ["a..b@docomo.ne.jp"]


def test_garbage_costs_its_own_line_only(database: Database, tmp_path: Path) -> None:
    """Bytes that are no protocol, a hang-up in the middle of a mail."""
    with door(database, tmp_path) as (inbox, port):
        with socket.create_connection(("127.0.0.1", port), 5) as raw:
            raw.sendall(b"\x00\xff\r\nGET / HTTP/1.1\r\n" + b"A" * 5000 + b"\r\n")
            raw.recv(1000)
        with socket.create_connection(("127.0.0.1", port), 5) as raw:
            raw.recv(1000)
            for command in (b"LHLO x\r\n", b"MAIL FROM:<hanako@example.jp>\r\n", f"RCPT TO:<{SUBSCRIBE}>\r\n".encode(), b"DATA\r\n"):
                raw.sendall(command)
                raw.recv(1000)
            raw.sendall(b"From: hanako@example.jp\r\n")
        assert inbox.people() == []
        with line(port) as lmtp:
            assert lmtp.sendmail(HANAKO, [SUBSCRIBE], written()) == {}
        assert inbox.kinds() == ["confirm"]


def test_leaving_by_the_address_in_the_header_works_through_the_door(database: Database, tmp_path: Path) -> None:
    """Microsoft's button sends a mail, and nothing else."""
    with door(database, tmp_path) as (inbox, port), line(port) as lmtp:
        address = inbox.reader()
        assert lmtp.sendmail(HANAKO, [address], written(subject="unsubscribe")) == {}
        assert state_of(database, HANAKO) == "left"
        assert lmtp.sendmail(HANAKO, [UNSUBSCRIBE], written(subject="", message_id="<9@example.jp>")) == {}
