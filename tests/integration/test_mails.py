"""Each mail is what RFC 5322, 8058, 2369 and 2919 and the big receivers want, and the same bytes each time."""

import email
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.deliver.message import preview_eml
from publisher.errors import PublisherError
from publisher.links import preferences_token, preferences_url, read_leave_token
from publisher.models import Edition
from publisher.text.slots import slot
from publisher.tokens import Keys
from tests import composing
from tests.mailing import newsroom
from tests.readers import HANAKO, KEYS, TARO, ids_of
from tests.relay import Relay


def parsed(data: bytes) -> EmailMessage:
    """The mail as a program reads it."""
    message = email.message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_carries_the_headers_that_receivers_ask_for(database: Database, tmp_path: Path) -> None:
    """One From, one To, one-click, List-*, Feedback-ID; nothing twice, no line over 998, CRLF everywhere."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [HANAKO])
    data = preview_eml(database, room.settings, KEYS, room.issue_id, HANAKO)
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(len(line) for line in data.split(b"\r\n")) <= 998
    mail = parsed(data)
    names = [name.lower() for name in mail]
    assert len(names) == len(set(names))
    assert mail["From"] == "AI モーニング <news@news.example.jp>"
    assert mail["To"] == HANAKO
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Post"] == "NO"
    assert mail["Precedence"] == "bulk"
    assert mail["Content-Language"] == "ja"
    assert mail["Message-ID"].endswith("@news.example.jp>")
    assert "Auto-Submitted" not in mail
    link = str(mail["List-Unsubscribe"]).strip("<>")
    assert link.startswith("http://127.0.0.1:8000/u/")
    assert read_leave_token(KEYS, link.rpartition("/")[2]) == (*ids_of(database, HANAKO), room.issue_id)
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    for part in mail.iter_parts():
        assert part["Content-Transfer-Encoding"] == "base64"
        assert link in part.get_content().replace("&amp;", "&")


def test_two_readers_get_two_mails_and_one_reader_the_same_bytes_each_time(database: Database, tmp_path: Path) -> None:
    """Unique by reader, stable by reader: a repeat can be told from a second mail."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [HANAKO, TARO])
    one, again, other = (preview_eml(database, room.settings, KEYS, room.issue_id, who) for who in (HANAKO, HANAKO, TARO))
    assert one == again
    assert parsed(one)["Message-ID"] != parsed(other)["Message-ID"]
    assert parsed(one)["List-Unsubscribe"] != parsed(other)["List-Unsubscribe"]


def test_a_mail_tried_again_after_a_rotation_of_the_key_is_the_same_mail(database: Database, tmp_path: Path) -> None:
    """The issue remembers by which key it was signed."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, f"smtp://127.0.0.1:{relay.port}", [HANAKO])
        room.send()
    rotated = Keys(["a new key for tests only", "a key for tests only"])
    assert preview_eml(database, room.settings, rotated, room.issue_id, HANAKO) == relay.taken[0].data


def test_leaving_by_mail_and_bounce_addresses_appear_with_a_bounce_domain(database: Database, tmp_path: Path) -> None:
    """VERP: an envelope sender for each reader, at most 64 octets before the @, lower-case."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, f"smtp://127.0.0.1:{relay.port}", [HANAKO, TARO], bounce_domain="bounces.example.jp")
        room.send()
    senders = {mail.sender for mail in relay.taken}
    assert len(senders) == 2
    for sender in senders:
        local, _at, domain = sender.partition("@")
        assert domain == "bounces.example.jp"
        assert local.startswith("b+")
        assert local == local.lower()
        assert len(local) <= 64
    unsubscribe = str(parsed(relay.taken[0].data)["List-Unsubscribe"])
    assert unsubscribe.startswith("<http")
    assert "<mailto:u+" in unsubscribe


@pytest.mark.parametrize(("mail", "inbound", "sender", "leave"), [
    ({"bounce_domain": "bounces.example.jp"}, {"delimiter": "-"}, "b-", "u-"),
    ({}, {"domain": "in.example.jp", "listen": "lmtp://127.0.0.1:8024"}, "news@", "u+"),
    ({}, {"domain": "in.example.jp"}, "news@", None)])
def test_addresses_have_the_delimiter_of_the_mail_server_and_a_domain_that_takes_mail(
        database: Database, tmp_path: Path, mail: dict[str, str], inbound: dict[str, str], sender: str, leave: str | None) -> None:
    """Leaving by mail is offered wherever mail comes in; bounces go where the newsroom says."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, f"smtp://127.0.0.1:{relay.port}", [HANAKO])
        again = composing.settings(root=tmp_path, site={"url": "http://127.0.0.1:8000"}, mail={"relay": relay.url} | mail, inbound=inbound)
        replace(room, settings=again).send()
    assert relay.taken[0].sender.startswith(sender)
    unsubscribe = str(parsed(relay.taken[0].data)["List-Unsubscribe"])
    assert ("mailto:" in unsubscribe) == (leave is not None)
    assert leave is None or f"<mailto:{leave}" in unsubscribe


def test_the_footer_leads_to_the_readers_own_choices(database: Database, tmp_path: Path) -> None:
    """In both parts, beside the way out."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [HANAKO])
    mail = parsed(preview_eml(database, room.settings, KEYS, room.issue_id, HANAKO))
    link = preferences_url("http://127.0.0.1:8000", preferences_token(KEYS, *ids_of(database, HANAKO)))
    assert all(link in part.get_content() for part in mail.iter_parts())


def test_an_edition_frozen_before_there_were_choices_still_leaves(database: Database, tmp_path: Path) -> None:
    """It has no place for that link, and needs none."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, [HANAKO])
        with database.writing() as session:
            edition = session.scalars(select(Edition)).one()
            edition.html, edition.text = (part.replace(slot("preferences_url"), "") for part in (edition.html, edition.text))
        assert room.send().accepted == 1


def test_an_address_nobody_has_can_be_previewed_and_one_that_is_none_cannot(database: Database, tmp_path: Path) -> None:
    """`issues preview --eml` works before there are readers."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [])
    assert parsed(preview_eml(database, room.settings, KEYS, room.issue_id, "reader@example.com"))["To"] == "reader@example.com"
    with pytest.raises(PublisherError):
        preview_eml(database, room.settings, KEYS, room.issue_id, "nobody")
