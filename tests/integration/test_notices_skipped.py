"""Notices that are not sent after all, or not as they were asked for: people who left, requests that are over, words of strangers."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from publisher.db import Database
from publisher.deliver.notices import NoticeCounts
from publisher.models_mail import Notice
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.models import SignupRequest, Subscriber
from subscribers.registry import readers, suppressions
from tests.notices import notice_room, parsed
from tests.readers import ALICE, HANAKO, KEYS, TARO
from tests.relay import Relay


def later(verb: str, _argument: str) -> str | None:
    """A relay that wants every mail at another time."""
    return "451 later" if verb == "RCPT" else None


def test_who_must_not_be_mailed_any_more_is_skipped(database: Database, tmp_path: Path) -> None:
    """Suppressed, erased, left, and a request that was used, has expired or is gone: each with its reason, and no word to the relay."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        hanako, taro, alice = (room.reader(address) for address in (HANAKO, TARO, ALICE))
        used, expired = room.request(hanako, used_at=room.clock()), room.request(hanako, expires_at=room.clock())
        wanted = {room.write("goodbye", taro): "suppressed", room.write("welcome", alice): "left", room.write("leave", alice): "left",
                  room.write("confirm", hanako, request_id=used): "used", room.write("confirm", hanako, request_id=expired): "expired",
                  room.write("confirm", hanako, request_id=999): "expired", room.write("help", 999): "gone"}
        suppressions.suppress(database, KEYS, parse_address(TARO), "complaint", room.clock())
        readers.leave(database, 1, alice, Evidence("web", "button"), room.clock())
        assert room.send() == NoticeCounts(skipped=7)
    assert {notice: room.row(notice).reason for notice in wanted} == wanted
    assert relay.log == []


def test_who_is_suppressed_between_two_tries_gets_no_second_one(database: Database, tmp_path: Path) -> None:
    """The wish is looked at before each attempt."""
    with Relay(plan=later) as relay:
        room = notice_room(database, tmp_path, relay.url)
        notice = room.write("goodbye", room.reader(HANAKO))
        room.send()
        suppressions.suppress(database, KEYS, parse_address(HANAKO), "complaint", room.clock())
        room.clock.pass_by(timedelta(minutes=7))
        relay.plan = lambda _verb, _argument: None
        assert room.send() == NoticeCounts(skipped=1)
    assert (room.row(notice).reason, relay.taken) == ("suppressed", [])


def test_one_that_is_for_later_waits(database: Database, tmp_path: Path) -> None:
    """not_before is kept."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        notice = room.write("welcome", room.reader(HANAKO))
        room.change(notice, not_before=room.clock() + timedelta(hours=1))
        assert room.send() == NoticeCounts()
        room.clock.pass_by(timedelta(hours=1))
        assert room.send() == NoticeCounts(accepted=1)


def test_an_address_that_no_mail_can_carry_is_refused_and_stops_nobody(database: Database, tmp_path: Path) -> None:
    """It came into the table somehow."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        hanako, taro = room.reader(HANAKO), room.reader(TARO)
        with database.writing() as session:
            session.execute(update(Subscriber).where(Subscriber.id == hanako).values(address="ha nako@example.jp\r\nRCPT TO:<x@example.com>"))
        room.write("goodbye", hanako)
        room.write("goodbye", taro)
        assert room.send() == NoticeCounts(accepted=1, refused=1)
    assert relay.recipients() == {TARO: 1}


@pytest.mark.parametrize("answered", ["<a@b>\r\nBcc: x@example.com", "not an id", "<" + "a" * 300 + "@b>", "<a@b> <c@d>", "<日本@b>"])
def test_a_message_id_that_is_none_is_not_answered(database: Database, tmp_path: Path, answered: str) -> None:
    """It stood in a stranger's mail; the answer leaves without it."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        room.write("help", room.reader(HANAKO), in_reply_to=answered)
        assert room.send() == NoticeCounts(accepted=1)
    mail = parsed(relay.taken[0].data)
    assert [mail["In-Reply-To"], mail["References"], mail["Bcc"]] == [None, None, None]


def test_a_request_that_is_confirmed_while_its_mail_waits_gets_no_mail(database: Database, tmp_path: Path) -> None:
    """The relay wanted it later, and another mail or door was faster."""
    with Relay(plan=later) as relay:
        room = notice_room(database, tmp_path, relay.url)
        notice = room.write("confirm", room.reader(HANAKO))
        room.send()
        with database.writing() as session:
            session.execute(update(SignupRequest).values(used_at=room.clock()))
        room.clock.pass_by(timedelta(minutes=7))
        assert room.send() == NoticeCounts(skipped=1)
        with database.reading() as session:
            assert session.get_one(Notice, notice).reason == "used"
