"""Readers join, leave, come back when they ask, and are never mailed against their word."""

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.settings import ReaderList
from publisher.tokens import Keys
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.models import ReaderListRow, Subscriber, Subscription, Suppression
from subscribers.registry.lists import sync_lists
from subscribers.registry.readers import find, leave, readers, remove
from subscribers.registry.suppressions import suppress
from tests.readers import ALICE, HANAKO, KEYS, NOW, TARO, consents, ids_of, join, lists, state_of


def test_a_reader_who_agreed_is_subscribed_with_their_words(database: Database) -> None:
    lists(database)
    assert join(database, HANAKO, name="山田 花子") == "added"
    with database.reading() as session:
        (hanako,) = find(session, parse_address(HANAKO))
    assert (hanako.address, hanako.name, hanako.list, hanako.state, hanako.confirmed_at) == (HANAKO, "山田 花子", "daily", "subscribed", NOW)
    assert consents(database) == [("added", "asked at the open day")]


def test_the_same_person_twice_is_one(database: Database) -> None:
    """Capitals make nobody another person, and the address stays as it was typed first."""
    lists(database)
    join(database, "Taro@Example.jp")
    assert join(database, "taro@EXAMPLE.JP") == "unchanged"
    with database.reading() as session:
        assert list(session.scalars(select(Subscriber.address))) == ["Taro@Example.jp"]
    assert len(consents(database)) == 1


def test_nobody_is_added_without_words_of_consent_or_to_a_list_that_is_not_there(database: Database) -> None:
    from subscribers.registry.enrolment import Person
    from subscribers.registry.readers import add

    lists(database)
    person = Person(parse_address(HANAKO))
    with pytest.raises(PublisherError, match="say how they agreed"):
        add(database, KEYS, person, "daily", "   ", NOW)
    with pytest.raises(PublisherError, match="known: daily"):
        add(database, KEYS, person, "weekly", "asked", NOW)
    with database.reading() as session:
        assert session.scalar(select(Subscriber)) is None


def test_leaving_is_recorded_once_and_leaves_the_other_list_alone(database: Database) -> None:
    lists(database, "daily", "weekly")
    join(database, HANAKO)
    join(database, HANAKO, "weekly")
    assert leave(database, *ids_of(database, HANAKO), Evidence("web", "one-click, issue 7"), NOW)
    assert not leave(database, *ids_of(database, HANAKO), Evidence("web", "one-click, issue 7"), NOW)
    assert state_of(database, HANAKO) == "left"
    assert state_of(database, HANAKO, "weekly") == "subscribed"
    assert consents(database)[2:] == [("left", "one-click, issue 7")]


def test_leaving_for_somebody_who_is_not_there_is_no_fault(database: Database) -> None:
    """The person was erased after the mail had gone out."""
    lists(database)
    assert not leave(database, 1, 4711, Evidence("web", "one-click, issue 7"), NOW)
    assert consents(database) == []


def test_who_left_comes_back_only_by_their_own_word(database: Database) -> None:
    lists(database)
    join(database, HANAKO)
    leave(database, *ids_of(database, HANAKO), Evidence("web", "button"), NOW)
    assert join(database, HANAKO) == "left"
    assert state_of(database, HANAKO) == "left"
    assert join(database, HANAKO, rejoin=True) == "rejoined"
    with database.reading() as session:
        (hanako,) = find(session, parse_address(HANAKO))
    assert (hanako.state, hanako.left_at) == ("subscribed", None)
    assert [action for action, _wording in consents(database)] == ["added", "left", "rejoined"]


def test_somebody_who_asked_and_had_not_confirmed_is_subscribed_by_consent(database: Database) -> None:
    lists(database)
    join(database, HANAKO)
    with database.writing() as session:
        subscription = session.scalars(select(Subscription)).one()
        subscription.state, subscription.confirmed_at = "unconfirmed", None
    assert join(database, HANAKO) == "added"
    assert state_of(database, HANAKO) == "subscribed"


