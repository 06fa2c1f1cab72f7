"""A confirmation joins once, within its time, and never against what was said later."""

import threading

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.links import confirm_token, leave_token
from publisher.models_mail import Notice
from publisher.settings import ReaderList
from publisher.tokens import Keys
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.models import Consent, Subscriber, Subscription
from subscribers.registry.confirming import confirm, look
from subscribers.registry.lists import sync_lists
from subscribers.registry.readers import leave_all
from subscribers.registry.suppressions import lift, suppress, suppress_reader
from tests.asking import BUTTON, Door
from tests.readers import HANAKO, KEYS, TARO, join


@pytest.fixture
def door(database: Database) -> Door:
    """The newsroom's door."""
    return Door(database)


def test_the_button_joins_records_it_and_says_welcome(door: Door) -> None:
    asked = door.ask(HANAKO, "daily", "weekly", wording_id=3, origin="https://news.example.jp/subscribe")
    door.wait(hours=1)
    seen = door.look(asked)
    assert seen is not None
    assert (seen.status, seen.list_names, seen.address) == ("open", ["daily", "weekly"], HANAKO)
    assert not door.mailable()
    pending = door.confirm(asked, client="192.0.2.1")
    assert pending is not None
    assert (pending.status, pending.list_names, pending.language) == ("joined", ["daily", "weekly"], "ja")
    assert door.mailable()
    assert door.mailable(HANAKO, "weekly")
    with door.database.reading() as session:
        welcome = session.scalars(select(Notice).where(Notice.kind == "welcome")).one()
        assert (welcome.data, welcome.list_id) == ({"lists": door.list_ids("daily", "weekly")}, door.list_ids("daily")[0])
        records = session.scalars(select(Consent).where(Consent.action == "confirmed")).all()
        assert [(one.door, one.wording_id, one.origin, one.request_id, one.at) for one in records] == [
            ("web", 3, "https://news.example.jp/subscribe", asked.request_id, door.now)] * 2
        subscription = session.scalars(select(Subscription)).first()
        assert subscription is not None
        assert (subscription.confirmed_at, subscription.rhythm_since, subscription.left_at) == (door.now, door.now, None)
        assert session.scalars(select(Subscriber.language)).one() == "ja"


def test_a_second_press_changes_nothing_and_names_the_lists_they_are_on(door: Door) -> None:
    asked = door.joined(HANAKO, "daily", "weekly")
    door.wait(days=10)
    door.leave(HANAKO, "weekly")
    again = door.confirm(asked)
    assert again is not None
    assert (again.status, again.list_names) == ("used", ["daily"])
    assert not door.mailable(HANAKO, "weekly")
    assert door.ledger().count("confirmed") == 2


def test_of_two_presses_at_once_exactly_one_joins(door: Door) -> None:
    asked = door.ask()
    found: list[str] = []
    start = threading.Barrier(4)

    def press() -> None:
        start.wait()
        pending = door.confirm(asked)
        found.append(pending.status if pending else "none")

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["joined", "used", "used", "used"]
    assert door.ledger() == ["asked", "confirmed"]
    assert door.notices() == ["confirm", "welcome"]


def test_after_three_days_it_is_too_late(door: Door) -> None:
    asked = door.ask()
    door.wait(days=3, seconds=-1)
    seen = door.look(asked)
    assert seen is not None
    assert seen.status == "open"
    door.wait(seconds=1)
    late = door.confirm(asked)
    assert late is not None
    assert (late.status, late.list_names) == ("expired", ["daily"])
    assert not door.mailable()


@pytest.mark.parametrize("token", ["", "nonsense", "あ" * 20, "a" * 4000])
def test_what_is_no_token_of_ours_is_nothing(door: Door, token: str) -> None:
    assert confirm(door.database, KEYS, door.settings, token, door.now, "web") is None
    with door.database.reading() as session:
        assert look(session, KEYS, token, door.now) is None


def test_a_token_of_another_purpose_person_or_key_is_nothing(door: Door) -> None:
    asked, other = door.ask(), door.ask(TARO)
    request, person = asked.request_id or 0, asked.subscriber_id or 0
    for token in (leave_token(KEYS, request, person, 0), confirm_token(KEYS, request, other.subscriber_id or 0), confirm_token(KEYS, 4711, person),
                  confirm_token(Keys(["somebody else's key"]), request, person)):
        assert confirm(door.database, KEYS, door.settings, token, door.now, "web") is None
    assert not door.mailable()


