"""The sign-up page: the same answer for everybody, questions instead of corrections, and a record of what was shown."""

import time
from pathlib import Path
from typing import Any

import pytest

from publisher.db import Database
from subscribers.addresses import parse_address
from subscribers.registry.suppressions import suppress
from tests.doors import doors, statements, words
from tests.readers import HANAKO, KEYS, TARO, join, state_of
from tests.serving import plain

TWO = [{"name": "daily", "title": "Morning", "description": "Every weekday at seven."}, {"name": "weekly", "title": "Weekly"},
       {"name": "staff", "public": False}]


def test_the_form_says_what_will_happen_and_asks_for_an_address_only(database: Database) -> None:
    with doors(database, signup={"terms": "https://news.example.jp/terms", "privacy": "https://news.example.jp/privacy"},
               inbound={"domain": "lists.example.jp", "listen": "lmtp://127.0.0.1:8024"}, lists=[TWO[0]]) as opened:
        answer = opened.client.get("/subscribe/daily")
    plain(answer)
    assert answer.status_code == 200
    said = words(answer)
    for sentence in ("Subscribe to Morning", "Every weekday at seven.", "Issues come only after you press the button", "You can leave at any time",
                     "Terms of use", "daily-subscribe@lists.example.jp", "日本語"):
        assert sentence in said
    # Browsers write the ASCII form of 日本語.jp into a field of type email, and refuse full-width letters in it.
    assert 'type="text" inputmode="email" autocomplete="email"' in answer.text
    assert "pattern=" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_whoever_asks_for_whichever_address_gets_the_same_page(database: Database) -> None:
    """A new address, a reader, one that waits, and one that is never mailed again: byte for byte, and after as many statements."""
    with doors(database) as opened:
        join(database, HANAKO)
        suppress(database, KEYS, parse_address("hana@example.jp"), "complaint", opened.now)
        opened.ask("first@example.jp")  # the wording is written down once
        pages, work, mails = [], [], []
        for address in ("haruko@example.jp", "hanako@example.jp", "hana@example.jp", "haruko@example.jp"):
            with statements(database) as seen:
                answer = opened.ask(address)
            assert answer.status_code == 200
            plain(answer)
            pages.append((answer.content, sorted(answer.headers.multi_items())))
            work.append(len(seen))
            mails.append(len(opened.mails()))
        assert pages == [pages[0]] * 4
        assert work[0] == work[1]  # an unknown person and a reader
        assert mails == [2, 3, 3, 3]
        assert opened.mails() == ["confirm", "confirm", "already"]
        assert state_of(database, "haruko@example.jp") == "unconfirmed"


def test_the_page_after_it_shows_the_address_so_that_only_its_owner_knows_it(database: Database) -> None:
    with doors(database) as opened:
        answer = opened.ask("  Ｈaruko@example.jp ")
    assert "H•••@example.jp" in answer.text
    assert "aruko" not in answer.text
    assert "The link works for 3 days." in words(answer)


WRONG = {"": "Please write your e-mail address.", "taro": "An address has an @", "taro@": "What stands after the @ cannot be right",
         "a..b@example.jp": "What stands before the @ cannot be right", "太郎@example.jp": "only plain letters",
         "<script>@x": "What stands after the @", "a" * 900 + "@example.jp": "too long", "taro@example.jp\r\nBcc: x@example.jp": "cannot be right"}


def test_a_wrong_address_comes_back_with_a_sentence_and_what_was_typed(database: Database) -> None:
    with doors(database) as opened:
        for typed, sentence in WRONG.items():
            answer = opened.ask(typed)
            plain(answer)
            assert (typed, answer.status_code) == (typed, 422)
            assert sentence in words(answer)
            assert 'aria-invalid="true" aria-describedby="email-error"' in answer.text
            assert "<script>@x" not in answer.text
        assert 'value="taro"' in opened.ask("taro").text
        assert opened.requests() == []


