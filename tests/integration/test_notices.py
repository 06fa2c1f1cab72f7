"""Mails that are no issue, from the row to a real relay: who gets one, who no longer does, and what happens when the relay or the process fails."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.courier import Courier
from publisher.db import Database
from publisher.deliver.notices import LOCK, NoticeCounts
from publisher.deliver.smtp import RelayTrouble
from publisher.errors import BadInput, Busy, PublisherError
from publisher.jobs import Press
from publisher.links import BOUNCE, CONFIRM, LEAVE, NOTICE, PREFERENCES
from publisher.locks import hold
from tests.notices import INBOUND, KINDS, notice_room, parsed, parts
from tests.readers import ALICE, HANAKO, KEYS, TARO
from tests.relay import HANG_UP, Plan, Relay


def always(verb: str, answer: str) -> Plan:
    """A relay that says this to that."""
    return lambda said, _argument: answer if said == verb else None


def test_every_kind_of_notice_reaches_whom_it_is_for(database: Database, tmp_path: Path) -> None:
    """Six to Hanako, and the alert to the operator; a second run sends nothing."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url, inbound=INBOUND)
        hanako = room.reader(HANAKO)
        ids = [room.write(kind, hanako) for kind in KINDS]
        assert room.send() == NoticeCounts(accepted=7)
        assert room.send() == NoticeCounts()
    assert relay.recipients() == {HANAKO: 6, "desk@news.example.jp": 1}
    assert {room.row(notice).state for notice in ids} == {"accepted"}
    assert all(room.row(notice).settled_at == room.clock() for notice in ids)
    assert len({mail.message_id for mail in relay.taken}) == 7
    assert relay.log.count("ehlo localhost") == 1


def test_the_links_of_a_confirmation_confirm_that_request_and_no_other(database: Database, tmp_path: Path) -> None:
    """By the page, and by an answer to the mail; both parts carry the same link, and no way to leave what nobody is on."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url, inbound=INBOUND, mail={"bounce_domain": "bounces.example.jp"})
        hanako = room.reader(HANAKO)
        request = room.request(hanako)
        notice = room.write("confirm", hanako, request_id=request, in_reply_to="<abc@mail.example.jp>")
        room.send()
    mail = parsed(relay.taken[0].data)
    link = next(word for word in parts(relay.taken[0].data)[0].split() if "/confirm/" in word)
    assert KEYS.read(CONFIRM, link.rpartition("/")[2]) == (request, hanako)
    assert f'href="{link}"' in parts(relay.taken[0].data)[1]
    local, _at, domain = str(mail["Reply-To"]).partition("@")
    assert (local.partition("+")[0], domain) == ("daily-confirm", "lists.example.jp")
    assert KEYS.read(CONFIRM, local.partition("+")[2]) == (request, hanako)
    assert mail["In-Reply-To"] == mail["References"] == "<abc@mail.example.jp>"
    assert (mail["Auto-Submitted"], mail["Precedence"]) == ("auto-replied", "bulk")
    assert mail["List-Unsubscribe"] is None
    token = relay.taken[0].sender.partition("@")[0].removeprefix("b+")
    assert relay.taken[0].sender.endswith("@bounces.example.jp")
    assert KEYS.read(NOTICE, token) == (notice, hanako)
    assert KEYS.read(BOUNCE, token) is None
    assert mail["Message-ID"] == f"<{token}@news.example.jp>"


def test_a_welcome_carries_the_way_out_for_people_and_for_programs(database: Database, tmp_path: Path) -> None:
    """RFC 8058 and a mail address in the header, links to leave and to choose in both parts."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url, mail={"bounce_domain": "bounces.example.jp"})
        hanako = room.reader(HANAKO)
        room.write("welcome", hanako)
        room.send()
    mail = parsed(relay.taken[0].data)
    web, by_mail = str(mail["List-Unsubscribe"]).split(", ")
    token = web.strip("<>").rpartition("/")[2]
    assert KEYS.read(LEAVE, token) == (1, hanako, 0)
    assert by_mail == f"<mailto:u+{token}@bounces.example.jp?subject=unsubscribe>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(mail["List-Id"]).endswith("<daily.localhost>")
    assert mail["Auto-Submitted"] == "auto-generated"
    for part in parts(relay.taken[0].data):
        assert web.strip("<>") in part
        address = part.partition("http://127.0.0.1:8000/preferences/")[2]
        assert KEYS.read(PREFERENCES, address[:len(KEYS.sign(PREFERENCES, 1, hanako))]) == (1, hanako)


