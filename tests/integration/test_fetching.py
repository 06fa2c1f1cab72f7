"""Fetching from a real server: what is not asked for twice, what is refused, and that nothing reaches the inside of the network."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.db import Database
from publisher.errors import BadInput
from publisher.ingest.fetch import fetch
from publisher.settings import Settings
from tests.desks import NOW, Desk, counts
from tests.webserver import FEED_TYPE, Web, web_server

LATER = NOW + timedelta(hours=1)
FETCH = '[fetch]\nallow = ["127.0.0.0/8"]\ntimeout = "1s"\n'


def feed(*items: str) -> str:
    """An RSS feed of `items`."""
    return f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Example Wire</title>{"".join(items)}</channel></rss>'


def item(key: str, title: str, *, day: str | None = "Thu, 05 Mar 2026 09:30:00 +0900", text: str = "") -> str:
    """One entry; without `day` it has no date."""
    date = f"<pubDate>{day}</pubDate>" if day else ""
    return (f"<item><guid isPermaLink='false'>{key}</guid><title>{title}</title><link>https://wire.example.com/{key}</link>{date}"
            f"<description>{text or f'{title}, says the wire, and it says so at some length.'}</description></item>")


def source(name: str, url: str) -> dict[str, Any]:
    """A feed of publisher.toml."""
    return {"name": name, "kind": "feed", "url": url}


@pytest.fixture
def web() -> Iterator[Web]:
    """A server on this machine."""
    with web_server() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that open this machine, for what needs no database."""
    return Desk.make(tmp_path, None, more=FETCH).settings  # type: ignore[arg-type]


@pytest.mark.parametrize("validators", [{"etag": '"v1"'}, {"last_modified": "Thu, 05 Mar 2026 00:00:00 GMT"}])
def test_a_feed_that_did_not_change_is_not_sent_again(database: Database, tmp_path: Path, web: Web, validators: dict[str, str]) -> None:
    """The server's validators go back to it, and it answers 304."""
    url = web.put_with_validators("/feed", feed(item("aoba", "Aoba opens its model")), **validators)
    desk = Desk.make(tmp_path, database, source("wire", url), more=FETCH)
    desk.read_clean()
    before = desk.everything()
    assert [counts(desk.read_clean(LATER)) for _round in range(2)] == [{"read": 1, "unchanged": 1}] * 2
    assert (web.asked["/feed"], web.unchanged["/feed"]) == (3, 2)
    assert desk.everything() == before


def test_the_validators_of_one_address_are_not_sent_to_another(database: Database, tmp_path: Path, web: Web) -> None:
    """A source that moved is read anew, and its first reading floods nobody."""
    modified = "Thu, 05 Mar 2026 00:00:00 GMT"
    Desk.make(tmp_path, database, source("wire", web.put_with_validators("/one", feed(item("a", "From the first")), last_modified=modified)),
              more=FETCH).read_clean()
    old = item("b", "From the second, and old", day="Thu, 05 Feb 2026 09:30:00 +0900")
    desk = Desk.make(tmp_path, database, source("wire", web.put_with_validators("/two", feed(old), last_modified=modified)), more=FETCH)
    assert counts(desk.read_clean(LATER)) == {"read": 1, "new": 1, "archived": 1}
    assert web.unchanged["/two"] == 0


def test_who_asks_is_told_to_the_server(settings: Settings, web: Web) -> None:
    """Program and site, so that its owner can write to us."""
    fetch(web.put("/page", "here"), settings)
    assert web.headers["/page"]["User-Agent"].startswith("publisher/")
    assert settings.site.url in web.headers["/page"]["User-Agent"]