def test_what_a_carrier_gave_out_is_an_address_and_so_is_a_japanese_domain(database: Database) -> None:
    with doors(database) as opened:
        for address in ("a..b@docomo.ne.jp", ".taro.@ezweb.ne.jp", "taro@日本語.jp"):
            assert opened.ask(address).status_code == 200
        assert len(opened.mails()) == 3


def test_a_slip_in_a_known_domain_is_asked_about_and_not_corrected(database: Database) -> None:
    with doors(database) as opened:
        asked = opened.ask("taro@gmial.com", list="daily")
        plain(asked)
        assert asked.status_code == 200
        assert "Did you mean taro@gmail.com?" in words(asked)
        assert opened.requests() == []
        kept = opened.ask("taro@gmial.com", use="taro@gmial.com")
        assert "t•••@gmial.com" in kept.text
        taken = opened.ask("jiro@gmial.com", use="jiro@gmail.com")
        assert "j•••@gmail.com" in taken.text
        assert state_of(database, "taro@gmial.com") == state_of(database, "jiro@gmail.com") == "unconfirmed"
        again = opened.ask("taro@gmial.com", again="1")
        assert 'value="taro@gmial.com"' in again.text


def test_an_office_is_warned_of_once(database: Database) -> None:
    with doors(database) as opened:
        asked = opened.ask("info@example.jp")
        assert "Is info@example.jp your own mailbox?" in words(asked)
        assert opened.requests() == []
        assert "Please look into your mailbox" in words(opened.ask("info@example.jp", use="info@example.jp"))


def test_a_program_that_fills_in_every_field_is_thanked_and_forgotten(database: Database) -> None:
    with doors(database) as opened:
        human, machine = opened.ask("haruko@example.jp"), opened.ask("hiroko@example.jp", homepage="https://spam.example.com")
        assert machine.content == human.content
        assert len(opened.requests()) == 1
        assert state_of(database, "hiroko@example.jp") is None


def test_a_refused_domain_is_said_under_the_field(database: Database, tmp_path: Path) -> None:
    (tmp_path / "refused.txt").write_text("ten-minutes.example\n", "utf-8")
    with doors(database, root=tmp_path, signup={"refused_domains": "refused.txt"}) as opened:
        answer = opened.ask("taro@mail.ten-minutes.example")
    assert answer.status_code == 422
    assert "Please use another address." in words(answer)
    assert 'value="taro@mail.ten-minutes.example"' in answer.text


def test_too_many_from_one_network_wait_whoever_they_name(database: Database) -> None:
    """Known and unknown addresses are refused alike; behind a proxy that is trusted, each network has its own measure."""
    with doors(database, signup={"per_client": 3}, web={"trusted_proxies": ["192.0.2.0/24"]}) as opened:
        join(database, HANAKO)
        opened.client._transport.client = ("192.0.2.1", 4711)  # type: ignore[attr-defined]
        for number in range(3):
            assert opened.ask(f"r{number}@example.jp", headers={"X-Forwarded-For": f"10.1.1.1, 2001:db8::{number + 1}"}).status_code == 200
        known, unknown = (opened.ask(address, headers={"X-Forwarded-For": "2001:db8::99"}) for address in (HANAKO, TARO))
        assert known.status_code == unknown.status_code == 429
        assert known.content == unknown.content
        assert known.headers["retry-after"] == "3600"
        plain(known)
        assert opened.ask(TARO, headers={"X-Forwarded-For": "2001:db8:1::1"}).status_code == 200


def test_what_was_shown_and_where_is_kept_with_the_request(database: Database) -> None:
    with doors(database, signup={"privacy": "https://news.example.jp/privacy"}, lists=TWO) as opened:
        opened.ask(TARO, "/subscribe?lang=ja", list="weekly")
        request = opened.requests()[0]
        assert (request.door, request.language, request.origin) == ("web", "ja", "https://news.example.jp/subscribe")
        shown = opened.wording(request.wording_id)
        assert "Morning — Every weekday at seven." in shown
        assert "https://news.example.jp/privacy" in shown
        assert "[登録する]" in shown
        assert opened.consents()[0].wording_id == request.wording_id
        assert TARO not in shown
        assert (state_of(database, TARO, "daily"), state_of(database, TARO, "weekly")) == (None, "unconfirmed")


