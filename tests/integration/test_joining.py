"""Whoever asks to join gets one mail at most, the same answer as everybody, and is on no list by that."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.models_mail import Notice
from subscribers.addresses import parse_address
from subscribers.models import Consent, SignupRequest, Subscriber
from subscribers.registry.joining import Asked
from subscribers.registry.suppressions import lift, suppress
from tests.asking import Door, every_text, statements
from tests.composing import settings
from tests.readers import HANAKO, KEYS, TARO, state_of


@pytest.fixture
def door(database: Database) -> Door:
    """The newsroom's door."""
    return Door(database)


def test_asking_writes_a_request_a_record_and_one_mail_and_puts_nobody_on_the_list(door: Door) -> None:
    asked = door.ask(HANAKO, "daily", "weekly", client="192.0.2.7", origin="https://news.example.jp/subscribe", wording_id=7, in_reply_to="<a@example.jp>")
    assert asked.outcome == "mailed"
    assert not door.mailable()
    assert state_of(door.database, HANAKO) == state_of(door.database, HANAKO, "weekly") == "unconfirmed"
    with door.database.reading() as session:
        notice = session.scalars(select(Notice)).one()
        assert (notice.kind, notice.subscriber_id, notice.request_id, notice.language) == ("confirm", asked.subscriber_id, asked.request_id, "ja")
        assert (notice.data, notice.in_reply_to) == ({"lists": door.list_ids("daily", "weekly")}, "<a@example.jp>")
        records = session.scalars(select(Consent).order_by(Consent.id)).all()
    assert [(one.action, one.door, one.wording_id, one.origin, one.request_id) for one in records] == [
        ("asked", "web", 7, "https://news.example.jp/subscribe", asked.request_id)] * 2
    assert records[0].client_hash
    assert "192.0.2.7" not in every_text(door.database)


def test_an_address_stands_in_one_table_only(door: Door) -> None:
    door.joined(HANAKO)
    text = every_text(door.database, without=["subscribers"])
    assert "hanako" not in text
    assert HANAKO in every_text(door.database)


def test_a_known_and_an_unknown_address_cost_the_same_statements(door: Door) -> None:
    """Whoever measures learns nothing: not whether Hanako is a reader, has left, or was never heard of."""
    door.joined(HANAKO)
    door.joined(TARO)
    door.leave(TARO)
    door.wait(days=31)
    seen = []
    for address in (HANAKO, TARO, "nobody@example.jp"):
        with statements(door.database) as run:
            assert door.ask(address, name="山田 花子").outcome == "mailed"
        seen.append(run)
    assert seen[0] == seen[1] == seen[2]
    assert [door.notices(address)[-1] for address in (HANAKO, TARO, "nobody@example.jp")] == ["already", "confirm", "confirm"]


def test_one_mail_a_day_and_three_in_thirty_days_whatever_the_lists(door: Door) -> None:
    assert door.ask().outcome == "mailed"
    assert door.ask(HANAKO, "weekly").outcome == "waits"
    door.wait(hours=23)
    assert door.ask(HANAKO.upper()).outcome == "waits"
    door.wait(hours=2)
    assert door.ask().outcome == "mailed"
    door.wait(days=2)
    assert door.ask().outcome == "mailed"
    door.wait(days=2)
    assert door.ask().outcome == "waits"
    door.wait(days=26)
    assert door.ask().outcome == "mailed"
    assert len(door.notices()) == 4


def test_a_reader_gets_no_more_mails_than_a_stranger(door: Door) -> None:
    """`already` counts as the mail that asks for confirmation does; after a confirmation nothing is pending."""
    door.joined()
    assert [door.ask().outcome for _ in range(3)] == ["mailed", "waits", "waits"]
    assert door.notices() == ["confirm", "welcome", "already"]
    door.wait(hours=25)
    assert door.ask().outcome == "mailed"
    door.wait(hours=25)
    assert door.ask().outcome == "waits"


def _limited(database: Database, **limits: int) -> Door:
    return Door(database, settings(lists=[{"name": "daily"}], signup=limits))


