"""Reading feeds and pages by their address: what is asked, what is filed, and that one that fails stops no other."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.db import Database
from tests.desks import DESK, NOW, TEXTS, Desk, counts, report, told
from tests.feeds import ALLOWED, Site, item, rss, serve

LATER = NOW + timedelta(hours=1)
CHIP, COURT, SCHOOL, RICE = (item(name, *TEXTS[name]) for name in ("chip", "court", "school", "rice"))


@pytest.fixture
def site() -> Iterator[Site]:
    """A server of a wire service."""
    with serve() as running:
        yield running


def wire(site: Site, **changes: Any) -> dict[str, Any]:
    """The feed as a source."""
    return {"name": "wire", "kind": "feed", "url": site.url} | changes


def test_entries_of_a_feed_are_filed_by_their_own_ids(database: Database, tmp_path: Path, site: Site) -> None:
    """With summary rights and waiting for an editor, unless the source says otherwise."""
    site.content = rss(CHIP, COURT)
    desk = Desk.make(tmp_path, database, wire(site), more=ALLOWED)
    assert counts(desk.read_clean()) == {"read": 2, "new": 2}
    assert [story.origin for story in desk.stories()] == [f"{site.url}#chip", f"{site.url}#court"]
    assert {(story.status, story.rights, story.source_name) for story in desk.stories()} == {("inbox", "summary", "例通信")}


def test_an_unchanged_feed_is_not_sent_again(database: Database, tmp_path: Path, site: Site) -> None:
    """The server's ETag is given back to it; a server that has none is believed by the bytes."""
    site.content, site.etag = rss(CHIP, COURT), '"one"'
    desk = Desk.make(tmp_path, database, wire(site), more=ALLOWED)
    desk.read_clean()
    before = desk.everything()
    assert counts(desk.read_clean(LATER)) == {"read": 2, "unchanged": 2}
    assert site.named == [None, '"one"']
    site.etag = None
    assert counts(desk.read_clean(LATER)) == {"read": 2, "unchanged": 2}
    assert desk.everything() == before
    assert desk.source("wire").last_read_at == LATER


def test_an_entry_that_rolls_out_of_the_feed_is_not_withdrawn(database: Database, tmp_path: Path, site: Site) -> None:
    """A feed shows its latest entries only. An edited one is updated while untold, else noted."""
    site.content = rss(CHIP, COURT)
    desk = Desk.make(tmp_path, database, wire(site), more=ALLOWED)
    desk.read_clean()
    desk.tell(desk.story(TEXTS["court"][0]).id)
    site.content = rss(RICE, CHIP.replace("90ワット", "80ワット"))
    assert counts(desk.read_clean(LATER)) == {"read": 2, "new": 1, "updated": 1}
    site.content = rss(RICE, COURT.replace("30日", "45日"))
    assert counts(desk.read_clean(LATER)) == {"read": 2, "unchanged": 1, "noted": 1}
    assert len(desk.stories()) == 3
    assert "80ワット" in desk.story(TEXTS["chip"][0]).body
    assert "30日" in desk.story(TEXTS["court"][0]).body


def test_the_first_reading_of_a_feed_floods_nobody(database: Database, tmp_path: Path, site: Site) -> None:
    """Old and undated entries go to the archive; afterwards an undated one is news, for it was not there before."""
    old, undated = item("old", *TEXTS["court"], day="Mon, 05 Jan 2026 08:00:00 +0900"), item("undated", *TEXTS["school"], day=None)
    site.content = rss(CHIP, old, undated)
    desk = Desk.make(tmp_path, database, wire(site, curated=True), more=ALLOWED)
    assert counts(desk.read_clean()) == {"read": 3, "new": 3, "archived": 2}
    assert desk.story(TEXTS["chip"][0]).status == "approved"
    site.content = rss(CHIP, old, undated, item("new", *TEXTS["rice"], day=None))
    assert counts(desk.read_clean(LATER)) == {"read": 4, "new": 1, "unchanged": 3}
    assert desk.story(TEXTS["rice"][0]).status == "approved"