def test_one_bad_feed_never_stops_another(database: Database, tmp_path: Path, web: Web) -> None:
    """Each refusal is one line with its address; what is good is read; a feed that is mended is read as for the first time."""
    page = '<!doctype html><html><head><link rel="alternate" type="application/atom+xml" href="/atom"></head></html>'
    bad = {"html": web.put("/html", page), "gone": web.url("/gone"), "empty": web.put("/empty", b""), "broken": web.put("/broken", "<rss><chan"),
           "circle": web.redirect("/circle", "/circle-2"), "bomb": web.bomb("/bomb", 40), "large": web.put("/large", b"<rss>" + b" " * 5_300_000),
           "slow": web.drip("/slow"), "elsewhere": web.redirect("/elsewhere", "file:///etc/passwd"), "nowhere": "http://127.0.0.1:9/feed"}
    web.redirect("/circle-2", "/circle")
    good = web.put("/good", feed(item("aoba", "Aoba opens its model")), Content_Type=FEED_TYPE)
    desk = Desk.make(tmp_path, database, *(source(name, url) for name, url in bad.items()), source("good", good), more=FETCH)
    report = desk.read()
    assert counts(report) == {"read": 1, "new": 1}
    said = dict(zip(bad, report.problems, strict=True))
    assert {name: problem.where for name, problem in said.items()} == bad
    for name, words in {"html": f"the page names a feed: {web.url('/atom')}", "gone": "404 Not Found", "empty": "empty", "broken": "no feed",
                        "circle": "in a circle", "bomb": "larger than 5 MB", "large": "larger than 5 MB", "slow": "within 1 seconds",
                        "elsewhere": "no web address", "nowhere": "does not answer"}.items():
        assert words in str(said[name]), said[name]
        assert "\n" not in str(said[name])
    row = desk.source("html")
    assert row.first_read_at is None
    assert "web page" in (row.last_problem or "")
    web.put("/html", feed(item("mended", "Mended", day=None)), Content_Type=FEED_TYPE)
    assert desk.read(LATER).archived == 1
    assert desk.source("html").last_problem is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"])
def test_the_inside_of_the_network_is_closed_unless_it_is_listed(tmp_path: Path, web: Web, host: str) -> None:
    """However the address is written; the server is not even asked."""
    web.put("/secret", "inside")
    closed = Desk.make(tmp_path, None).settings  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"inside a private|no host|no web address") as refused:
        fetch(web.url("/secret").replace("127.0.0.1", host), closed)
    assert "\n" not in str(refused.value)
    assert not web.asked


def test_a_redirect_into_the_network_is_refused(settings: Settings, web: Web) -> None:
    """Each step is checked as the first one is."""
    url = web.redirect("/out", "http://169.254.169.254/latest/meta-data/")
    with pytest.raises(BadInput, match=r"169\.254\.169\.254, inside a private"):
        fetch(url, settings)


def test_five_redirects_are_followed_and_not_six(settings: Settings, web: Web) -> None:
    """Relative ones too; the address at the end is told."""
    web.put("/5", "here")
    for step in range(5):
        web.redirect(f"/{step}", f"{step + 1}#part")
    assert fetch(web.url("/0"), settings).url == web.url("/5")
    web.redirect("/start", "/0")
    with pytest.raises(BadInput, match="more than 5 times"):
        fetch(web.url("/start"), settings)


def test_the_connection_goes_to_the_checked_address_under_the_hosts_name(settings: Settings, web: Web) -> None:
    """A second look-up could say something else; the server still learns which site is meant."""
    web.put("/page", "here")
    fetched = fetch(web.url("/page").replace("127.0.0.1", "localhost"), settings)
    assert fetched.data == b"here"
    assert web.headers["/page"]["Host"].startswith("localhost:")


def test_a_packed_answer_is_unpacked_and_another_coding_refused(settings: Settings, web: Web) -> None:
    """Only gzip was asked for; a member may follow a member."""
    web.pages["/packed"] = lambda request: request.answer(gzip.compress(b"one ") + gzip.compress(b"two"), Content_Encoding="gzip")
    assert fetch(web.url("/packed"), settings).data == b"one two"
    web.pages["/odd"] = lambda request: request.answer(b"xx", Content_Encoding="br")
    with pytest.raises(BadInput, match="not asked for: br"):
        fetch(web.url("/odd"), settings)
    web.pages["/torn"] = lambda request: request.answer(b"\x1f\x8bno gzip", Content_Encoding="gzip")
    with pytest.raises(BadInput, match="cannot be unpacked"):
        fetch(web.url("/torn"), settings)
