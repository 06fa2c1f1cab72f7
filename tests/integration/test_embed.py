"""The form on the newsroom's own site: in a frame for the sites that may, and as HTML that any site can hold."""

import re
from html.parser import HTMLParser

import pytest

from publisher.db import Database
from publisher.web.embed import form_snippet, frame_snippet
from publisher.web.lists import offered
from subscribers.registry.lists import sync_lists
from tests.composing import settings
from tests.doors import doors, words
from tests.readers import HANAKO, TARO, join, state_of
from tests.serving import plain

ORIGINS = {"embed_origins": ["https://www.example.jp", "https://blog.example.jp:8443/path"]}


def test_the_frame_may_be_shown_by_the_named_sites_and_ours(database: Database) -> None:
    with doors(database, web=ORIGINS) as opened:
        answer = opened.client.get("/embed/daily")
        plain(answer)
        assert "frame-ancestors 'self' https://www.example.jp https://blog.example.jp:8443" in answer.headers["content-security-policy"]
        assert "x-frame-options" not in answer.headers
        assert "<header" not in answer.text
        whole = opened.client.get("/subscribe/daily")
        assert "frame-ancestors 'none'" in whole.headers["content-security-policy"]
        assert whole.headers["x-frame-options"] == "DENY"


def test_without_any_site_only_our_own_may(database: Database) -> None:
    with doors(database) as opened:
        assert opened.client.get("/embed/daily").headers["content-security-policy"].endswith("frame-ancestors 'self'")


def test_everything_that_follows_stays_in_the_frame(database: Database) -> None:
    with doors(database, web=ORIGINS, signup={"per_client": 2}) as opened:
        pages = [opened.ask(address, "/embed/daily") for address in ("taro", "taro@gmial.com", "info@example.jp", TARO, "ume@example.jp", HANAKO)]
        assert [page.status_code for page in pages] == [422, 200, 200, 200, 200, 429]
        for page in pages:
            plain(page)
            assert "https://www.example.jp" in page.headers["content-security-policy"]
            assert "<header" not in page.text


def test_the_site_that_shows_the_frame_is_kept_where_it_is_one_of_them(database: Database) -> None:
    with doors(database, web=ORIGINS) as opened:
        shown = opened.client.get("/embed/daily?lang=ja", headers={"Referer": "https://www.example.jp/news/?id=1"})
        assert '<input type="hidden" name="from" value="https://www.example.jp">' in shown.text
        opened.ask(TARO, "/embed/daily?lang=ja", **{"from": "https://www.example.jp"})
        opened.ask("jiro@example.jp", "/embed/daily", **{"from": "https://evil.example.com"})
        first, second = opened.requests()
        assert (first.door, first.origin, first.language) == ("embed", "https://www.example.jp", "ja")
        assert (second.door, second.origin) == ("embed", "https://news.example.jp/embed/daily")


def test_a_form_on_another_site_may_post_to_us(database: Database) -> None:
    """Nothing is authorised by a cookie, so there is nothing to forge; the site is kept, without page and query."""
    with doors(database) as opened:
        headers = ({"Origin": "https://www.example.jp", "Referer": "https://www.example.jp/a?b=c"}, {"Origin": "https://www.example.jp"}, {},
                   {"Origin": "null", "Referer": "javascript:alert(1)"})
        for number, given in enumerate(headers):
            answer = opened.ask(f"r{number}@example.jp", headers=given, door="embed")
            plain(answer)
            assert "Please look into your mailbox" in words(answer)
        kept = [(request.door, request.origin) for request in opened.requests()]
        assert kept == [("embed", "https://www.example.jp")] * 2 + [("embed", "https://news.example.jp/subscribe/daily")] * 2


def test_where_the_form_stood_is_not_forgotten_over_a_question(database: Database) -> None:
    with doors(database) as opened:
        asked = opened.ask("taro@gmial.com", headers={"Origin": "https://www.example.jp"}, door="embed")
        assert '<input type="hidden" name="from" value="https://www.example.jp">' in asked.text
        opened.ask("taro@gmial.com", use="taro@gmail.com", door="embed", **{"from": "https://www.example.jp"})
        assert [(request.door, request.origin) for request in opened.requests()] == [("embed", "https://www.example.jp")]


class _Form(HTMLParser):
    """What a browser would send from a snippet, and what a reader's program is told."""

    def __init__(self) -> None:
        super().__init__()
        self.form: dict[str, str | None] = {}
        self.inputs: dict[str, dict[str, str | None]] = {}
        self.labels: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.form = given
        elif tag == "input":
            self.inputs[given["name"] or ""] = given
        elif tag == "label":
            self.labels.append(given["for"])


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_snippet_is_a_whole_form_that_works(database: Database, language: str) -> None:
    made = settings(language="en", lists=[{"name": "daily", "title": "A & <B>", "description": "\"Quoted\""}],
                    signup={"privacy": "https://news.example.jp/privacy?a=1&b=2"})
    with database.writing() as session:
        sync_lists(session, made.lists)
        entry = offered(session, made)[0]
    snippet = form_snippet(made, entry, language)
    assert "<B>" not in snippet
    assert "<script" not in snippet
    form = _Form()
    form.feed(snippet)
    assert form.form["action"] == f"https://news.example.jp/subscribe/daily?lang={language}"
    assert (form.form["method"], form.form["accept-charset"]) == ("post", "utf-8")
    assert {form.inputs[name].get("id") for name in ("email", "homepage")} == set(form.labels)
    with doors(database, signup={"privacy": "https://news.example.jp/privacy?a=1&b=2"}, lists=[made.lists[0].model_dump()]) as opened:
        fields = {name: given.get("value") or "" for name, given in form.inputs.items()} | {"email": TARO}
        answer = opened.client.post(form.form["action"] or "", data=fields, headers={"Origin": "https://www.example.jp"})
        assert answer.status_code == 200
        request = opened.requests()[0]
        assert (request.door, request.language) == ("embed", language)
        # What is kept as shown is what the snippet says.
        plain_snippet = re.sub(r"<[^>]+>", "\n", snippet.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"'))
        for line in opened.wording(request.wording_id).splitlines():
            assert line.strip("[]").partition(": ")[0].replace("<B>", "\n") in plain_snippet
    assert state_of(database, TARO) == "unconfirmed"


def test_the_frame_snippet_points_to_the_frame(database: Database) -> None:
    made = settings(lists=[{"name": "daily", "title": '"A"'}])
    with database.writing() as session:
        sync_lists(session, made.lists)
        entry = offered(session, made)[0]
    assert frame_snippet(made, entry, "en").startswith(
        '<iframe src="https://news.example.jp/embed/daily?lang=en" title="Subscribe to &quot;A&quot;"')


def test_the_list_in_a_frame_is_the_same_form(database: Database) -> None:
    with doors(database, web=ORIGINS) as opened:
        join(database, HANAKO)
        known, unknown = opened.ask(HANAKO, "/embed/daily"), opened.ask("haruko@example.jp", "/embed/daily")
        assert known.content == unknown.content