def test_a_request_that_was_not_mailed_has_no_token(door: Door) -> None:
    door.ask()
    waiting = door.ask(HANAKO, "weekly")
    assert waiting.outcome == "waits"
    assert door.confirm(waiting) is None


def test_leaving_is_the_later_word(door: Door) -> None:
    """They asked, thought better of it, and the old mail is found again: nothing happens. Asking anew is another matter."""
    asked = door.ask(HANAKO, "daily", "weekly")
    door.wait(minutes=1)
    door.leave()
    door.wait(minutes=1)
    pending = door.confirm(asked)
    assert pending is not None
    assert (pending.status, pending.list_names) == ("joined", ["weekly"])
    assert not door.mailable()
    door.wait(minutes=1)
    door.joined(HANAKO, "daily")
    assert door.mailable()


def test_leaving_everything_voids_the_request(door: Door) -> None:
    asked = door.ask(HANAKO, "daily", "weekly")
    door.wait(minutes=1)
    assert leave_all(door.database, door.person(), BUTTON, door.now) == ["daily", "weekly"]
    assert leave_all(door.database, door.person(), BUTTON, door.now) == []
    assert leave_all(door.database, 4711, BUTTON, door.now) == []
    pending = door.confirm(asked)
    assert pending is not None
    assert (pending.status, pending.list_names) == ("void", ["daily", "weekly"])
    assert door.ledger() == ["asked", "asked", "left", "left"]


def test_who_left_stays_left_while_they_ask(door: Door) -> None:
    """An import between the question and the answer must not find them unconfirmed."""
    door.joined()
    door.wait(days=1)
    door.leave()
    door.wait(minutes=1)
    asked = door.ask()
    assert join(door.database, HANAKO) == "left"
    assert not door.mailable()
    door.wait(minutes=1)
    door.confirm(asked)
    assert door.mailable()


def test_a_complaint_ends_what_was_asked_before_even_when_it_is_lifted(door: Door) -> None:
    asked = door.ask(HANAKO, "daily")
    door.wait(minutes=1)
    with door.database.writing() as session:
        assert suppress_reader(session, KEYS, asked.subscriber_id or 0, "complaint", Evidence("provider", "postmark"), door.now)
    door.wait(minutes=1)
    pending = door.confirm(asked)
    assert pending is not None
    assert pending.status in ("void", "expired")
    assert lift(door.database, KEYS, parse_address(HANAKO), "a mistake of theirs", door.now)
    door.wait(minutes=1)
    assert door.confirm(asked) is None
    assert not door.mailable()
    door.joined()
    assert door.mailable()


def test_after_a_lift_no_import_joins_them_anywhere_until_they_spoke_themselves(door: Door) -> None:
    door.joined(HANAKO, "daily")
    suppress(door.database, KEYS, parse_address(HANAKO), "complaint", door.now)
    door.wait(minutes=1)
    lift(door.database, KEYS, parse_address(HANAKO), "wrote", door.now)
    assert join(door.database, HANAKO, "weekly") == "left"
    assert not door.mailable(HANAKO, "weekly")
    door.wait(minutes=1)
    door.joined(HANAKO, "daily")
    assert join(door.database, HANAKO, "weekly") == "added"


def test_two_open_requests_of_one_person(door: Door) -> None:
    """Both mails stand in the mailbox; whichever is pressed first joins, the other finds them on the list."""
    first = door.ask()
    door.wait(hours=25)
    second = door.ask()
    door.confirm(second)
    pending = door.confirm(first)
    assert pending is not None
    assert (pending.status, pending.list_names) == ("used", ["daily"])
    door.wait(minutes=1)
    door.leave()
    pending = door.confirm(first)
    assert pending is not None
    assert pending.status == "void"
    assert not door.mailable()


def test_a_list_that_has_gone_since_joins_nobody(door: Door) -> None:
    asked = door.ask()
    with door.database.writing() as session:
        sync_lists(session, [ReaderList(name="weekly")])
    pending = door.confirm(asked)
    assert pending is not None
    assert (pending.status, pending.list_names) == ("void", [])


def test_of_a_leaving_and_a_confirmation_at_once_the_leaving_wins(door: Door) -> None:
    """On PostgreSQL they really run beside each other."""
    asked = door.ask()
    door.wait(minutes=1)
    start = threading.Barrier(2)
    faults: list[BaseException] = []

    def run(act: object) -> None:
        start.wait()
        try:
            act()  # type: ignore[operator]
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in (lambda: door.confirm(asked), door.leave)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert not door.mailable()
