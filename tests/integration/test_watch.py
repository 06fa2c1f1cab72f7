"""A newsletter whose mails come back, or of which readers complain, is paused before it is too late; one of three is no share of anything."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from publisher.db import Database
from publisher.deliver.control import resume
from publisher.models import Delivery, NewsletterRow
from publisher.models_mail import Event
from publisher.track.refusals import apply_refusals
from publisher.watch import Figures, Watch, let_go_on, look_at, percent
from tests.afterwards import HANAKO, TARO, Afterwards, afterwards
from tests.mailing import Newsroom, newsroom
from tests.readers import KEYS
from tests.relay import Relay
from tests.rows import NOW

NO_SUCH_USER = "550 5.1.1 <…>: Recipient address rejected: User unknown"


def _round(room: Afterwards) -> None:
    Watch().keep(room.press, room.clock, threading.Event())


def _bounce(room: Afterwards, readers: list[int], kind: str = "bounce", strength: str = "hard") -> None:
    for reader in readers:
        assert room.told(reader, kind, strength) == "applied"


def test_too_many_bounces_pause_the_issue_and_the_newsletter_and_tell_the_operator_once(database: Database, tmp_path: Path) -> None:
    """Over one in twenty by default; the alert names the issue, the share and the limit."""
    room = afterwards(database, tmp_path, TARO, state="sending")
    readers = room.deliveries({"accepted": 99, "queued": 100})
    _bounce(room, readers[:5])
    _round(room)
    assert (room.state(), room.is_paused(), room.alerts()) == ("sending", False, [])
    _bounce(room, readers[5:6])
    _round(room)
    _round(room)
    assert (room.state(), room.is_paused(), room.alerts()) == ("paused", True, ["bounces_high"])
    found = room.alert()
    assert (found["share"], found["limit"], found["issue_id"], found["mails"]) == ("6 %", "5 %", room.issue_id, 100)


def test_complaints_have_a_limit_of_their_own(database: Database, tmp_path: Path) -> None:
    """Three in a thousand: two of a hundred are over it; one reader alone pauses nothing."""
    room = afterwards(database, tmp_path, TARO, state="sending")
    readers = room.deliveries({"accepted": 99, "queued": 100})
    _bounce(room, readers[:1], "complaint", "")
    _round(room)
    assert room.state() == "sending"
    _bounce(room, readers[1:2], "complaint", "")
    _round(room)
    assert (room.state(), room.alerts()) == ("paused", ["complaints_high"])


def test_few_mails_say_nothing(database: Database, tmp_path: Path) -> None:
    """Two of three came back: that is no newsletter to be stopped."""
    room = afterwards(database, tmp_path, TARO, state="sending")
    readers = room.deliveries({"accepted": 2, "queued": 100})
    _bounce(room, readers[:2])
    _round(room)
    assert (room.state(), room.alerts()) == ("sending", [])


def test_one_reader_of_whom_much_is_told_counts_once(database: Database, tmp_path: Path) -> None:
    """Shares are of readers, not of reports."""
    room = afterwards(database, tmp_path, TARO, state="sending")
    readers = room.deliveries({"accepted": 59})
    for number in range(10):
        room.told(readers[0], evidence=f"report {number}")
    _round(room)
    assert room.alerts() == []


def test_who_resumes_is_not_paused_again_by_the_same_figures(database: Database, tmp_path: Path) -> None:
    """A person has looked; only when it gets clearly worse the issue is paused again. The newsletter goes on with it."""
    room = afterwards(database, tmp_path, TARO, state="sending")
    readers = room.deliveries({"accepted": 99, "queued": 100})
    _bounce(room, readers[:8])
    _round(room)
    resume(database, room.issue_id, room.clock())
    _round(room)
    _bounce(room, readers[8:11])
    _round(room)
    assert (room.state(), room.is_paused(), room.alerts()) == ("sending", False, ["bounces_high"])
    _bounce(room, readers[11:13])
    _round(room)
    assert (room.state(), room.is_paused(), room.alerts()) == ("paused", True, ["bounces_high", "bounces_high"])


def test_a_pause_that_a_person_set_is_not_lifted_by_the_watch(database: Database, tmp_path: Path) -> None:
    """Resuming the issue lets the newsletter go on only where the watch had paused it."""
    room = afterwards(database, tmp_path, TARO, state="sending")
    readers = room.deliveries({"accepted": 99, "queued": 100})
    with database.writing() as session:
        session.execute(update(NewsletterRow).values(paused_at=NOW - timedelta(days=1)))
    _bounce(room, readers[:8])
    _round(room)
    resume(database, room.issue_id, room.clock())
    assert not let_go_on(database, room.issue_id)
    _round(room)
    assert room.is_paused()


def test_what_comes_after_the_last_mail_pauses_the_newsletter(database: Database, tmp_path: Path) -> None:
    """Most complaints come the next day: the issue has left, the next one waits for a person. After two days nobody looks any more."""
    room = afterwards(database, tmp_path, TARO, state="sent")
    readers = room.deliveries({"accepted": 99})
    room.clock.pass_by(timedelta(hours=30))
    _bounce(room, readers[:3], "complaint", "")
    _round(room)
    assert (room.state(), room.is_paused(), room.alerts()) == ("sent", True, ["complaints_high"])
    assert let_go_on(database, room.issue_id)
    assert not room.is_paused()
    room.clock.pass_by(timedelta(hours=20))
    _bounce(room, readers[3:20], "complaint", "")
    _round(room)
    assert not room.is_paused()


def test_mails_refused_for_our_fault_alarm_and_pause_nothing(database: Database, tmp_path: Path) -> None:
    """A DMARC record with a mistake: the operator is told once, no reader is given up."""
    room = afterwards(database, tmp_path, TARO, state="sending")
    readers = room.deliveries({"accepted": 99, "queued": 1})
    _bounce(room, readers[:10], strength="blocked")
    _round(room)
    _round(room)
    assert (room.state(), room.alerts()) == ("sending", ["blocked_high"])
    assert room.suppressed() is None


def test_a_round_counts_an_ended_issue_only_when_something_came_in(database: Database, tmp_path: Path) -> None:
    """The same watch, round after round: told once, and told again for nothing."""
    room = afterwards(database, tmp_path, TARO, state="sent")
    readers = room.deliveries({"accepted": 99})
    watch = Watch()
    for before in (0, 10):
        _bounce(room, readers[before:before + 10])
        for _ in range(3):
            watch.keep(room.press, room.clock, threading.Event())
    assert room.alerts() == ["bounces_high", "bounces_high"]


def test_refusals_of_the_relay_count_once_and_suppress(database: Database, tmp_path: Path) -> None:
    """550 5.1.1 at RCPT is as good as a bounce; a temporary one, a policy and a fault of ours are not."""
    room = afterwards(database, tmp_path, TARO, HANAKO, state="sending")
    room.deliveries({"accepted": 20})
    _refuse(room, {TARO: NO_SUCH_USER, HANAKO: "550 5.7.1 blocked using a list"})
    assert apply_refusals(database, room.settings, KEYS, room.issue_id, NOW) == 2
    assert apply_refusals(database, room.settings, KEYS, room.issue_id, NOW) == 0
    assert (room.suppressed(TARO), room.suppressed(HANAKO)) == ("hard-bounce", None)
    late = room.deliveries({"refused": 1}, "gave up: 452 4.2.2 mailbox full")
    room.deliveries({"refused": 1}, "the address cannot be written in a mail")
    assert apply_refusals(database, room.settings, KEYS, room.issue_id, NOW) == 1
    with database.reading() as session:
        assert session.scalars(select(Event.strength).where(Event.subscriber_id == late[0])).all() == ["soft"]
    assert sorted(room.events()) == [("bounce", "blocked"), ("bounce", "hard"), ("bounce", "soft")]


def _refuse(room: Afterwards, answers: dict[str, str]) -> None:
    with room.database.writing() as session:
        for address, reason in answers.items():
            session.execute(update(Delivery).where(Delivery.subscriber_id == room.reader(address)).values(state="refused", reason=reason))


def test_a_relay_that_knows_nobody_is_not_believed(database: Database, tmp_path: Path) -> None:
    """Set up wrongly it says "no such user" to everybody: no reader is given up for it, and the issue is paused."""
    room = afterwards(database, tmp_path, TARO, state="sending")
    _refuse(room, {TARO: NO_SUCH_USER})
    room.deliveries({"refused": 120, "accepted": 50, "queued": 1}, NO_SUCH_USER)
    assert look_at(room.press, room.issue_id, NOW) is not None
    assert (room.state(), room.alerts(), room.suppressed(TARO)) == ("paused", ["bounces_high"], None)
    assert set(room.events()) == {("bounce", "blocked")}


def test_many_dead_addresses_of_a_long_list_are_believed(database: Database, tmp_path: Path) -> None:
    """Page by page, each reader once; who is stopped goes on at the next look."""
    room = afterwards(database, tmp_path, TARO, state="sent")
    room.deliveries({"accepted": 800, "refused": 120}, NO_SUCH_USER)
    stop = threading.Event()
    stop.set()
    assert apply_refusals(database, room.settings, KEYS, room.issue_id, NOW, stop) == 0
    assert apply_refusals(database, room.settings, KEYS, room.issue_id, NOW) == 120
    assert set(room.events()) == {("bounce", "hard")}


def test_the_canary_goes_first_and_the_rest_when_its_time_is_over(database: Database, tmp_path: Path) -> None:
    """The first N leave, and the others wait for `canary_wait`; nothing came back, so they follow by themselves."""
    with Relay() as relay:
        room = _canary(database, tmp_path, relay)
        assert room.send().accepted == 3
        assert (len(relay.taken), room.state()) == (3, "sending")
        room.clock.pass_by(timedelta(minutes=29))
        assert room.send().accepted == 3
        room.clock.pass_by(timedelta(minutes=1))
        assert (room.send().accepted, room.state()) == (8, "sent")


def test_a_canary_that_came_back_holds_the_rest(database: Database, tmp_path: Path) -> None:
    """Two of the first three: the others never leave unless a person says so."""
    with Relay() as relay:
        room = _canary(database, tmp_path, relay)
        room.send()
        after = Afterwards(database, room.settings, room.issue_id, room.clock)
        _bounce(after, [after.reader(f"reader{n}@example.jp") for n in (0, 1)])
        _round(after)
        assert (room.state(), after.alerts()) == ("paused", ["canary_held"])
        room.clock.pass_by(timedelta(hours=1))
        resume(database, room.issue_id, room.clock())
        _round(after)
        assert (room.send().accepted, room.state(), after.alerts()) == (8, "sent", ["canary_held"])


def _canary(database: Database, folder: Path, relay: Relay) -> Newsroom:
    room = newsroom(database, folder, relay.url, [f"reader{n}@example.jp" for n in range(8)], started=False)
    morning = room.settings.newsletters[0].model_copy(update={"canary": 3})
    room.settings = room.settings.model_copy(update={"newsletters": (morning, *room.settings.newsletters[1:])})
    room.start()
    return room


@pytest.mark.parametrize(("share", "words"), [(0.0, "0 %"), (0.0035, "0.35 %"), (0.05, "5 %"), (0.0625, "6.2 %"), (1.0, "100 %")])
def test_a_share_as_people_read_it(share: float, words: str) -> None:
    """Not 6.25000001 %."""
    assert percent(share) == words


def test_a_share_is_never_over_everything() -> None:
    """More came back than left (a backup was restored): still no fault."""
    assert Figures(0, 5, 0, 0).share(5) == 0.0
    assert Figures(2, 5, 0, 0).share(5) == 1.0
