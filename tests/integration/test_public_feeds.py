"""Feeds, sitemap, share links: what programs read of the archive is valid, complete, and never more than we may show."""

import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import feedparser
import lxml.etree
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from publisher.db import Database
from publisher.models import Issue
from publisher.web.sharing import share_links
from publisher.web.sitemap import Sitemap
from tests.composing import NOW, story
from tests.serving import Site, plain, set_state, site

ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
HARD = "A <b>bold</b> & \u201cquoted\u201d headline ]]> 💥"


@pytest.fixture
def made(database: Database) -> Site:
    """Two issues: the first tells stories 1 and 2, the second story 3."""
    newsroom = site(database)
    second, _edition, _posts = newsroom.newsroom.composed([story(HARD, language="en", section="Models", tags=["AI", "Models"], author="Hanako")], number=13)
    set_state(database, second.id, "sent")
    with database.writing() as session:
        session.execute(update(Issue).where(Issue.id == second.id).values(started_at=NOW + timedelta(days=1, microseconds=5)))
    return newsroom


@pytest.fixture
def client(made: Site) -> Iterator[TestClient]:
    with made.browse() as opened:
        yield opened


def test_the_atom_feed_tells_each_story_newest_first(client: TestClient) -> None:
    answer = client.get("/feed.atom")
    plain(answer)
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = feedparser.parse(answer.content)
    assert not feed.bozo
    assert feed.version == "atom10"
    assert [entry.link for entry in feed.entries] == [f"https://news.example.jp/stories/{number}" for number in (3, 1, 2)]
    assert feed.feed.updated == feed.entries[0].published == "2025-12-05T22:00:00Z"
    assert feed.feed.title == "Example Morning"
    newest, own, others = feed.entries
    assert [tag.term for tag in newest.tags] == ["Models", "AI"]
    assert newest.author == "Hanako"
    assert own.summary == "Aoba Labs published the weights of its model. It runs on one card."
    assert [link.href for link in others.links if link.rel == "via"] == ["https://wire.example.com/minato"]


def test_the_atom_feed_has_all_that_the_standard_wants(client: TestClient) -> None:
    """RFC 4287 sections 4.1.1 and 4.1.2: id, title, updated, an author; self; ids that are addresses and unique."""
    root = lxml.etree.fromstring(client.get("/feed.atom").content)
    for element in [root, *root.findall(f"{ATOM}entry")]:
        assert [len(element.findall(ATOM + name)) for name in ("id", "title", "updated")] == [1, 1, 1]
    assert root.find(f"{ATOM}author/{ATOM}name").text
    assert [link.get("href") for link in root.findall(f"{ATOM}link") if link.get("rel") == "self"] == ["https://news.example.jp/feed.atom"]
    ids = [element.text for element in root.iter(f"{ATOM}id")]
    assert len(ids) == len(set(ids)) == 4
    assert root.findall(f".//{ATOM}entry/{ATOM}title")[0].text == HARD


def test_the_json_feed_says_the_same(client: TestClient) -> None:
    """jsonfeed.org/version/1.1: version and title, each item with an id and a content."""
    answer = client.get("/feed.json")
    plain(answer)
    assert answer.headers["content-type"] == "application/feed+json; charset=utf-8"
    feed = answer.json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert (feed["title"], feed["home_page_url"], feed["feed_url"]) == (
        "Example Morning", "https://news.example.jp/", "https://news.example.jp/feed.json")
    assert [item["id"] for item in feed["items"]] == [f"https://news.example.jp/stories/{number}" for number in (3, 1, 2)]
    assert all(item["content_text"] and item["date_published"] for item in feed["items"])
    assert feed["items"][0]["title"] == HARD
    assert feed["items"][2]["external_url"] == "https://wire.example.com/minato"


def test_no_feed_holds_a_body(client: TestClient) -> None:
    for path in ("/feed.atom", "/feed.json", "/morning/feed.atom"):
        words = client.get(path).text
        assert "Their own words" not in words
        assert "What changes" not in words