def test_of_several_lists_one_must_be_chosen_and_none_is_chosen_for_anybody(database: Database) -> None:
    with doors(database, lists=TWO) as opened:
        form = opened.client.get("/subscribe")
        assert form.text.count('type="checkbox"') == 2
        assert " checked" not in form.text
        answer = opened.ask(TARO, "/subscribe")
        assert answer.status_code == 422
        assert "Please choose at least one newsletter." in words(answer)
        assert f'value="{TARO}"' in answer.text
        kept = opened.ask("taro@", "/subscribe", list=["daily", "staff", "nowhere"])
        assert kept.text.count(" checked") == 1
        assert opened.ask(TARO, "/subscribe", list=["daily", "weekly", "staff"]).status_code == 200
        assert {state_of(database, TARO, name) for name in ("daily", "weekly")} == {"unconfirmed"}
        assert state_of(database, TARO, "staff") is None


def test_a_list_that_is_not_public_or_not_there_has_no_page(database: Database) -> None:
    with doors(database, lists=TWO) as opened:
        for name in ("staff", "nowhere", "daily/x", "%00", "x" * 3000):
            for answer in (opened.client.get(f"/subscribe/{name}"), opened.ask(TARO, f"/subscribe/{name}"), opened.client.get(f"/embed/{name}")):
                assert (name, answer.status_code) == (name, 404)
                plain(answer)
        assert opened.requests() == []


def test_the_page_speaks_the_language_of_its_list_unless_another_one_is_asked_for(database: Database) -> None:
    with doors(database, newsletter={"language": "ja"}) as opened:
        pages = {query: opened.client.get(f"/subscribe/daily{query}") for query in ("", "?lang=en", "?lang=xx")}
        assert ['<html lang="ja">' in page.text for page in pages.values()] == [True, False, True]
        assert 'href="/subscribe/daily?lang=en" lang="en"' in pages[""].text
        opened.ask(TARO, "/subscribe/daily?lang=en")
        assert opened.requests()[0].language == "en"


def test_single_opt_in_promises_no_confirmation(database: Database) -> None:
    with doors(database, lists=[{"name": "daily", "opt_in": "single"}]) as opened:
        assert "Issues come to this address from the next one on." in words(opened.client.get("/subscribe/daily"))
        answer = opened.ask(TARO)
        assert "press the button" not in words(answer)
        assert opened.mails() == ["welcome"]


ODD: dict[str, dict[str, Any]] = {
    "nothing": {"content": b""}, "json": {"json": {"email": TARO}}, "a file": {"files": {"email": ("a.txt", b"x")}},
    "broken multipart": {"content": b"--x\r\nbad", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    "no boundary": {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
    "many fields": {"content": b"&".join(b"a=1" for _ in range(999)), "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    "bytes that are no text": {"content": b"email=%ff%fe%00@example.jp", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}}


@pytest.mark.parametrize("name", ODD)
def test_what_no_form_of_ours_sends_is_answered_in_words(database: Database, name: str) -> None:
    with doors(database) as opened:
        answer = opened.client.post("/subscribe/daily", **ODD[name])
        assert answer.status_code == 422
        plain(answer)
        assert opened.requests() == []


def test_every_answer_takes_whole_steps_of_time(database: Database) -> None:
    """A clock must not tell a reader from a stranger: what differs lies within one step, and the step is waited for."""
    spent = []
    with doors(database, lists=[TWO[0]]) as opened:
        join(database, HANAKO)
        for address in ("new-one@example.jp", HANAKO):
            began = time.monotonic()
            assert opened.client.post("/subscribe/daily", data={"email": address}).status_code == 200
            spent.append(time.monotonic() - began)
    assert min(spent) >= 0.05
