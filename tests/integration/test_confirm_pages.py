"""The link in the confirmation mail: a page with a button, a welcome that says what comes when, and a page for every other case."""

from datetime import timedelta

from publisher.db import Database
from publisher.links import confirm_token
from subscribers.addresses import parse_address
from subscribers.registry.erasure import erase
from subscribers.registry.suppressions import suppress
from tests.doors import doors, words
from tests.readers import HANAKO, KEYS, TARO, ids_of, join, state_of
from tests.serving import plain

MORNING = {"timetable": "0 7 * * mon-fri", "title": "Example Morning"}


def test_looking_confirms_nothing(database: Database) -> None:
    """Scanners of mail follow links, with HEAD and GET, as often as they like."""
    with doors(database) as opened:
        opened.ask(TARO)
        for method in ("HEAD", "GET", "GET"):
            answer = opened.client.request(method, f"/confirm/{opened.token()}")
            assert answer.status_code == 200
            plain(answer)
            assert "noindex" in answer.headers["x-robots-tag"]
        assert "t•••@example.jp" in answer.text
        assert TARO not in answer.text
        assert state_of(database, TARO) == "unconfirmed"


def test_the_button_joins_and_the_welcome_says_what_comes_when(database: Database) -> None:
    with doors(database, newsletter=MORNING) as opened:
        opened.ask(TARO)
        page = opened.client.get(f"/confirm/{opened.token()}")
        assert "Do you want to read Example Morning?" in words(page)
        token = opened.token()
        answer = opened.client.post(f"/confirm/{token}")
        plain(answer)
        assert answer.status_code == 200
        said = words(answer)
        assert "Welcome to Example Morning" in said
        assert "Monday to Friday, around 7:00 (JST)" in said
        assert "Monday, 8 December 2025, 07:00 (JST)" in said
        assert f'href="{opened.preferences(TARO)}"' in answer.text
        assert state_of(database, TARO) == "subscribed"
        assert opened.mails() == ["confirm", "welcome"]
        proof = opened.consents()[-1]
        assert (proof.action, proof.door, proof.request_id) == ("confirmed", "web", opened.requests()[0].id)
        assert proof.client_hash


def test_a_second_press_and_a_reload_are_told_that_it_was_done(database: Database) -> None:
    with doors(database) as opened:
        opened.ask(TARO)
        token = opened.token()
        opened.client.post(f"/confirm/{token}")
        for answer in (opened.client.post(f"/confirm/{token}"), opened.client.get(f"/confirm/{token}")):
            assert answer.status_code == 200
            plain(answer)
            assert "You have confirmed already" in words(answer)
        assert opened.mails() == ["confirm", "welcome"]


def test_an_expired_link_offers_another_mail_within_the_limits(database: Database) -> None:
    with doors(database) as opened:
        opened.ask(TARO)
        token = opened.token()
        opened.later(days=3)
        for answer in (opened.client.get(f"/confirm/{token}"), opened.client.post(f"/confirm/{token}")):
            assert "This link has expired" in words(answer)
            plain(answer)
        assert state_of(database, TARO) == "unconfirmed"
        again = opened.client.post(f"/confirm/{token}", data={"action": "again"})
        assert "Please look into your mailbox" in words(again)
        plain(again)
        assert opened.mails() == ["confirm", "confirm"]
        request = opened.requests()[-1]
        assert request.origin == "https://news.example.jp/confirm"
        assert "[Send a new mail]" in opened.wording(request.wording_id)
        opened.client.post(f"/confirm/{token}", data={"action": "again"})
        assert opened.mails() == ["confirm", "confirm"]
        opened.client.post(f"/confirm/{opened.token()}")
        assert state_of(database, TARO) == "subscribed"