def test_a_newsletter_has_feeds_of_its_own_and_nobody_else(client: TestClient) -> None:
    assert feedparser.parse(client.get("/morning/feed.atom").content).feed.links[0].href == "https://news.example.jp/morning/feed.atom"
    assert client.get("/morning/feed.json").json()["feed_url"] == "https://news.example.jp/morning/feed.json"
    for path in ("/evening/feed.atom", "/issues/feed.json", "/u/feed.atom"):
        assert client.get(path).status_code == 404


def test_who_has_the_feed_already_is_told_so(client: TestClient) -> None:
    """By either validator; If-None-Match goes before the moment (RFC 9110 section 13.2.2)."""
    for path in ("/feed.atom", "/feed.json"):
        first = client.get(path)
        etag, moment = first.headers["etag"], first.headers["last-modified"]
        for known in ({"If-None-Match": etag}, {"If-None-Match": f'"x", W/{etag}'}, {"If-None-Match": "*"}, {"If-Modified-Since": moment}):
            again = client.get(path, headers=known)
            assert (known, again.status_code, again.content) == (known, 304, b"")
            assert again.headers["etag"] == etag
        for unknown in ({"If-None-Match": '"other"', "If-Modified-Since": moment}, {"If-Modified-Since": "Thu, 04 Dec 2025 00:00:00 GMT"},
                        {"If-Modified-Since": "yesterday"}, {"If-None-Match": ""}):
            assert (unknown, client.get(path, headers=unknown).status_code) == (unknown, 200)
        assert client.head(path).status_code == 200


def test_an_empty_archive_has_valid_feeds(database: Database) -> None:
    with site(database, state="draft").browse() as client:
        feed = feedparser.parse(client.get("/feed.atom").content)
        assert (bool(feed.bozo), len(feed.entries), bool(feed.feed.updated)) == (False, 0, True)
        assert client.get("/feed.json").json()["items"] == []


def test_text_that_no_document_may_hold_breaks_no_feed(database: Database) -> None:
    told = [story("Null \x0b and \ufffe here", language="en", author="\x01", tags=["\x02"], source_url="https://wire.example.com/\x0c")]
    with site(database, told=told).browse() as client:
        assert not feedparser.parse(client.get("/feed.atom").content).bozo
        assert json.loads(client.get("/feed.json").content)["items"]


# The sitemap


def addresses(document: str) -> list[str]:
    """Every address of a sitemap or of its index."""
    return [element.text or "" for element in lxml.etree.fromstring(document.encode()).iter(f"{SITEMAP}loc")]


def test_the_sitemap_names_what_is_out_and_robots_name_the_sitemap(made: Site, client: TestClient) -> None:
    answer = client.get("/sitemap.xml")
    plain(answer)
    assert answer.headers["content-type"] == "application/xml"
    assert addresses(answer.text) == [f"https://news.example.jp{path}" for path in
                                      ("/", f"/issues/{made.issue_id}", f"/issues/{made.issue_id + 1}", "/stories/1", "/stories/2", "/stories/3")]
    assert "<lastmod>2025-12-05</lastmod>" in answer.text
    robots = client.get("/robots.txt").text
    assert "Sitemap: https://news.example.jp/sitemap.xml" in robots
    assert "Disallow: /u/" in robots
    set_state(made.database, made.issue_id, "cancelled")
    assert addresses(client.get("/sitemap.xml").text) == [f"https://news.example.jp{path}" for path in ("/", f"/issues/{made.issue_id + 1}", "/stories/3")]


async def _text(response: object) -> str:
    return "".join([part if isinstance(part, str) else part.decode() async for part in response.body_iterator])  # type: ignore[attr-defined]


def test_a_large_sitemap_is_an_index_of_files(made: Site) -> None:
    """Each address stands in exactly one of them."""
    import anyio

    sitemap = Sitemap(made.database, made.settings, most=2)
    files = addresses(anyio.run(_text, sitemap.whole()))
    assert files == [f"https://news.example.jp/sitemap-{name}.xml" for name in ("issues-0", "issues-1", "stories-0", "stories-1")]
    found: list[str] = []
    for file in files:
        kind, part = file.removesuffix(".xml").rsplit("-", 2)[1:]
        found += addresses(anyio.run(_text, sitemap.part(kind, part)))
    assert found == [f"https://news.example.jp{path}" for path in ("/issues/1", "/issues/2", "/stories/1", "/stories/2", "/stories/3")]