def test_a_notice_about_two_lists_has_no_button_that_would_leave_only_one(database: Database, tmp_path: Path) -> None:
    """The page behind the link lets choose; the link is of the row's own list."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        hanako = room.reader(HANAKO)
        room.reader(HANAKO, "weekly")
        room.write("welcome", hanako, list_id=2, data={"lists": [1, 2]})
        room.send()
    text, _html = parts(relay.taken[0].data)
    assert parsed(relay.taken[0].data)["List-Unsubscribe"] is None
    assert text.index("週刊AI") < text.index("朝のAI")
    assert KEYS.read(LEAVE, text.partition("/u/")[2].split()[0]) == (2, hanako, 0)


@pytest.mark.parametrize(("site", "mail", "to"), [
    ({}, {"operator": "Saburo <saburo@news.example.jp>"}, "saburo@news.example.jp"),
    ({}, {}, "desk@news.example.jp"),
    ({"contact": "03-0000-0000"}, {}, "news@news.example.jp")])
def test_an_alert_goes_to_the_operator_of_the_settings(database: Database, tmp_path: Path, site: dict[str, str], mail: dict[str, str], to: str) -> None:
    """To mail.operator; without one to the contact; where that is a telephone number, to the sender."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url, site=site, mail=mail)
        room.write("alert", 0, "en")
        room.send()
    assert relay.recipients() == {to: 1}
    text, html = parts(relay.taken[0].data)
    assert "Issue 12 of morning was paused: 6.2 % of its mails came back" in text.replace("\n", " ")
    assert "publisher issues resume 7" in text
    assert "publisher issues resume 7" in html


@pytest.mark.parametrize(("code", "state", "rest"), [("550 5.1.1 no such user", "refused", None), ("451 4.7.1 greylisted", "deferred", timedelta(minutes=5))])
def test_what_the_relay_says_of_the_reader_is_kept(database: Database, tmp_path: Path, code: str, state: str, rest: timedelta | None) -> None:
    """5xx ends it, 4xx waits five minutes and grows; no address stands in the reason."""
    with Relay(plan=always("RCPT", f"{code} <{HANAKO}>")) as relay:
        room = notice_room(database, tmp_path, relay.url)
        notice = room.write("goodbye", room.reader(HANAKO))
        room.send()
        row = room.row(notice)
        assert (row.state, row.attempts) == (state, 1)
        assert HANAKO not in (row.reason or "")
        assert (row.reason or "").startswith(code)
        assert room.send() == NoticeCounts()
        if rest is not None:
            assert (row.not_before or room.clock()) >= room.clock() + rest
            relay.plan = lambda _verb, _argument: None
            room.clock.pass_by(timedelta(minutes=7))
            assert room.send() == NoticeCounts(accepted=1)


def test_what_is_put_off_for_a_day_is_given_up(database: Database, tmp_path: Path) -> None:
    """As deliveries are, after mail.retry_for."""
    with Relay(plan=always("RCPT", "451 later")) as relay:
        room = notice_room(database, tmp_path, relay.url)
        notice = room.write("goodbye", room.reader(HANAKO))
        room.send()
        room.clock.pass_by(timedelta(hours=25))
        assert room.send() == NoticeCounts(refused=1)
    assert room.row(notice).reason == "gave up: 451 later"


def test_a_refusal_of_us_is_not_the_readers(database: Database, tmp_path: Path) -> None:
    """A relay that dislikes what we write may be talked to: the mail waits."""
    with Relay(plan=always(".", "554 5.7.1 looks like spam")) as relay:
        room = notice_room(database, tmp_path, relay.url)
        notice = room.write("goodbye", room.reader(HANAKO))
        assert room.send() == NoticeCounts(deferred=1)
    assert room.row(notice).reason == "554 5.7.1 looks like spam"


def test_a_lost_answer_is_unknown_and_the_repeat_is_the_same_mail(database: Database, tmp_path: Path) -> None:
    """The same bytes, with the same Message-ID, over a new connection."""
    with Relay(plan=always(".", HANG_UP)) as relay:
        room = notice_room(database, tmp_path, relay.url)
        notice = room.write("welcome", room.reader(HANAKO))
        assert room.send() == NoticeCounts(unknown=1)
        assert room.row(notice).state == "unknown"
        relay.plan = lambda _verb, _argument: None
        room.clock.pass_by(timedelta(minutes=7))
        assert room.send() == NoticeCounts(accepted=1)
    first, second = relay.taken
    assert first == second