def test_a_feed_whose_first_reading_failed_has_its_first_reading_yet_to_come(database: Database, tmp_path: Path, site: Site) -> None:
    """An error page on the first day must not let the whole feed in on the second."""
    site.content, site.content_type = b"<!DOCTYPE html><html><body>Sorry</body></html>", "text/html"
    desk = Desk.make(tmp_path, database, wire(site, curated=True), more=ALLOWED)
    assert len(desk.read().problems) == 1
    site.content, site.content_type = rss(item("old", *TEXTS["court"], day="Mon, 05 Jan 2026 08:00:00 +0900")), "application/rss+xml"
    assert counts(desk.read_clean(LATER)) == {"read": 1, "new": 1, "archived": 1}


def test_a_feed_that_fails_is_told_and_stops_no_other_source(database: Database, tmp_path: Path, site: Site) -> None:
    """A page instead of a feed, a server in trouble, an address inside the private network: one line each."""
    site.content, site.content_type = b"<!DOCTYPE html><html><body>Sorry</body></html>", "text/html"
    closed = {"name": "inside", "kind": "feed", "url": "http://10.0.0.1/feed"}
    desk = Desk.make(tmp_path, database, wire(site), closed, DESK, more=ALLOWED)
    desk.write("report.md", report(told("chip")))
    found = desk.read()
    assert counts(found) == {"read": 1, "new": 1}
    page, inside = found.problems
    assert page.where == site.url
    assert "HTML" in page.reason
    assert "private or reserved network" in inside.reason
    assert desk.source("wire").last_problem == str(page)
    site.status = 503
    assert "503" in desk.read(LATER).problems[0].reason
    assert desk.source("desk").last_problem is None


def test_entries_stay_when_their_feed_fails(database: Database, tmp_path: Path, site: Site) -> None:
    """And the next good answer goes on where the last one was."""
    site.content = rss(CHIP)
    desk = Desk.make(tmp_path, database, wire(site), more=ALLOWED)
    desk.read_clean()
    site.status = 500
    assert len(desk.read(LATER).problems) == 1
    assert len(desk.stories()) == 1
    site.status, site.content = 200, rss(COURT, CHIP)
    assert counts(desk.read_clean(LATER)) == {"read": 2, "new": 1, "unchanged": 1}


def test_a_page_is_one_story_that_changes_in_place(database: Database, tmp_path: Path, site: Site) -> None:
    """Its address is its container."""
    def page(body: str) -> bytes:
        return f"<!DOCTYPE html><html lang='ja'><head><title>{TEXTS['chip'][0]}</title></head><body><article><h1>{TEXTS['chip'][0]}</h1>" \
               f"<p>{body}</p><p>{TEXTS['school'][1]}</p></article></body></html>".encode()

    site.content, site.content_type = page(TEXTS["chip"][1]), "text/html; charset=utf-8"
    desk = Desk.make(tmp_path, database, wire(site, kind="page"), more=ALLOWED)
    assert counts(desk.read_clean()) == {"read": 1, "new": 1}
    [story] = desk.stories()
    assert (story.origin, story.headline, story.rights) == (f"{site.url}#1", TEXTS["chip"][0], "summary")
    site.content = page(TEXTS["chip"][1].replace("90ワット", "80ワット"))
    assert counts(desk.read_clean(LATER)) == {"read": 1, "updated": 1}
    assert [changed.id for changed in desk.stories()] == [story.id]


def test_whatever_a_feed_calls_its_entries_they_are_filed(database: Database, tmp_path: Path, site: Site) -> None:
    """Ids that repeat, that no index takes, or that hold characters no database takes."""
    entries = ",".join(f'{{"id": {key}, "title": "{TEXTS[name][0]}", "content_text": "{TEXTS[name][1]}"}}' for key, name in (
        ('"same"', "chip"), ('"same"', "court"), (f'"{"long" * 5000}"', "school"), (r'"odd\u0000\ud800"', "rice")))
    site.content = f'{{"version": "https://jsonfeed.org/version/1.1", "title": "\\ud800例", "items": [{entries}]}}'.encode()
    site.content_type = "application/feed+json"
    desk = Desk.make(tmp_path, database, wire(site), more=ALLOWED)
    assert counts(desk.read_clean())["new"] == 3
    site.content += b"\n"
    assert counts(desk.read_clean(LATER)) == {"read": 3, "unchanged": 3}