def test_files_of_a_sitemap_that_cannot_be_are_not_found(client: TestClient) -> None:
    for path in ("/sitemap-readers-0.xml", "/sitemap-issues--1.xml", "/sitemap-issues-x.xml", "/sitemap-issues-999999999999.xml", "/sitemap-issues-１.xml"):
        assert (path, client.get(path).status_code) == (path, 404)
    assert addresses(client.get("/sitemap-issues-0.xml").text)


# Heads and share links


def test_a_page_says_what_a_link_to_it_shows(made: Site, client: TestClient) -> None:
    """Open Graph on story, issue and list; the frozen issue gets it without a change to its words."""
    for path, kind in (("/", "website"), ("/stories/1", "article"), ("/stories/2", "article"), (f"/issues/{made.issue_id}", "article")):
        words = client.get(path).text
        assert f'<meta property="og:type" content="{kind}">' in words
        assert f'<link rel="canonical" href="https://news.example.jp{path}">' in words
        assert f'<meta property="og:url" content="https://news.example.jp{path}">' in words
        assert 'type="application/atom+xml"' in words
        assert words.index("og:title") < words.index("</head>")
        assert words.count('rel="canonical"') == 1


def test_a_story_of_our_own_is_told_to_search_engines_and_nobody_elses_is(client: TestClient) -> None:
    own, others = client.get("/stories/1").text, client.get("/stories/2").text
    data = json.loads(own.partition('<script type="application/ld+json">')[2].partition("</script>")[0])
    assert (data["@type"], data["author"]["name"], data["publisher"]["name"]) == ("NewsArticle", "Hanako Yamada", "Example Morning")
    assert data["headline"] == "Aoba Labs opens a model with 400 billion parameters that runs on one card"
    assert "ld+json" not in others


def test_share_links_carry_title_and_address_whole() -> None:
    """Whatever stands in a headline: nothing of it ends a parameter or begins another one."""
    title, url = "100% & more? #1 “楽天” +x", "https://news.example.jp/stories/1"
    for name, link in share_links(title, url):
        parts = urlsplit(link)
        given = parse_qs(parts.query) if parts.query else {"text": [unquote(parts.fragment.removeprefix("text="))]}
        said = " ".join(value for values in given.values() for value in values)
        assert (name, url in said, title in said) == (name, True, True)


def test_the_list_is_leafed_through(database: Database) -> None:
    """Thirty issues a page, each on exactly one; a page that is not there is not found."""
    made = site(database)
    for number in range(13, 13 + 60):
        issue_id = made.newsroom.draft([story(f"Story {number}", language="en")], number=number)
        with database.writing() as session:
            session.execute(update(Issue).where(Issue.id == issue_id).values(state="sent", started_at=NOW + timedelta(days=number), subject="x"))
    _with_editions(database)
    with made.browse() as client:
        pages = [client.get(path).text for path in ("/", "/?page=2", "/?page=3")]
        found = [part.partition('"')[0] for words in pages for part in words.split('href="/issues/')[1:]]
        assert found == [str(number) for number in range(61, 0, -1)]
        assert ['rel="prev"' in words for words in pages] == [False, True, True]
        assert ['rel="next"' in words for words in pages] == [True, True, False]
        for page in ("0", "4", "-1", "x", "9" * 30, "٣"):
            assert (page, client.get("/", params={"page": page}).status_code) == (page, 404)


def _with_editions(database: Database) -> None:
    """Bare editions for issues that were not composed: composing sixty takes longer than the test."""
    from publisher.models import Edition

    with database.writing() as session:
        composed = {edition.issue_id for edition in session.query(Edition)}
        session.add_all(Edition(issue_id=issue.id, language="en", subject="x", preheader="y", html="z", text="z")
                        for issue in session.query(Issue) if issue.id not in composed)
