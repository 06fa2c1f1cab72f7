"""Mails that belong to no newsletter, and their way: the first relay that is for all, a provider where there is nothing else, and our signature."""

from pathlib import Path
from typing import Any

import pytest

from publisher.db import Database
from publisher.deliver.dkim import load_key, make_key, record_name, record_value
from publisher.deliver.lines import usual_relay
from publisher.deliver.notices import NoticeCounts
from publisher.errors import PublisherError
from publisher.mailroom.reception import NotForwardedNow, Reception
from publisher.models_mail import Notice
from publisher.settings import Settings
from publisher.track.inbound import Envelope
from tests import composing
from tests.inbound import OWNER, Inbox, inbound_settings, written
from tests.notices import INBOUND, KINDS, NoticeRoom, settings
from tests.providers import KEY, FakeMailgun, FakePostmark, Got
from tests.readers import HANAKO, KEYS, TARO
from tests.relay import Relay
from tests.several import entry
from tests.signatures import verifies

SECRETS = {"far": KEY}


def room_with(database: Database, folder: Path, *relays: dict[str, Any], **more: Any) -> NoticeRoom:
    """A newsroom with these relays."""
    made = settings(root=folder, mail={"timeout": "3s"}, **more)
    made = Settings.model_validate(made.model_dump() | {"relays": relays})
    object.__setattr__(made, "_root", folder)
    return NoticeRoom(database, made)


@pytest.mark.parametrize(("entries", "takes"), [
    ([{"name": "docomo", "domains": ["docomo.ne.jp"]}, {"name": "paper", "newsletters": ["morning"]}, {"name": "usual"}, {"name": "other"}], "usual"),
    ([{"name": "docomo", "domains": ["docomo.ne.jp"]}, {"name": "paper", "newsletters": ["morning"]}], "docomo"),
    ([{"name": "pm", "url": "postmark://broadcast"}, {"name": "usual"}], "pm"), ([], "mail")])
def test_mails_of_no_newsletter_take_the_first_relay_that_is_for_all(entries: list[dict[str, Any]], takes: str) -> None:
    made = composing.settings(relays=[{"url": f"smtp://{one['name']}.example.net"} | one for one in entries])
    assert usual_relay(made).name == takes


def test_a_mail_that_carries_another_one_passes_postmark_by_where_it_can() -> None:
    """It takes a text and an HTML part, and nothing else."""
    pm, usual = {"name": "pm", "url": "postmark://broadcast"}, {"name": "usual", "url": "smtp://127.0.0.1"}
    assert usual_relay(composing.settings(relays=[pm, usual]), whole=True).name == "usual"
    assert usual_relay(composing.settings(relays=[pm]), whole=True).name == "pm"


@pytest.mark.parametrize(("kind", "url"), [(FakePostmark, "postmark://broadcast"), (FakeMailgun, "mailgun://mg.example.jp")])
def test_every_kind_of_notice_leaves_over_a_provider_alone(database: Database, tmp_path: Path, kind: Any, url: str) -> None:
    """Where there is no SMTP relay at all; each with its own Message-ID, marked as written by a program."""
    with kind() as fake:
        room = room_with(database, tmp_path, entry("far", url, endpoint=fake.url), inbound=INBOUND)
        hanako = room.reader(HANAKO)
        for one in KINDS:
            room.write(one, hanako)
        assert room.send(secrets=SECRETS) == NoticeCounts(accepted=7)
    assert len({mail.headers["message-id"] for mail in fake.mailbox}) == 7
    assert {mail.headers["auto-submitted"].partition("-")[0] for mail in fake.mailbox} == {"auto"}


@pytest.mark.parametrize(("secrets", "says"), [({}, "has no key"), ({"far": "wrong"}, "refuses the key")])
def test_without_the_key_the_notices_wait_as_they_are(database: Database, tmp_path: Path, secrets: dict[str, str], says: str) -> None:
    """However often it is tried: nothing was tried with them."""
    with FakePostmark() as fake:
        room = room_with(database, tmp_path, entry("far", "postmark://broadcast", endpoint=fake.url))
        notice = room.write("welcome", room.reader(HANAKO))
        for _try in range(3):
            with pytest.raises(PublisherError, match=says):
                room.send(secrets=secrets)
        assert (room.row(notice).state, room.row(notice).attempts) == ("queued", 0)
        assert room.send(secrets=SECRETS) == NoticeCounts(accepted=1)


def test_a_lost_answer_makes_one_notice_unknown_and_it_is_sent_again_as_the_same_mail(database: Database, tmp_path: Path) -> None:
    with FakePostmark(plan=["cut"]) as fake:
        room = room_with(database, tmp_path, entry("far", "postmark://broadcast", endpoint=fake.url))
        first, second = room.write("welcome", room.reader(HANAKO)), room.write("welcome", room.reader(TARO))
        assert room.send(secrets=SECRETS) == NoticeCounts(accepted=1, unknown=1)
        again = room.row(first).not_before
        assert again is not None
        room.clock.now = again
        assert room.send(secrets=SECRETS) == NoticeCounts(accepted=1)
    assert {room.row(notice).state for notice in (first, second)} == {"accepted"}
    assert len(fake.mailbox) == 3
    assert len({mail.headers["message-id"] for mail in fake.mailbox}) == 2


