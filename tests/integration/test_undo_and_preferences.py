"""A slip can be undone for an hour; what a reader chose is kept, and is still there afterwards."""

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.errors import PublisherError
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.models import Consent, Subscription
from subscribers.registry.preferences import Preferences, read_preferences, sections_key, set_preferences
from subscribers.registry.readers import remove
from subscribers.registry.suppressions import lift, suppress
from subscribers.registry.undoing import can_undo, undo, undo_token
from tests.asking import BUTTON, Door
from tests.readers import HANAKO, KEYS

CHOSEN = Preferences("weekly", ("産業", "研究"), 7, "Asia/Tokyo", "en")


@pytest.fixture
def door(database: Database) -> Door:
    """The newsroom's door, with Hanako on the daily list."""
    made = Door(database)
    made.joined()
    made.wait(days=1)
    return made


def _left(door: Door) -> str:
    """Hanako leaves; the undo token of the page she sees."""
    assert door.leave()
    with door.database.reading() as session:
        left_at = session.scalars(select(Subscription.left_at).where(Subscription.subscriber_id == door.person())).one()
    assert left_at is not None
    return undo_token(KEYS, door.list_ids("daily")[0], door.person(), left_at)


def _undo(door: Door, token: str) -> bool:
    with door.database.reading() as session:
        possible = can_undo(session, KEYS, token, door.now)
    done = undo(door.database, KEYS, token, BUTTON, door.now)
    assert done == possible
    return done


def test_undoing_brings_back_the_reader_with_what_they_chose(door: Door) -> None:
    ids = door.list_ids("daily")[0], door.person()
    set_preferences(door.database, *ids, CHOSEN, BUTTON, door.now)
    token = _left(door)
    door.wait(minutes=59)
    assert _undo(door, token)
    assert door.mailable()
    with door.database.reading() as session:
        assert read_preferences(session, *ids) == CHOSEN
    assert door.ledger()[-2:] == ["left", "undone"]
    assert not _undo(door, token)


def test_an_hour_later_it_is_too_late(door: Door) -> None:
    token = _left(door)
    door.wait(hours=1, seconds=1)
    assert not _undo(door, token)
    assert not door.mailable()


def test_only_the_last_leaving_can_be_undone(door: Door) -> None:
    """They came back and left once more: the first page's button is dead, the second one's works."""
    first = _left(door)
    door.wait(minutes=5)
    assert _undo(door, first)
    door.wait(minutes=5)
    second = _left(door)
    assert not _undo(door, first)
    assert _undo(door, second)


def test_nothing_is_undone_after_a_complaint_even_when_it_was_lifted(door: Door) -> None:
    token = _left(door)
    door.wait(minutes=5)
    suppress(door.database, KEYS, parse_address(HANAKO), "complaint", door.now)
    assert not _undo(door, token)
    door.wait(minutes=5)
    lift(door.database, KEYS, parse_address(HANAKO), "wrote", door.now)
    assert not _undo(door, token)
    assert not door.mailable()


def test_the_newsrooms_own_removal_is_not_undone_by_an_older_page(door: Door) -> None:
    remove(door.database, parse_address(HANAKO), "daily", "asked by telephone", door.now)
    with door.database.reading() as session:
        left_at = session.scalars(select(Subscription.left_at)).one()
    assert left_at is not None
    assert not _undo(door, undo_token(KEYS, door.list_ids("daily")[0], door.person(), left_at))


def test_undoing_makes_no_reader_of_somebody_who_never_confirmed(door: Door) -> None:
    door.ask("taro@example.jp")
    door.wait(minutes=1)
    door.leave("taro@example.jp")
    token = undo_token(KEYS, door.list_ids("daily")[0], door.person("taro@example.jp"), door.now)
    assert not _undo(door, token)
    assert not door.mailable("taro@example.jp")


def test_a_foreign_token_undoes_nothing(door: Door) -> None:
    token = _left(door)
    for other in ("", "nonsense", token[:-2], KEYS.sign("undo", 1, 2), KEYS.sign("leave", 1, door.person(), int(door.now.timestamp()))):
        assert not _undo(door, other)


def test_a_choice_is_kept_and_written_down(door: Door) -> None:
    ids = door.list_ids("daily")[0], door.person()
    with door.database.reading() as session:
        assert read_preferences(session, *ids) == Preferences(language="ja")
        assert read_preferences(session, ids[0], 4711) is None
    assert set_preferences(door.database, *ids, Preferences("weekly", ("研究", "産業", "研究 "), 7, "Asia/Tokyo", "en"), BUTTON, door.now)
    assert not set_preferences(door.database, *ids, CHOSEN, BUTTON, door.now)
    with door.database.reading() as session:
        assert read_preferences(session, *ids) == CHOSEN
        row = session.scalars(select(Subscription)).one()
        assert (row.rhythm_since, row.sections_key, row.sections) == (door.now, sections_key(["産業", "研究"]), ["産業", "研究"])
        said = session.scalars(select(Consent.wording).where(Consent.action == "changed")).one()
    assert said == "button; rhythm: weekly; sections: 産業, 研究; hour: 7; timezone: Asia/Tokyo; language: en"


def test_only_another_rhythm_begins_a_new_reckoning(door: Door) -> None:
    """What a digest gathers begins where the rhythm was chosen; choosing an hour must not lose what was missed."""
    ids = door.list_ids("daily")[0], door.person()
    set_preferences(door.database, *ids, Preferences("daily"), BUTTON, door.now)
    chosen = door.now
    door.wait(days=1)
    set_preferences(door.database, *ids, Preferences("daily", hour=9), BUTTON, door.now)
    with door.database.reading() as session:
        assert session.scalars(select(Subscription.rhythm_since)).one() == chosen


def test_somebody_who_left_has_nothing_to_choose(door: Door) -> None:
    ids = door.list_ids("daily")[0], door.person()
    _left(door)
    assert not set_preferences(door.database, *ids, CHOSEN, BUTTON, door.now)
    assert not set_preferences(door.database, ids[0], 4711, CHOSEN, BUTTON, door.now)


@pytest.mark.parametrize(("wanted", "said"), [
    (Preferences("hourly"), "no rhythm"), (Preferences(hour=24), "no hour"), (Preferences(hour=-1), "no hour"),
    (Preferences(sections=()), "no section is chosen"), (Preferences(sections=(" ",)), "no section is chosen"),
    (Preferences(sections=tuple(str(number) for number in range(200))), "no sections of a newsletter"),
    (Preferences(timezone="Asia/Edo"), "no time zone"), (Preferences(timezone="../../etc/passwd"), "no time zone"),
    (Preferences(timezone=""), "no time zone"), (Preferences(timezone="Asia"), "no time zone"), (Preferences(timezone="a\x00b"), "no time zone"),
    (Preferences(language="tlh"), "no language")])
def test_what_cannot_be_chosen_is_refused_with_a_sentence(door: Door, wanted: Preferences, said: str) -> None:
    with pytest.raises(PublisherError, match=said):
        set_preferences(door.database, door.list_ids("daily")[0], door.person(), wanted, Evidence("web"), door.now)


def test_the_key_of_sections_knows_no_order() -> None:
    assert sections_key(None) == "all"
    assert sections_key(["b", "a"]) == sections_key(("a", "b", "a")) != sections_key(["ab"])
    assert len(sections_key(["a"])) == 64
