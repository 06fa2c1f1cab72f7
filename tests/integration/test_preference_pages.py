"""The page on which a reader chooses: sections, how often, at what hour, in which language; and what it says to those who left."""

from typing import Any

from publisher.db import Database
from subscribers.addresses import parse_address
from subscribers.registry.preferences import Preferences, read_preferences
from subscribers.registry.suppressions import suppress
from tests.doors import Doors, doors, words
from tests.readers import HANAKO, KEYS, TARO, ids_of, join
from tests.serving import plain

SECTIONS: dict[str, Any] = {"sections": ["Models", "Industry", "Law"], "title": "Example Morning"}
SAVED = {"section": ["Models", "Law"], "rhythm": "weekly", "hour": "7", "timezone": "Europe/Berlin", "language": "ja"}


def chosen(opened: Doors, address: str = HANAKO) -> Preferences | None:
    with opened.database.reading() as session:
        return read_preferences(session, *ids_of(opened.database, address))


def test_the_form_shows_what_there_is_to_choose_and_how_things_stand(database: Database) -> None:
    with doors(database, newsletter=SECTIONS) as opened:
        join(database, HANAKO)
        answer = opened.client.get(opened.preferences(HANAKO))
        plain(answer)
        assert answer.status_code == 200
        assert answer.text.count('name="section"') == answer.text.count(" checked") - 1 == 3
        assert HANAKO not in answer.text
        said = words(answer)
        for sentence in ("h•••@example.jp", "Once a week, gathered", "As soon as it is out", "As the newsletter: Tokyo (Japan)", "Berlin (Germany)",
                         "Leave this newsletter, or all of them"):
            assert sentence in said
        assert chosen(opened) == Preferences()


def test_a_choice_is_kept_and_the_page_says_what_holds(database: Database) -> None:
    with doors(database, newsletter=SECTIONS) as opened:
        join(database, HANAKO)
        answer = opened.client.post(opened.preferences(HANAKO) + "?lang=en", data=SAVED)
        plain(answer)
        assert answer.status_code == 200
        for sentence in ("Once a week, gathered", "Models, Law", "not before 7:00, in the time zone of Berlin (Germany)", "日本語"):
            assert sentence in words(answer)
        assert chosen(opened) == Preferences("weekly", ("Law", "Models"), 7, "Europe/Berlin", "ja")
        assert opened.consents()[-1].action == "changed"
        page = opened.client.get(opened.preferences(HANAKO))
        assert '<html lang="ja">' in page.text
        assert page.text.count('value="Europe/Berlin" selected') == 1
        assert '<option value="7" selected>' in page.text
        before = len(opened.consents())
        opened.client.post(opened.preferences(HANAKO), data=SAVED)
        assert len(opened.consents()) == before


def test_all_sections_ticked_is_every_section_also_those_to_come(database: Database) -> None:
    with doors(database, newsletter=SECTIONS) as opened:
        join(database, HANAKO)
        opened.client.post(opened.preferences(HANAKO), data=SAVED | {"section": ["Models"]})
        answer = opened.client.post(opened.preferences(HANAKO) + "?lang=en", data=SAVED | {"section": ["Law", "Industry", "Models", "Sport"]})
        assert "all sections" in words(answer)
        assert (chosen(opened) or Preferences()).sections is None


def test_no_section_at_all_is_refused_in_a_sentence_and_the_rest_of_the_form_stays(database: Database) -> None:
    with doors(database, newsletter=SECTIONS) as opened:
        join(database, HANAKO)
        answer = opened.client.post(opened.preferences(HANAKO), data=SAVED | {"section": ["Sport"], "language": "en"})
        plain(answer)
        assert answer.status_code == 422
        assert "Please choose at least one section." in words(answer)
        assert 'value="weekly" checked' in answer.text
        assert 'value="Europe/Berlin" selected' in answer.text
        assert chosen(opened) == Preferences()