def test_notices_are_signed_where_the_newsroom_signs(database: Database, tmp_path: Path) -> None:
    """Every kind, in both encodings of its bodies, verified by dkimpy with the record of the key."""
    key = tmp_path / "state" / "dkim.pem"
    make_key(key)
    with Relay() as relay:
        room = room_with(database, tmp_path, entry("near", relay), inbound=INBOUND, dkim={"selector": "p1"}, site={"url": "http://127.0.0.1:8000"})
        hanako = room.reader(HANAKO)
        for language in ("ja", "en"):
            for one in KINDS:
                room.write(one, hanako, language)
        assert room.send() == NoticeCounts(accepted=14)
    record, name = record_value(load_key(key)), record_name("p1", "news.example.jp")
    assert [mail.recipient for mail in relay.taken if not verifies(mail.data, record, name)] == []
    assert not verifies(relay.taken[0].data.replace(b"Subject:", b"Subject: not"), record, name)


def test_a_provider_signs_notices_itself(database: Database, tmp_path: Path) -> None:
    """Ours would be thrown away."""
    make_key(tmp_path / "state" / "dkim.pem")
    with FakeMailgun() as fake:
        room = room_with(database, tmp_path, entry("far", "mailgun://mg.example.jp", endpoint=fake.url), dkim={"selector": "p1"})
        room.write("welcome", room.reader(HANAKO))
        assert room.send(secrets=SECRETS) == NoticeCounts(accepted=1)
    assert "dkim-signature" not in fake.mailbox[0].headers


def test_a_missing_key_of_the_signature_is_said_before_a_notice_is_taken(database: Database, tmp_path: Path) -> None:
    with Relay() as relay:
        room = room_with(database, tmp_path, entry("near", relay), dkim={"selector": "p1"}, site={"url": "http://127.0.0.1:8000"})
        notice = room.write("welcome", room.reader(HANAKO))
        with pytest.raises(PublisherError, match="the DKIM key .* is not there"):
            room.send()
        row: Notice = room.row(notice)
        assert (row.state, row.attempts, relay.log) == ("queued", 0, [])


class WholeMail(FakeMailgun):
    """Keeps what it is given as it is: a mail that carries another one."""

    def _mime(self, fields: dict[str, list[str]], recipients: list[str]) -> list[Got]:
        return [Got(one, ("", ""), "", {}, fields["message"][0], "") for one in recipients]


def bring(database: Database, folder: Path, secrets: dict[str, str], *relays: dict[str, Any]) -> str:
    """Somebody writes to the list's owner; what becomes of it."""
    made = inbound_settings(folder, mail={"timeout": "3s"})
    inbox = Inbox(database, Settings.model_validate(made.model_dump() | {"relays": relays}))
    mail = written(subject="Question", body="When does it leave?")
    return Reception(database, inbox.settings, KEYS, secrets, inbox.clock).receive(Envelope(HANAKO, OWNER), mail).outcome


def test_mail_to_an_owner_goes_on_over_a_provider_alone(database: Database, tmp_path: Path) -> None:
    """As it is, inside a mail of ours."""
    with WholeMail() as fake:
        assert bring(database, tmp_path, SECRETS, entry("far", "mailgun://mg.example.jp", endpoint=fake.url)) == "forwarded"
    (mail,) = fake.mailbox
    assert mail.to == "desk@news.example.jp"
    assert "message/rfc822" in mail.text
    assert "When does it leave?" in mail.text


def test_postmark_which_takes_no_mail_inside_another_is_passed_by_where_there_is_another_relay(database: Database, tmp_path: Path) -> None:
    """With Postmark alone a person has to look: it would refuse it for ever."""
    with FakePostmark() as fake, Relay() as near:
        far = entry("far", "postmark://broadcast", endpoint=fake.url)
        with pytest.raises(NotForwardedNow) as refused:
            bring(database, tmp_path, SECRETS, far)
        assert refused.value.hopeless
        assert bring(database, tmp_path, SECRETS, far, entry("near", near)) == "forwarded"
    assert len(near.taken) == 1


def test_without_the_key_mail_to_an_owner_waits_with_whoever_brought_it(database: Database, tmp_path: Path) -> None:
    with WholeMail() as fake:
        far = entry("far", "mailgun://mg.example.jp", endpoint=fake.url)
        for secrets in ({}, {"far": "wrong"}):
            with pytest.raises(NotForwardedNow) as later:
                bring(database, tmp_path, secrets, far)
            assert not later.value.hopeless
        assert bring(database, tmp_path, SECRETS, far) == "forwarded"
