"""The search finds what was told, in Japanese and English, on both databases alike; nothing that was not told, and nothing we may not show."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st
from sqlalchemy import text, update

from publisher.db import Database
from publisher.models import Issue
from publisher.search import bring_up_to_date, find, rebuild
from publisher.text.terms import wanted
from tests.composing import NOW, Newsroom, settings, story
from tests.serving import set_state, site


def told(newsroom: Newsroom, stories: Sequence[dict[str, Any]], number: int, **changes: Any) -> int:
    """An issue of these stories that left on day `number`."""
    issue_id = newsroom.draft(stories, number=number)
    set_state(newsroom.database, issue_id, "sent")
    with newsroom.database.writing() as session:
        session.execute(update(Issue).where(Issue.id == issue_id).values(started_at=NOW + timedelta(days=number), **changes))
    return issue_id


def found(database: Database, query: str) -> list[int]:
    """The ids of the stories that the query finds, in their order."""
    bring_up_to_date(database)
    return [hit.story_id for hit in find(database, wanted(query)).hits]


@pytest.fixture
def newsroom(database: Database) -> Newsroom:
    """A newsroom that told three issues: stories 1 to 6."""
    made = Newsroom(database, settings())
    told(made, [story("楽天、東京に研究所", summary="AI語の研究を始める。"),
                story("別の話", summary="楽天とは関係がある。", body="**ガラス**の板を使う[計算機](https://secret.example.com/)。")], 1)
    told(made, [story("みなとの値下げ", body="本文で楽天に触れる。machine learning の話。"),
                story("よその記事", summary="要約だけ。", body="その本文は楽天のもの。", rights="summary")], 2)
    told(made, [story("楽天の新しいモデル", facts=[{"label": "価格", "value": "5,000円"}]), story("Sora opens models", language="en")], 3)
    return made


def test_words_of_two_characters_and_of_one_are_found_the_best_place_first_then_the_newest(newsroom: Newsroom) -> None:
    """Headline before summary before body; story 4 has the word only in a body that is not ours to show."""
    assert found(newsroom.database, "楽天") == [5, 1, 2, 3]
    assert found(newsroom.database, "東京") == [1]
    assert found(newsroom.database, "板") == [2]


@pytest.mark.parametrize(("query", "ids"), [
    ("ＡＩ語", [1]), ("ｶﾞﾗｽ", [2]), ("SORA", [6]), ("model", [6]), ('"machine learning"', [3]), ('"learning machine"', []), ("machine 楽天", [3]),
    ("楽天 東京", [1]), ("天楽", []), ("5,000円", [5]), ("価格", [5]), ("secret", []), ("要約", [4]), ("", []), ("!?", [])])
def test_what_a_reader_may_type(newsroom: Newsroom, query: str, ids: list[int]) -> None:
    """Full and half width, capitals, phrases, several words, key facts; an address behind a link is no text."""
    assert found(newsroom.database, query) == ids


def test_only_what_is_out_is_found(newsroom: Newsroom) -> None:
    """A draft is nobody's to read yet, what was cancelled no longer; a digest tells nothing that is new."""
    database = newsroom.database
    told(newsroom, [story("楽天のまとめ")], 5, rhythm="weekly", kind="digest")
    newsroom.draft([story("楽天の秘密の下書き")], number=4)
    assert found(database, "楽天") == [5, 1, 2, 3]
    set_state(database, 3, "cancelled")
    assert found(database, "楽天") == [1, 2, 3]


def test_each_issue_is_indexed_once_however_often_and_by_how_many(newsroom: Newsroom) -> None:
    database = newsroom.database
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _number: bring_up_to_date(database), range(4)))
    assert bring_up_to_date(database) == 0
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM story_search_tellings")) == 6
    assert found(database, "楽天") == [5, 1, 2, 3]
    assert rebuild(database) == 3
    assert found(database, "楽天") == [5, 1, 2, 3]
    assert bring_up_to_date(database, most=1) == 0


