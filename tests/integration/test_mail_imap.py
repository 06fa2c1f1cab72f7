"""A mailbox polled by IMAP, on a real Dovecot: what is ours is dealt with and moved, the rest stays, nothing is deleted, and a crash repeats nothing."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.mailroom.imap import look
from publisher.mailroom.reception import Reception
from publisher.models_mail import Mailbox
from tests.dovecot import Dovecot, dovecot
from tests.inbound import NOW, SUBSCRIBE, Inbox, inbound_settings, written
from tests.readers import HANAKO, KEYS, TARO, state_of

DONE = "Publisher"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """One Dovecot for these tests, with a mailbox for everything, as hosts offer it."""
    with dovecot({name: "secret" for name in ("desk", "other")}, catch_all="desk") as running:
        yield running


class Polled:
    """A newsroom that polls."""

    def __init__(self, database: Database, tmp_path: Path, server: Dovecot, user: str = "desk") -> None:
        self.server, self.database = server, database
        self.inbox = Inbox(database, inbound_settings(tmp_path, listen=None, imap=server.url(user)))
        with server.mailbox("desk") as box:
            box.delete(box.uids())
            if box.folder.exists(DONE):
                box.folder.delete(DONE)

    def poll(self, password: str = "secret") -> int:
        """One look."""
        return look(Reception(self.database, self.inbox.settings, KEYS, {}, lambda: NOW), password, threading.Event())


def test_a_wish_to_join_is_read_dealt_with_and_moved(database: Database, tmp_path: Path, server: Dovecot) -> None:
    """The recipient stands in Delivered-To, the sender in Return-Path."""
    room = Polled(database, tmp_path, server)
    server.deliver(written(), HANAKO, SUBSCRIBE)
    assert room.poll() == 1
    assert room.inbox.kinds() == ["confirm"]
    assert (len(server.mails("desk")), len(server.mails("desk", DONE))) == (0, 1)
    assert room.poll() == 0
    assert room.inbox.kinds() == ["confirm"]


def test_the_token_of_an_address_survives_the_mailbox(database: Database, tmp_path: Path, server: Dovecot) -> None:
    """LIST-confirm+TOKEN@ arrives as it was written."""
    room = Polled(database, tmp_path, server)
    server.deliver(written(), HANAKO, SUBSCRIBE)
    room.poll()
    server.deliver(written(TARO, "Re: Please confirm"), TARO, room.inbox.confirm_address())
    assert room.poll() == 1
    assert state_of(database, HANAKO) == "subscribed"


def test_other_mail_stays_where_it_lies_and_is_not_marked_as_read(database: Database, tmp_path: Path, server: Dovecot) -> None:
    """The mailbox is a person's as well."""
    room = Polled(database, tmp_path, server)
    server.deliver(written(subject="private").replace(SUBSCRIBE.encode(), b"desk@elsewhere.example"), HANAKO, "desk@elsewhere.example")
    assert room.poll() == 0
    with server.mailbox("desk") as box:
        [mail] = list(box.fetch(mark_seen=False))
        assert mail.flags == ()
    assert room.inbox.people() == []


def test_a_crash_between_the_deed_and_the_moving_repeats_nothing(database: Database, tmp_path: Path, server: Dovecot) -> None:
    """The mail lies there still, and nothing is remembered of it but its hash."""
    room = Polled(database, tmp_path, server)
    server.deliver(written(), HANAKO, SUBSCRIBE)
    room.poll()
    with server.mailbox("desk", DONE) as box:
        box.move(box.uids(), "INBOX")
    with database.writing() as session:
        session.execute(update(Mailbox).values(last_uid=0))
    assert room.poll() == 1
    assert room.inbox.kinds() == ["confirm"]
    assert len(server.mails("desk", DONE)) == 1


def test_a_mailbox_that_was_made_anew_is_read_from_its_beginning(database: Database, tmp_path: Path, server: Dovecot) -> None:
    """UIDs count within one UIDVALIDITY only (RFC 9051 section 2.3.1.1)."""
    room = Polled(database, tmp_path, server)
    server.deliver(written(), HANAKO, SUBSCRIBE)
    room.poll()
    with database.writing() as session:
        session.execute(update(Mailbox).values(uid_validity=1, last_uid=4_000_000))
    server.deliver(written(TARO, message_id="<2@example.jp>"), TARO, SUBSCRIBE)
    assert room.poll() == 1
    assert room.inbox.people() == [HANAKO, TARO]


def test_a_mail_that_cannot_be_read_costs_itself_only(database: Database, tmp_path: Path, server: Dovecot) -> None:
    """Broken MIME, wrong charsets, no From at all; the one behind it is dealt with."""
    room = Polled(database, tmp_path, server)
    for number, broken in enumerate((b"\r\n\r\n", b"From: <<>>\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n--\r\n",
                                     b"Subject: =?x?B?////?=\r\nContent-Type: text/plain; charset=nothing\r\n\r\n\xff\xfe\r\n")):
        server.deliver(b"X-Number: %d\r\n" % number + broken, f"x{number}@example.jp", SUBSCRIBE)
    server.deliver(written(), HANAKO, SUBSCRIBE)
    room.poll()
    assert room.inbox.kinds() == ["confirm"]
    assert room.inbox.people() == [HANAKO]


def test_a_wrong_password_is_said_in_one_line(database: Database, tmp_path: Path, server: Dovecot) -> None:
    """With the setting to look at, and without the user's name."""
    room = Polled(database, tmp_path, server)
    with pytest.raises(PublisherError) as raised:
        room.poll("wrong")
    assert "refuses the login" in str(raised.value)
    assert "PUBLISHER_IMAP_PASSWORD" in str(raised.value)
