"""Mail to an owner goes on to a person: whole, from us, once, and never round in a circle."""

import email
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from publisher.db import Database
from publisher.mailroom.reception import Reception, TryLater
from publisher.track.inbound import Envelope
from tests.inbound import DOMAIN, OWNER, Inbox, inbound_settings, written
from tests.readers import HANAKO, KEYS
from tests.relay import Relay


class Desk:
    """A newsroom with a relay, and what reached its people."""

    def __init__(self, database: Database, tmp_path: Path, relay: Relay, **settings: Any) -> None:
        mail = {"relay": relay.url, "timeout": "3s"} | settings.pop("mail", {})
        self.inbox, self.relay = Inbox(database, inbound_settings(tmp_path, mail=mail, **settings)), relay
        self.reception = Reception(database, self.inbox.settings, KEYS, {}, self.inbox.clock)

    def bring(self, data: bytes, recipient: str = OWNER, sender: str | None = HANAKO) -> str:
        """Hand a mail over; what became of it."""
        return self.reception.receive(Envelope(sender, recipient), data).outcome

    def sent(self) -> EmailMessage:
        """The last mail to a person."""
        found = email.message_from_bytes(self.relay.taken[-1].data, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found


def test_the_mail_arrives_whole_inside_one_of_ours(database: Database, tmp_path: Path) -> None:
    """Its headers speak for nobody but its writer; an answer goes to them."""
    data = written(subject="=?utf-8?b?6LOq5ZWP?=", body="お元気ですか。\n.\n..\nEnd").replace(b"\n", b"\r\n")
    with Relay() as relay:
        desk = Desk(database, tmp_path, relay)
        assert desk.bring(data) == "forwarded"
        mail = desk.sent()
        assert relay.taken[0].sender == "news@news.example.jp"
    assert (mail["From"], mail["To"], mail["Reply-To"]) == ("Example Morning <news@news.example.jp>", "desk@news.example.jp", HANAKO)
    assert mail["Subject"] == f"Mail to {OWNER}"
    assert mail["Auto-Submitted"] == "auto-generated"
    attached = next(mail.iter_attachments())
    assert attached.get_content_type() == "message/rfc822"
    assert data.rstrip() in relay.taken[0].data


@pytest.mark.parametrize(("names", "mail", "owner"), [
    ({"name": "daily", "owner": "Editor <editor@example.jp>"}, {"operator": "op@example.jp"}, "editor@example.jp"),
    ({"name": "daily"}, {"operator": "op@example.jp"}, "op@example.jp"), ({"name": "daily"}, {}, "desk@news.example.jp")])
def test_the_person_is_the_lists_owner_else_the_operator_else_the_contact(database: Database, tmp_path: Path, names: dict[str, str],
                                                                          mail: dict[str, str], owner: str) -> None:
    with Relay() as relay:
        Desk(database, tmp_path, relay, names=(names,), mail=mail).bring(written())
        assert [one.recipient for one in relay.taken] == [owner]


def test_postmaster_is_a_person_too(database: Database, tmp_path: Path) -> None:
    """RFC 5321 section 4.5.1: every domain that takes mail has one."""
    with Relay() as relay:
        assert Desk(database, tmp_path, relay).bring(written(), f"Postmaster@{DOMAIN}", "") == "forwarded"
        assert len(relay.taken) == 1


def test_what_a_program_wrote_is_passed_on_as_well(database: Database, tmp_path: Path) -> None:
    """Silence is for answers; a person may want to see it."""
    with Relay() as relay:
        assert Desk(database, tmp_path, relay).bring(written(Auto_Submitted="auto-replied", Precedence="bulk"), sender="") == "forwarded"


def test_a_mail_of_ours_that_comes_back_goes_nowhere(database: Database, tmp_path: Path) -> None:
    """The owner's mailbox forwards to our address: two answers of that kind would go on for ever."""
    with Relay() as relay:
        desk = Desk(database, tmp_path, relay)
        desk.bring(written())
        assert desk.bring(relay.taken[0].data) == "silent:loop"
        assert len(relay.taken) == 1


def test_an_owner_who_is_our_own_address_is_no_person(database: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        assert Desk(database, tmp_path, relay, mail={"operator": f"weekly-owner@{DOMAIN}"}).bring(written()) == "silent:loop"
        assert relay.taken == []


def test_a_flood_stays_with_whoever_brings_it(database: Database, tmp_path: Path) -> None:
    """Sixty an hour are read by a person; the rest comes later."""
    with Relay() as relay:
        desk = Desk(database, tmp_path, relay)
        for number in range(60):
            desk.bring(written(message_id=f"<{number}@example.jp>"))
        with pytest.raises(TryLater):
            desk.bring(written(message_id="<one-too-many@example.jp>"))
        desk.inbox.clock.pass_by(timedelta(minutes=61))
        assert desk.bring(written(message_id="<one-too-many@example.jp>")) == "forwarded"
        assert len(relay.taken) == 61


@pytest.mark.parametrize(("answer", "hopeless"), [("450 4.2.0 later", False), ("554 5.7.1 spam", True), ("hang up", False)])
def test_what_the_relay_does_not_take_is_not_taken(database: Database, tmp_path: Path, answer: str, hopeless: bool) -> None:
    """And is remembered only once it was."""
    with Relay(plan=lambda verb, _argument: answer if verb == "." else None) as relay:
        desk = Desk(database, tmp_path, relay)
        with pytest.raises(TryLater) as raised:
            desk.bring(written())
        assert raised.value.hopeless == hopeless
        relay.plan = lambda _verb, _argument: None
        assert desk.bring(written()) == "forwarded"


def test_a_mail_with_bare_line_ends_and_raw_bytes_is_carried(database: Database, tmp_path: Path) -> None:
    """A lone line feed before a dot would end the mail early (SMTP smuggling)."""
    data = b"From: hanako@example.jp\nSubject: " + "質問".encode("cp932") + b"\n\n.\n\r.\r\nMAIL FROM:<x@y>\n\xff\n"
    with Relay() as relay:
        desk = Desk(database, tmp_path, relay)
        assert desk.bring(data) == "forwarded"
        assert b"\n.\r\n" in relay.taken[0].data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        assert len(relay.taken) == 1
        assert b"\xff" in relay.taken[0].data


def test_a_mail_to_an_owner_that_is_too_large_is_not_carried(database: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        assert Desk(database, tmp_path, relay).bring(written(body="x" * 1_100_000)) == "silent:too-large"
        assert relay.taken == []
