"""Pages that mails and posts link to: issues and stories as frozen, and nothing that a stranger's text or request can break."""

import base64
import hashlib
import re
from pathlib import Path

import lxml.etree
import lxml.html
from sqlalchemy import select, text

from publisher.db import Database
from publisher.links import leave_token
from publisher.models import Delivery, Issue, Story
from tests.composing import story
from tests.readers import KEYS
from tests.serving import plain, set_state, site

# Issues and stories


def test_what_is_out_is_public_and_nothing_else(database: Database) -> None:
    made = site(database)
    with made.browse() as client:
        for state, code in (("draft", 404), ("approved", 404), ("sending", 200), ("paused", 200), ("sent", 200), ("cancelled", 404)):
            set_state(database, made.issue_id, state)
            assert (state, client.get(f"/issues/{made.issue_id}").status_code) == (state, code)
            assert (state, client.get("/stories/1").status_code) == (state, code)
            assert (f"/issues/{made.issue_id}" in client.get("/").text) == (code == 200)


def test_an_issue_cancelled_in_mid_send_stays_for_those_who_have_it(database: Database) -> None:
    """Its mails are out and link to it; the archive does not list it."""
    made = site(database, state="sending")
    with database.writing() as session:
        session.add(Delivery(issue_id=made.issue_id, edition_id=1, subscriber_id=1, state="accepted"))
        session.get_one(Issue, made.issue_id).state = "cancelled"
    with made.browse() as client:
        assert client.get(f"/issues/{made.issue_id}").status_code == 200
        assert f"/issues/{made.issue_id}" not in client.get("/").text


def test_an_issue_is_served_as_it_was_frozen(database: Database) -> None:
    """Byte for byte but for what an archive says in the head, whatever became of its stories since, and without anything that is a reader's."""
    made = site(database, told=[story("Aoba opens a model", language="en", body="x", image_url="https://pictures.example.jp/a.png", image_alt="A card")])
    edition = made.newsroom.read(made.issue_id)[1]
    with database.writing() as session:
        session.scalars(select(Story)).one().headline = "Something else"
    with made.browse() as client:
        answer = client.get(f"/issues/{made.issue_id}")
    assert re.sub(r'<link rel="canonical".*(?=</head>)', "", answer.text, flags=re.DOTALL) == edition.page
    assert "/u/" not in answer.text
    assert "pictures.example.jp" not in answer.text + answer.headers["content-security-policy"]
    plain(answer)


def test_a_story_is_as_its_latest_issue_told_it(database: Database) -> None:
    made = site(database)
    with database.writing() as session:
        session.get_one(Story, 1).headline = "Edited after it was told"
    with made.browse() as client:
        answer = client.get("/stories/1")
    plain(answer)
    words = answer.text.replace("<wbr>", "")
    assert "Aoba Labs opens a model" in words
    assert "Edited" not in words
    assert "<strong>open</strong>" in words
    assert "400 billion" in words
    assert f'href="/issues/{made.issue_id}"' in words


def test_of_a_summary_the_body_is_never_shown(database: Database) -> None:
    """The right to a summary is no right to the text."""
    with site(database).browse() as client:
        words = client.get("/stories/2").text
    assert "Minato Cloud cut its price" in words
    assert "Their own words" not in words
    assert 'href="https://wire.example.com/minato"' in words


def test_a_body_that_only_lists_the_facts_is_not_shown_below_them(database: Database) -> None:
    told = story("Aoba opens a model", language="en", body="- **Price**: 5 yen\n- Days: 21\n",
                 facts=[{"label": "Price", "value": "5 yen"}, {"label": "Days", "value": "21"}])
    with site(database, told=[told]).browse() as client:
        words = client.get("/stories/1").text
    assert words.count("5 yen") == 1
    assert 'class="text"' not in words


def test_text_from_a_story_stays_text(database: Database) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    told = story(f"Headline {evil}", language="en\"><x", summary=evil, section=evil, source_name=evil, source_url="javascript:alert(1)", author=evil,
                 image_url="https://x.example.jp/' onload='a", date="2025-12-04", facts=[{"label": evil, "value": evil}],
                 body=f"{evil}\n\n[click](javascript:alert(1)) ![p](https://spy.example.com/p.png) <b onclick=x>bold</b>")
    with site(database, told=[told]).browse() as client:
        answer = client.get("/stories/1")
    assert answer.status_code == 200
    plain(answer)
    elements = list(lxml.html.document_fromstring(answer.text).iter(lxml.etree.Element))
    assert not [name for element in elements for name in element.attrib if name.startswith("on")]
    assert {element.tag for element in elements} & {"img", "x", "b"} == set()
    assert 'href="javascript' not in answer.text
    assert "spy.example.com" not in answer.text


