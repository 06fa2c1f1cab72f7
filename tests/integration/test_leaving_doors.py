"""The buttons of the leave page: one list or all, less instead, and an hour to think better of it."""

from publisher.db import Database
from publisher.links import leave_token
from subscribers.addresses import parse_address
from subscribers.registry.preferences import read_preferences
from subscribers.registry.suppressions import suppress
from subscribers.registry.undoing import undo_token
from tests.doors import Doors, doors, words
from tests.readers import HANAKO, KEYS, TARO, ids_of, join, lists, state_of
from tests.serving import plain

TWO = [{"name": "daily", "title": "Daily"}, {"name": "weekly", "title": "Weekly"}]


def undo_fields(page: str) -> dict[str, list[str] | str]:
    """What the undo button of a page sends."""
    tokens = [part.partition('"')[0] for part in page.split('name="undo" value="')[1:]]
    return {"action": "undo", "undo": tokens}


def on_two_lists(opened: Doors) -> None:
    lists(opened.database, "daily", "weekly")
    for name in ("daily", "weekly"):
        join(opened.database, HANAKO, name)


def test_the_page_offers_to_leave_this_list_all_lists_or_to_choose_less(database: Database) -> None:
    with doors(database, lists=TWO) as opened:
        on_two_lists(opened)
        page = opened.client.get(opened.leave(HANAKO))
        plain(page)
        assert "Leave all our newsletters" in words(page)
        assert f'href="{opened.preferences(HANAKO)}"' in page.text
        assert state_of(database, HANAKO) == "subscribed"


def test_who_reads_one_list_is_not_asked_about_others(database: Database) -> None:
    with doors(database) as opened:
        join(database, HANAKO)
        assert "Leave all" not in words(opened.client.get(opened.leave(HANAKO)))


def test_the_second_button_leaves_every_list_and_names_them(database: Database) -> None:
    with doors(database, lists=TWO) as opened:
        on_two_lists(opened)
        join(database, TARO, "weekly")
        answer = opened.client.post(opened.leave(HANAKO), data={"action": "all"})
        plain(answer)
        assert "You have left all our newsletters" in words(answer)
        assert "<li>Weekly</li>" in answer.text
        assert {state_of(database, HANAKO, name) for name in ("daily", "weekly")} == {"left"}
        assert state_of(database, TARO, "weekly") == "subscribed"


def test_for_an_hour_one_press_undoes_it(database: Database) -> None:
    """With the choices as they were."""
    with doors(database) as opened:
        join(database, HANAKO)
        opened.client.post(opened.preferences(HANAKO), data={"rhythm": "weekly", "hour": "9"})
        left = opened.client.post(opened.leave(HANAKO))
        opened.later(minutes=59)
        back = opened.client.post(opened.leave(HANAKO), data=undo_fields(left.text))
        plain(back)
        assert "You are back" in words(back)
        assert state_of(database, HANAKO) == "subscribed"
        with database.reading() as session:
            kept = read_preferences(session, *ids_of(database, HANAKO))
        assert kept is not None
        assert (kept.rhythm, kept.hour) == ("weekly", 9)
        again = opened.client.post(opened.leave(HANAKO), data=undo_fields(left.text))
        assert "You are back" in words(again)
        assert [row.action for row in opened.consents()].count("undone") == 1


def test_leaving_all_is_undone_as_a_whole(database: Database) -> None:
    with doors(database, lists=TWO) as opened:
        on_two_lists(opened)
        left = opened.client.post(opened.leave(HANAKO), data={"action": "all"})
        back = opened.client.post(opened.leave(HANAKO), data=undo_fields(left.text))
        assert "gets our newsletters as before" in words(back)
        assert {state_of(database, HANAKO, name) for name in ("daily", "weekly")} == {"subscribed"}


def test_after_the_hour_only_a_new_request_brings_somebody_back(database: Database) -> None:
    with doors(database) as opened:
        join(database, HANAKO)
        left = opened.client.post(opened.leave(HANAKO))
        opened.later(minutes=61)
        late = opened.client.post(opened.leave(HANAKO), data=undo_fields(left.text))
        plain(late)
        assert "cannot be undone any more" in words(late)
        assert 'href="/subscribe/daily"' in late.text
        assert state_of(database, HANAKO) == "left"
        page = opened.client.get(opened.leave(HANAKO))
        assert 'name="undo"' not in page.text
        assert 'href="/subscribe/daily"' in page.text


def test_a_complaint_after_the_leaving_cannot_be_undone(database: Database) -> None:
    with doors(database) as opened:
        join(database, HANAKO)
        left = opened.client.post(opened.leave(HANAKO))
        suppress(database, KEYS, parse_address(HANAKO), "complaint", opened.now)
        opened.client.post(opened.leave(HANAKO), data=undo_fields(left.text))
        assert state_of(database, HANAKO) == "left"


def test_an_undo_token_works_on_the_page_of_its_own_reader_only(database: Database) -> None:
    with doors(database) as opened:
        for address in (HANAKO, TARO):
            join(database, address)
            opened.client.post(opened.leave(address))
        stolen = undo_token(KEYS, *ids_of(database, TARO), opened.now)
        for tokens in ([stolen], ["x" * 500], ["%00"], [stolen[:-1]]):
            opened.client.post(opened.leave(HANAKO), data={"action": "undo", "undo": tokens})
        assert state_of(database, HANAKO) == state_of(database, TARO) == "left"


def test_the_words_of_the_one_click_win_over_any_button(database: Database) -> None:
    with doors(database, lists=TWO) as opened:
        on_two_lists(opened)
        answer = opened.client.post(opened.leave(HANAKO), data={"List-Unsubscribe": "One-Click", "action": "all"})
        assert answer.headers["content-type"].startswith("text/plain")
        assert (state_of(database, HANAKO), state_of(database, HANAKO, "weekly")) == ("left", "subscribed")


def test_a_page_that_belongs_to_no_issue_leaves_as_well(database: Database) -> None:
    """The link on the preferences page."""
    with doors(database) as opened:
        join(database, HANAKO)
        link = opened.client.get(opened.preferences(HANAKO)).text.partition('href="/u/')[2].partition('"')[0]
        assert link == leave_token(KEYS, *ids_of(database, HANAKO), 0)
        opened.client.post(f"/u/{link}")
        assert state_of(database, HANAKO) == "left"
        assert opened.consents()[-1].wording == "button on the leave page"