def test_removing_takes_a_person_off_one_list_or_off_all(database: Database) -> None:
    lists(database, "daily", "weekly")
    for name in ("daily", "weekly"):
        join(database, HANAKO, name)
        join(database, TARO, name)
    assert remove(database, parse_address(HANAKO), "daily", "by hand", NOW) == ["daily"]
    assert remove(database, parse_address("TARO@example.jp"), None, "by hand", NOW) == ["daily", "weekly"]
    assert remove(database, parse_address(TARO), None, "by hand", NOW) == []
    with pytest.raises(PublisherError, match="on no list"):
        remove(database, parse_address(ALICE), None, "by hand", NOW)
    assert [state_of(database, HANAKO), state_of(database, HANAKO, "weekly"), state_of(database, TARO)] == ["left", "subscribed", "left"]
    assert [action for action, _wording in consents(database)] == ["added"] * 4 + ["removed"] * 3


def test_a_suppressed_address_is_neither_subscribed_nor_stored(database: Database) -> None:
    """Only its keyed hash is known, whatever the spelling, and whoever asks."""
    lists(database)
    suppress(database, KEYS, parse_address(HANAKO), "complaint", NOW)
    assert join(database, "Hanako@EXAMPLE.jp", rejoin=True) == "suppressed"
    with database.reading() as session:
        assert session.scalar(select(Subscriber)) is None
        assert HANAKO not in str(session.execute(select(Suppression.address_hash, Suppression.reason)).all())


def test_a_suppression_outlives_a_rotation_of_the_key(database: Database) -> None:
    """Written under the old key, found under the new one; and a person stored under the old key is found by the hash sending compares."""
    lists(database)
    old, new = Keys(["the first key of the newsroom"]), Keys(["the second key of the newsroom", "the first key of the newsroom"])
    suppress(database, old, parse_address(HANAKO), "complaint", NOW)
    assert join(database, HANAKO, keys=new) == "suppressed"
    join(database, TARO, keys=old)
    suppress(database, new, parse_address(TARO), "hard-bounce", NOW)
    with database.reading() as session:
        (taro,) = find(session, parse_address(TARO))
        assert taro.suppressed
    suppress(database, new, parse_address(TARO), "complaint", NOW)
    with database.reading() as session:
        assert set(session.scalars(select(Suppression.reason))) == {"complaint", "hard-bounce"}


def test_readers_are_listed_by_list_and_state(database: Database) -> None:
    lists(database, "daily", "weekly")
    for address in (TARO, HANAKO, ALICE):
        join(database, address)
    join(database, HANAKO, "weekly")
    leave(database, *ids_of(database, TARO), Evidence("web", "button"), NOW)
    with database.reading() as session:
        assert [(reader.list, reader.address) for reader in readers(session)] == [
            ("daily", ALICE), ("daily", HANAKO), ("daily", TARO), ("weekly", HANAKO)]
        assert [reader.address for reader in readers(session, list_name="daily", state="left")] == [TARO]


def test_lists_follow_the_file_and_nothing_is_deleted(database: Database) -> None:
    lists(database, "daily", "weekly")
    join(database, HANAKO, "weekly")
    lists(database, "daily", "monthly")
    with database.reading() as session:
        assert {row.name: row.present for row in session.scalars(select(ReaderListRow))} == {"daily": True, "weekly": False, "monthly": True}
    with pytest.raises(PublisherError, match="there is no list weekly"):
        join(database, TARO, "weekly")
    lists(database, "daily", "weekly")
    assert state_of(database, HANAKO, "weekly") == "subscribed"


def test_a_list_named_twice_is_one(database: Database) -> None:
    with database.writing() as session:
        sync_lists(session, [ReaderList(name="daily"), ReaderList(name="daily")])
        assert len(session.scalars(select(ReaderListRow)).all()) == 1