def test_too_many_from_one_network_are_busy_whoever_they_ask_for(database: Database) -> None:
    """One IPv6 household is one /64, an IPv4 address is itself also when it is written as IPv6; others are not held up."""
    door = _limited(database, per_client=2)
    door.ask("a@example.jp", client="2001:db8:1:2::a")
    door.ask("b@example.jp", client="2001:db8:1:2:ffff::b")
    assert door.ask("a@example.jp", client="2001:db8:1:2::c").outcome == "busy"
    assert door.ask("c@example.jp", client="2001:db8:1:2::c").outcome == "busy"
    assert door.ask("d@example.jp", client="2001:db8:1:3::a").outcome == "mailed"
    assert [door.ask(f"{number}@example.jp", client=client).outcome for number, client in enumerate(
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"))] == ["mailed", "mailed", "busy", "mailed"]
    assert door.ask("e@example.jp").outcome == "mailed"
    door.wait(minutes=61)
    assert door.ask("c@example.jp", client="2001:db8:1:2::c").outcome == "mailed"


def test_too_many_of_one_mail_domain_or_in_all_are_busy(database: Database) -> None:
    door = _limited(database, per_domain=2, in_all=4)
    door.ask("a@example.jp")
    door.ask("b@EXAMPLE.jp")
    assert door.ask("c@example.jp").outcome == "busy"
    assert [door.ask(f"{name}@example.com").outcome for name in "ab"] == ["mailed", "mailed"]
    assert door.ask("d@example.org").outcome == "busy"


def test_limits_count_requests_that_were_not_mailed_and_say_nothing_of_suppression(database: Database) -> None:
    """An address that is never mailed uses up the limit as any other: otherwise it could be told by trying."""
    door = _limited(database, per_client=2)
    suppress(database, KEYS, parse_address(HANAKO), "complaint", door.now)
    assert [door.ask(HANAKO, client="192.0.2.1").outcome for _ in range(3)] == ["suppressed", "suppressed", "busy"]
    assert [door.ask(TARO, client="192.0.2.2").outcome for _ in range(3)] == ["mailed", "waits", "busy"]


def test_a_suppressed_address_gets_no_mail_and_leaves_no_trace(door: Door) -> None:
    suppress(door.database, KEYS, parse_address(HANAKO), "complaint", door.now)
    assert door.ask(HANAKO, name="花子", client="192.0.2.1") == Asked("suppressed")
    with door.database.reading() as session:
        assert session.scalar(select(Subscriber)) is None
        assert session.scalar(select(Notice)) is None
        assert session.scalars(select(SignupRequest.subscriber_id)).all() == [0]


def test_a_suppressed_reader_whose_key_was_rotated_away_gets_no_mail(door: Door) -> None:
    """The row's own hash is asked too, as sending asks it."""
    door.joined()
    suppress(door.database, KEYS, parse_address(HANAKO), "complaint", door.now)
    with door.database.writing() as session:
        stored = session.scalars(select(Subscriber.address_hash)).one()
        session.execute(update(Subscriber).values(address_hash="0" * 40))
    from subscribers.models import Suppression

    with door.database.writing() as session:
        session.execute(update(Suppression).where(Suppression.address_hash == stored).values(address_hash="0" * 40))
    door.wait(days=2)
    assert door.ask().outcome == "suppressed"


def test_disposable_domains_are_refused_by_the_newsrooms_list(database: Database, tmp_path: Path) -> None:
    (tmp_path / "refused.txt").write_text("# short-lived\nthrowaway.example\n日本語.example  # as typed\n", "utf-8")
    door = Door(database, settings(root=tmp_path, lists=[{"name": "daily"}], signup={"refused_domains": "refused.txt"}))
    assert door.ask("a@throwaway.example").outcome == "refused"
    assert door.ask("a@Mail.Throwaway.Example").outcome == "refused"
    assert door.ask("a@xn--wgv71a119e.example").outcome == "refused"
    assert door.ask("a@nothrowaway.example").outcome == "mailed"
    (tmp_path / "refused.txt").unlink()
    assert door.ask("b@throwaway.example").outcome == "mailed"


def test_single_opt_in_joins_at_once_and_says_welcome(door: Door) -> None:
    door.ask(HANAKO, "open")
    assert door.mailable(HANAKO, "open")
    assert door.notices() == ["welcome"]
    assert door.ask(HANAKO, "open").outcome == "mailed"
    assert door.notices() == ["welcome", "already"]


def test_single_opt_in_brings_nobody_back_who_had_left(door: Door) -> None:
    """Anybody can type Hanako's address: she is asked."""
    door.ask(HANAKO, "open")
    door.leave(HANAKO, "open")
    door.wait(minutes=1)
    again = door.ask(HANAKO, "open")
    assert not door.mailable(HANAKO, "open")
    assert door.notices() == ["welcome", "confirm"]
    door.wait(minutes=1)
    door.confirm(again)
    assert door.mailable(HANAKO, "open")


def test_single_opt_in_is_asked_when_a_suppression_was_lifted(door: Door) -> None:
    """Even for a list they never were on."""
    door.joined()
    suppress(door.database, KEYS, parse_address(HANAKO), "complaint", door.now)
    door.wait(minutes=1)
    assert lift(door.database, KEYS, parse_address(HANAKO), "wrote", door.now)
    door.wait(minutes=1)
    door.ask(HANAKO, "open")
    assert not door.mailable(HANAKO, "open")
    assert door.notices()[-1] == "confirm"


def test_lists_of_both_kinds_in_one_request_are_confirmed_together(door: Door) -> None:
    asked = door.ask(HANAKO, "open", "daily")
    assert not door.mailable(HANAKO, "open")
    pending = door.confirm(asked)
    assert pending is not None
    assert pending.list_names == ["open", "daily"]
    assert door.mailable(HANAKO, "open")


def test_a_stranger_cannot_rename_a_reader(door: Door) -> None:
    door.ask(HANAKO, name="山田\r\n花子")
    door.wait(days=2)
    assert _name_of(door) == "山田 花子"
    door.joined(TARO)
    door.ask(TARO, "weekly", name="Win a prize")
    with door.database.reading() as session:
        assert session.scalars(select(Subscriber.name).where(Subscriber.address == TARO)).one() is None


def _name_of(door: Door) -> Any:
    with door.database.reading() as session:
        return session.scalars(select(Subscriber.name).where(Subscriber.address == HANAKO)).one()


def test_a_list_that_is_not_there_is_refused_and_others_are_joined(door: Door) -> None:
    with pytest.raises(PublisherError, match="no such list"):
        door.ask(HANAKO, list_ids=[4711])
    assert door.person(HANAKO) == 0


def test_two_requests_at_once_are_one_mail(door: Door) -> None:
    """A double click, or two people: the second waits for the first, and finds it pending."""
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def go() -> None:
        start.wait()
        outcomes.append(door.ask().outcome)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["mailed", "waits", "waits", "waits"]
    assert door.notices() == ["confirm"]