def test_another_mail_is_only_for_who_waited_too_long(database: Database) -> None:
    """From a link that still works it would be a way to send mails."""
    with doors(database) as opened:
        opened.ask(TARO)
        answer = opened.client.post(f"/confirm/{opened.token()}", data={"action": "again"})
        assert "Do you want to read" in words(answer)
        assert opened.mails() == ["confirm"]
        assert state_of(database, TARO) == "unconfirmed"


def test_an_old_link_does_not_outlive_a_leaving_or_a_complaint(database: Database) -> None:
    with doors(database) as opened:
        join(database, HANAKO)
        opened.ask(TARO)
        token = opened.token()
        opened.later(hours=1)
        opened.client.post(opened.leave(TARO))
        assert "This link is not valid any more" in words(opened.client.get(f"/confirm/{token}"))
        assert "This link is not valid any more" in words(opened.client.post(f"/confirm/{token}"))
        assert state_of(database, TARO) == "left"
        opened.ask("saburo@example.jp")
        token = opened.token()
        suppress(database, KEYS, parse_address("saburo@example.jp"), "complaint", opened.now)
        answer = opened.client.post(f"/confirm/{token}")
        plain(answer)
        assert answer.status_code == 200
        assert "Welcome" not in words(answer)
        assert state_of(database, "saburo@example.jp") != "subscribed"


def test_who_confirmed_and_left_is_told_how_to_come_back(database: Database) -> None:
    with doors(database) as opened:
        opened.ask(TARO)
        token = opened.token()
        opened.client.post(f"/confirm/{token}")
        opened.later(hours=1)
        opened.client.post(opened.leave(TARO))
        answer = opened.client.get(f"/confirm/{token}")
        assert "This link was used before" in words(answer)
        assert 'href="/subscribe/daily"' in answer.text


def test_several_lists_are_joined_with_one_press(database: Database) -> None:
    with doors(database, lists=[{"name": "daily", "title": "Daily"}, {"name": "weekly", "title": "Weekly"}]) as opened:
        opened.ask(TARO, "/subscribe", list=["daily", "weekly"])
        page = opened.client.get(f"/confirm/{opened.token()}")
        assert "<li>Daily</li>" in page.text
        answer = opened.client.post(f"/confirm/{opened.token()}")
        assert opened.preferences(TARO, "weekly") in answer.text
        assert opened.preferences(TARO, "daily") in answer.text


def test_a_token_that_is_not_ours_or_whose_request_is_gone_opens_nothing(database: Database) -> None:
    with doors(database) as opened:
        opened.ask(TARO)
        right, (list_id, reader) = opened.token(), ids_of(database, TARO)
        erased = confirm_token(KEYS, 4711, reader)
        for token in (right[:-1], right + "a", KEYS.sign("leave", 1, reader), KEYS.sign("preferences", list_id, reader), "x" * 5000, "%00", "é", erased):
            for answer in (opened.client.get(f"/confirm/{token}"), opened.client.post(f"/confirm/{token}")):
                assert answer.status_code == 404
                plain(answer)
        erase(database, KEYS, parse_address(TARO), opened.now + timedelta(minutes=1))
        assert opened.client.post(f"/confirm/{right}").status_code == 404


def test_who_shows_wrong_tokens_without_end_has_to_wait_and_a_right_one_never(database: Database) -> None:
    """All kinds of links count together."""
    with doors(database) as opened:
        opened.ask(TARO)
        codes = []
        for _round in range(45):
            codes += [opened.client.post(f"/{room}/wrong").status_code for room in ("confirm", "preferences", "u")]
        assert codes[:120] == [404] * 120
        assert set(codes[120:]) == {429}
        assert opened.client.post(f"/confirm/{opened.token()}").status_code == 200
        assert state_of(database, TARO) == "subscribed"


def test_the_page_speaks_the_language_in_which_somebody_asked(database: Database) -> None:
    with doors(database) as opened:
        opened.ask(TARO, "/subscribe/daily?lang=ja")
        assert '<html lang="ja">' in opened.client.get(f"/confirm/{opened.token()}").text