def test_a_connection_that_ends_before_the_last_dot_costs_nothing(database: Database, tmp_path: Path) -> None:
    """Some relays close after some mails without a word."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        for address in (HANAKO, TARO, ALICE):
            room.write("welcome", room.reader(address))
        lost = iter([True])
        relay.plan = lambda verb, _argument: HANG_UP if verb == "MAIL" and len(relay.taken) == 1 and next(lost, False) else None
        assert room.send() == NoticeCounts(accepted=3)
    assert relay.recipients() == {HANAKO: 1, TARO: 1, ALICE: 1}


def test_a_relay_that_is_down_leaves_every_notice_as_it_was(database: Database, tmp_path: Path) -> None:
    """The trouble is raised; nothing counts as tried."""
    room = notice_room(database, tmp_path, "smtp://127.0.0.1:9")
    notice = room.write("welcome", room.reader(HANAKO))
    with pytest.raises(RelayTrouble):
        room.send()
    row = room.row(notice)
    assert (row.state, row.attempts, row.first_tried_at) == ("queued", 0, None)


def test_the_service_leaves_a_relay_in_peace_that_takes_nothing(database: Database, tmp_path: Path) -> None:
    """A refused login that is tried every two seconds locks the account."""
    with Relay(credentials=("taro", "right")) as relay:
        room = notice_room(database, tmp_path, relay.url.replace("//", "//taro@"))
        room.write("welcome", room.reader(HANAKO))
        courier, stop = Courier(), threading.Event()
        press = Press(room.settings, database, KEYS, {}, {"mail": "wrong"})
        for _turn in range(5):
            with pytest.raises(RelayTrouble):
                courier.work(press, room.clock, stop)
            tries = len(relay.log)
            room.clock.pass_by(timedelta(seconds=8))
            courier.work(press, room.clock, stop)
            assert len(relay.log) == tries
            room.clock.pass_by(timedelta(minutes=5))
        courier.work(Press(room.settings, database, KEYS, {}, {"mail": "right"}), room.clock, stop)
        assert relay.recipients() == {HANAKO: 1}


def test_a_relay_that_reaches_the_world_gets_no_links_to_this_machine(database: Database, tmp_path: Path) -> None:
    """Refused before anything is opened; without any notice nothing is looked at."""
    room = notice_room(database, tmp_path, "smtp://relay.example.com:25")
    assert room.send() == NoticeCounts()
    notice = room.write("welcome", room.reader(HANAKO))
    with pytest.raises(PublisherError, match="this machine"):
        room.send()
    assert room.row(notice).state == "queued"


def test_two_processes_do_not_send_notices_at_the_same_time(database: Database, tmp_path: Path) -> None:
    """The second one is told so at once."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        room.write("welcome", room.reader(HANAKO))
        with hold(database.engine, LOCK), pytest.raises(Busy):
            room.send()
        assert room.send().accepted == 1


def test_what_a_dead_process_left_is_sent_with_the_same_message_id(database: Database, tmp_path: Path) -> None:
    """Its row says `sending`, and nobody holds the lock."""
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        notice = room.write("welcome", room.reader(HANAKO))
        room.send()
        room.change(notice, state="sending", settled_at=None)
        assert room.send() == NoticeCounts(accepted=1)
    assert relay.taken[0] == relay.taken[1]
    assert room.row(notice).attempts == 2


def test_a_broken_template_costs_its_own_kind_only(database: Database, tmp_path: Path) -> None:
    """The others leave; the broken one is told with its file, waits, and leaves once it is mended."""
    folder = tmp_path / "ours" / "email" / "notice" / "welcome"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("{{ nothing.there }}")
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url, templates="ours")
        hanako = room.reader(HANAKO)
        broken, fine = room.write("welcome", hanako), room.write("goodbye", hanako)
        with pytest.raises(BadInput, match="subject.txt"):
            room.send()
        assert (room.row(broken).state, room.row(fine).state) == ("deferred", "accepted")
        (folder / "subject.txt").unlink()
        room.clock.pass_by(timedelta(minutes=7))
        assert room.send() == NoticeCounts(accepted=1)


def test_a_stop_leaves_the_rest_for_the_next_run(database: Database, tmp_path: Path) -> None:
    """What is on the wire is finished."""
    stop = threading.Event()
    with Relay() as relay:
        room = notice_room(database, tmp_path, relay.url)
        hanako = room.reader(HANAKO)
        for _number in range(3):
            room.write("goodbye", hanako)
        relay.plan = lambda verb, _argument: stop.set() if verb == "." else None  # type: ignore[func-returns-value]
        assert room.send(stop=stop) == NoticeCounts(accepted=1)
        assert room.send() == NoticeCounts(accepted=2)