NOWHERE = [
    "/issues/0", "/issues/-1", "/issues/99999999999999999999999", "/issues/9223372036854775808", "/issues/2147483648", "/issues/1e3", "/issues/１",
    "/issues/%00", "/issues/1%20OR%201=1", "/stories/abc", "/stories/2147483648", "/stories/" + "9" * 5000, "/issues/", "/stories/1/", "/nowhere",
    "/docs", "/openapi.json", "/redoc", "/u/", "https://news.example.jp//evil.example.com", "/.env", "/u/a/b", "/issues/1/..%2f.."]


def test_a_path_that_names_nothing_is_not_found(database: Database) -> None:
    """In words, and never a fault of ours."""
    with site(database).browse() as client:
        for path in NOWHERE:
            answer = client.get(path)
            assert (path, answer.status_code) == (path, 404)
            plain(answer)
            assert "There is no such page" in answer.text.replace("<wbr>", "")


def test_methods_that_a_page_has_not_are_refused_in_words(database: Database) -> None:
    made = site(database)
    with made.browse() as client:
        for method, path in (("POST", "/"), ("DELETE", f"/issues/{made.issue_id}"), ("PUT", f"/u/{made.token()}"), ("TRACE", "/stories/1")):
            answer = client.request(method, path)
            assert answer.status_code == 405
            assert answer.headers["allow"]
            plain(answer)


def test_the_home_page_lists_what_was_sent_newest_first_and_says_when_there_is_nothing(database: Database) -> None:
    made = site(database, state="draft")
    with made.browse() as client:
        assert "No issue has been sent yet" in client.get("/").text
        set_state(database, made.issue_id, "sent")
        second, _edition, _posts = made.newsroom.composed([story("Sora tapes out a chip", language="en")], number=13)
        set_state(database, second.id, "sent")
        words = client.get("/").text
        assert words.index(f"/issues/{second.id}") < words.index(f"/issues/{made.issue_id}")
        assert "No. 13" in words
        assert client.head("/").status_code == 200


# The service


def test_the_style_sheet_is_the_one_the_policy_names(database: Database) -> None:
    """Otherwise a browser would show the page bare."""
    with site(database).browse() as client:
        answer = client.get("/")
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    named = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{named}'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"]


def test_health_is_told_and_a_database_that_is_gone_as_well(database: Database) -> None:
    made = site(database)
    with made.browse(held_slots=1) as client:
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "held_slots": 1})
        assert answer.headers["cache-control"] == "no-store"
        with database.writing() as session:
            session.execute(text("DROP TABLE installation"))
            session.execute(text("ALTER TABLE subscriptions RENAME TO away"))
        gone = client.get("/healthz")
        assert (gone.status_code, list(gone.json())) == (503, ["status"])
        page = client.get(f"/u/{leave_token(KEYS, 1, 1, 1)}")
        assert (page.status_code, page.headers["retry-after"]) == (503, "60")
        plain(page)


def test_a_fault_of_ours_is_a_page_and_tells_nothing_of_the_inside(database: Database) -> None:
    made = site(database)
    with database.writing() as session:
        session.execute(text("UPDATE picks SET snapshot = '[1]'"))
    with made.browse() as client:
        answer = client.get("/stories/1")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "The fault is ours" in answer.text
    plain(answer)


def test_strict_transport_is_asked_for_only_where_the_site_has_it(database: Database) -> None:
    with site(database).browse() as client:
        assert "strict-transport-security" in client.get("/").headers


def test_a_plain_site_is_not_told_to_be_secure(database: Database) -> None:
    with site(database, site={"url": "http://127.0.0.1:8000"}).browse() as client:
        assert "strict-transport-security" not in client.get("/").headers


def test_the_newsrooms_own_templates_win_and_a_broken_one_breaks_one_page(tmp_path: Path, database: Database) -> None:
    """The policy follows their style sheet, and what is wrong in a template is no reader's to see."""
    own = tmp_path / "own" / "web"
    own.mkdir(parents=True)
    (own / "style.css").write_text("body{color:{{ colours.light.accent }}}", "utf-8")
    (own / "story.html").write_text("{{ story.headline / 0 }}", "utf-8")
    with site(database, root=tmp_path, templates="own").browse() as client:
        home, broken = client.get("/"), client.get("/stories/1")
    assert "<style>body{color:#B5341A}</style>" in home.text
    assert base64.b64encode(hashlib.sha256(b"body{color:#B5341A}").digest()).decode() in home.headers["content-security-policy"]
    assert broken.status_code == 500
    assert str(tmp_path) not in broken.text
    plain(broken)