def test_a_story_told_twice_is_found_once(newsroom: Newsroom) -> None:
    database = newsroom.database
    again = told(newsroom, [story("何か")], 6)
    with database.writing() as session:
        session.execute(text("UPDATE picks SET story_id = 1, snapshot = (SELECT snapshot FROM picks WHERE story_id = 1) WHERE issue_id = :issue"),
                        {"issue": again})
    hits = find(database, wanted("東京")).hits if bring_up_to_date(database) else []
    assert [(hit.story_id, hit.told_at) for hit in hits] == [(1, NOW + timedelta(days=6))]


def test_pages_of_results_come_one_after_the_other(newsroom: Newsroom) -> None:
    bring_up_to_date(newsroom.database)
    pages = [find(newsroom.database, wanted("楽天"), first=first, most=3) for first in (0, 3, 6)]
    assert [[hit.story_id for hit in page.hits] for page in pages] == [[5, 1, 2], [3], []]
    assert (pages[0].total, pages[1].total) == (4, 4)


HOSTILE = ['"', "'", "' OR 1=1 --", "楽天*", "NEAR(a b)", "headline:x", "-a", "(", ")", "a AND OR NOT", "\\", "\x00", "{body}", "^", "a:*", "!", "&", "|",
           "<->", "%", "_", "\ud800", "💥" * 100, "\u3099\u3099", "ﷺ" * 50, "x" * 10_000, "楽" * 10_000, "a " * 5_000]


def test_hostile_queries_find_nothing_and_break_nothing(newsroom: Newsroom) -> None:
    """Operators of both databases' query languages are words, or nothing at all."""
    for query in HOSTILE:
        find(newsroom.database, wanted(query))
    assert found(newsroom.database, "NEAR(楽天 東京)") == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Database:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('search') / 'p.db'}")
    database.migrate()
    told(Newsroom(database, settings()), [story("楽天、東京に研究所")], 1)
    bring_up_to_date(database)
    return database


@rules(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_text_is_a_query_that_raises(small: Database, query: str) -> None:
    find(small, wanted(query))
    find(small, wanted(f'"{query}"'))


# The page


def test_the_page_shows_what_was_found_with_marks(database: Database) -> None:
    """And brings the index up to date by itself, so that what just came out is there."""
    with site(database, language="ja").browse() as client:
        answer = client.get("/search", params={"q": "推論"})
    words = answer.text.replace("<wbr>", "")
    assert "港クラウド、<mark>推論</mark>の価格を半額に" in words
    assert "全顧客の<mark>推論</mark>価格" in words
    assert "Their own words" not in words
    assert "1件" in words
    assert answer.headers["cache-control"] == "no-store"
    assert '<meta name="robots" content="noindex">' in answer.text


def test_a_query_comes_back_as_text(database: Database) -> None:
    """In the field, the title and the sentence that says that nothing was found."""
    with site(database).browse() as client:
        answer = client.get("/search", params={"q": '"><script>alert(1)</script>'})
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_a_search_has_its_limits(database: Database) -> None:
    with site(database).browse() as client:
        assert client.get("/search", params={"q": "x" * 10_000}).status_code == 400
        assert "at most 100 characters" in client.get("/search", params={"q": "x" * 101}).text
        assert "no letter and no digit" in client.get("/search", params={"q": "!?"}).text.replace("<wbr>", "")
        assert client.post("/search", data={"q": "x"}).status_code == 405
        for page in ("0", "-1", "x", "51", "9" * 40, "１"):
            assert (page, client.get("/search", params={"q": "model", "page": page}).status_code) == (page, 404)
        assert client.get("/search", params={"q": "model", "page": "2"}).status_code == 200


def test_a_long_body_shows_the_lines_around_the_word(database: Database) -> None:
    body = "\n\n".join([f"Paragraph {number} says nothing of interest at all to anybody who reads it." for number in range(200)]
                       + ["Before it " * 30 + "the zebra <b>crossed</b> the road" + " and after it" * 30])
    with site(database, told=[story("A long one", language="en", summary="Short.", body=body)]).browse() as client:
        words = client.get("/search", params={"q": "zebra"}).text
    assert "…" in words
    assert "<mark>zebra</mark>" in words
    assert "Paragraph 1 " not in words
    assert words.count("and after it") < 20