def test_what_is_none_of_the_choices_is_refused(database: Database) -> None:
    wrong = [{"rhythm": "hourly"}, {"hour": "24"}, {"hour": "７"}, {"hour": "-1"}, {"timezone": "Mars/Olympus"}, {"timezone": "../etc/passwd"},
             {"language": "xx"}, {"timezone": "\0"}, {"hour": "1e1"}]
    with doors(database, newsletter=SECTIONS) as opened:
        join(database, HANAKO)
        for fields in wrong:
            answer = opened.client.post(opened.preferences(HANAKO), data=SAVED | {"language": "en"} | fields)
            plain(answer)
            assert (fields, answer.status_code) == (fields, 422)
        assert chosen(opened) == Preferences()


def test_what_a_newsletter_does_not_offer_is_not_on_the_page_and_is_left_alone(database: Database) -> None:
    with doors(database, newsletter={"rhythms": ["each"]}) as opened:
        join(database, HANAKO)
        page = opened.client.get(opened.preferences(HANAKO))
        assert 'name="section"' not in page.text
        assert 'name="rhythm"' not in page.text
        answer = opened.client.post(opened.preferences(HANAKO), data={"hour": "9", "rhythm": "weekly"})
        assert answer.status_code == 422
        answer = opened.client.post(opened.preferences(HANAKO), data={"hour": "9"})
        assert "not before 9:00, in the time zone of Tokyo (Japan)" in words(answer)
        assert chosen(opened) == Preferences(hour=9)


def test_a_zone_that_the_page_does_not_list_stays_chosen(database: Database) -> None:
    with doors(database) as opened:
        join(database, HANAKO)
        opened.client.post(opened.preferences(HANAKO), data={"timezone": "Japan"})
        assert '<option value="Japan" selected>' in opened.client.get(opened.preferences(HANAKO)).text


def test_looking_changes_nothing_and_a_token_is_read_in_capitals(database: Database) -> None:
    with doors(database) as opened:
        join(database, HANAKO)
        path = opened.preferences(HANAKO)
        for method in ("HEAD", "GET"):
            assert opened.client.request(method, path + "?rhythm=weekly&hour=3").status_code == 200
        assert opened.client.get("/preferences/" + path.rpartition("/")[2].upper()).status_code == 200
        assert chosen(opened) == Preferences()
        assert opened.consents()[-1].action == "added"


def test_who_left_never_confirmed_or_is_suppressed_is_shown_the_way_back(database: Database) -> None:
    with doors(database) as opened:
        join(database, HANAKO)
        join(database, TARO)
        opened.ask("saburo@example.jp")
        paths = [opened.preferences(address) for address in (HANAKO, TARO, "saburo@example.jp")]
        opened.client.post(opened.leave(HANAKO))
        suppress(database, KEYS, parse_address(TARO), "complaint", opened.now)
        for path in paths:
            for answer in (opened.client.get(path), opened.client.post(path, data=SAVED)):
                plain(answer)
                assert answer.status_code == 200
                assert 'href="/subscribe/daily"' in answer.text
                assert 'name="rhythm"' not in answer.text
        assert chosen(opened) == chosen(opened, TARO) == Preferences()


def test_a_token_of_another_purpose_opens_nothing(database: Database) -> None:
    with doors(database) as opened:
        join(database, HANAKO)
        ids = ids_of(database, HANAKO)
        for token in (KEYS.sign("leave", *ids, 1), KEYS.sign("confirm", *ids), opened.preferences(HANAKO)[13:-1], "x" * 4000, "%00"):
            for answer in (opened.client.get(f"/preferences/{token}"), opened.client.post(f"/preferences/{token}", data=SAVED)):
                assert answer.status_code == 404
                plain(answer)
        gone = opened.client.get("/preferences/" + KEYS.sign("preferences", ids[0], 4711))
        assert gone.status_code == 200
        assert "You are not a reader" in words(gone)
