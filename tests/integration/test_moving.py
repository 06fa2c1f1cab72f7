"""What holds for every move: once is once, numbering goes on, nothing that was told is told again, and a bad item costs one item."""

import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from publisher.curate.picking import look, pick
from publisher.db import Database
from publisher.errors import BadInput, PublisherError
from publisher.models import Issue, SourceRow, Story, Telling
from publisher.moving.content import from_html, from_markdown, from_plain
from publisher.moving.opening import Export
from publisher.moving.pages import styled
from publisher.search import bring_up_to_date
from publisher.text.markup import markdown_html
from publisher.text.urls import canonical_url
from tests.moving import exports
from tests.moving.office import NOW, Office, harmless
from tests.rows import add_story


def test_the_same_export_again_changes_nothing_and_a_later_one_goes_on(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    files = exports.ghost()
    first = office.move("ghost", exports.folder(tmp_path / "ghost", files))
    before = office.everything()
    again = office.move("ghost", tmp_path / "ghost")
    assert (first.issues.added, again.issues.added, again.issues.unchanged) == (3, 0, 3)
    assert office.everything() == before
    data = json.loads(files["example.ghost.2024-06-01.json"])
    posts = data["db"][0]["data"]["posts"]
    posts.append(posts[0] | {"id": "9", "uuid": "nine", "slug": "letter-9", "title": "Letter 9", "published_at": "2024-05-30T07:00:00.000Z"})
    (tmp_path / "ghost" / "example.ghost.2024-06-01.json").write_text(json.dumps(data), "utf-8")
    office.move("ghost", tmp_path / "ghost")
    assert office.issues()[-1] == (4, "2024-05-30", "Letter 9")


def test_a_look_before_changes_nothing(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    before = office.everything()
    moved = office.move("ghost", exports.folder(tmp_path / "ghost", exports.ghost()), dry_run=True)
    assert (moved.issues.added, moved.readers.added, moved.readers.gone) == (3, 2, 1)
    assert office.everything() == before
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SourceRow)) == 1


def test_a_move_that_breaks_off_goes_on_where_it_was(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    path = exports.folder(tmp_path / "ghost", exports.ghost())

    def stop(done: int, _of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        office.move("ghost", path, progress=stop)
    assert [entry[0] for entry in office.issues()] == [1, 2]
    office.move("ghost", path)
    assert [entry[0] for entry in office.issues()] == [1, 2, 3]
    assert len(office.addresses()) == 6


def test_the_next_issue_has_the_next_number(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    office.move("ghost", exports.folder(tmp_path / "ghost", exports.ghost()))
    for number in range(3):
        add_story(database, number, approved=NOW - timedelta(hours=1), date=NOW.isoformat())
    made = pick(database, office.settings, office.newsletter, NOW)
    with database.reading() as session:
        assert made.issue_id is not None
        assert session.get_one(Issue, made.issue_id).number == 4


def test_a_newsletter_with_issues_of_its_own_keeps_its_first_numbers(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    for number in range(3):
        add_story(database, number, approved=NOW - timedelta(hours=1), date=NOW.isoformat())
    pick(database, office.settings, office.newsletter, NOW)
    path = exports.folder(tmp_path / "ghost", exports.ghost())
    before = office.everything()
    with pytest.raises(PublisherError, match="issues of its own"):
        office.move("ghost", path)
    assert office.everything() == before
    office.move("ghost", path, after=True)
    assert [entry[0] for entry in office.issues()] == [2, 3, 4]


def test_nothing_that_was_told_there_is_told_here(database: Database, tmp_path: Path) -> None:
    """Neither a past issue that comes in by another door, nor what it linked to under the same address and nearly the same headline."""
    office = Office.made(database)
    office.move("ghost", exports.folder(tmp_path / "ghost", exports.ghost()))
    with database.reading() as session:
        past = session.scalars(select(Story).where(Story.headline == "Letter 1", Story.rights == "own")).one()
        assert (past.status, session.scalar(select(func.count()).select_from(Telling).where(Telling.told_at.is_(None)))) == ("archive", 0)
    address = "https://wire.example.com/aoba"
    add_story(database, 1, headline="Aoba Labs opens its model", source_url=address, canonical_url=canonical_url(address), date=NOW.isoformat(), approved=NOW)
    add_story(database, 2, headline=past.headline, body=past.body, fingerprint=past.fingerprint, date=NOW.isoformat(), approved=NOW)
    other = add_story(database, 3, date=NOW.isoformat(), approved=NOW)
    choice = look(database, office.settings, office.newsletter, NOW)
    fresh = {passed.story.id for passed in choice.passed if passed.reason["code"] not in ("told", "told_elsewhere")} | {p.story.id for p in choice.picks}
    assert fresh == {other}


def test_pages_search_and_old_addresses_of_what_came_in(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    office.move("substack", exports.zipped(tmp_path / "export.zip", exports.substack()))
    assert bring_up_to_date(database) == 2
    with office.browse() as client:
        home, issue, story = client.get("/").text, client.get("/issues/1"), client.get("/stories/1")
        old = [client.get(path) for path in ("/p/first-letter", "/p/first-letter/", "/p/first-letter?utm_source=x")]
        assert client.head("/p/second-letter").status_code == 301
        assert client.post("/p/second-letter").status_code in (404, 405)
        assert client.get("/p/never-was").status_code == 404
        assert client.get("/p/" + "x" * 2000).status_code == 404
        assert client.get("/p/%00").status_code == 404
    assert "/issues/1" in home
    assert "/issues/2" in home
    assert [(answer.status_code, answer.headers["location"]) for answer in old] == [(301, "/issues/1")] * 3
    assert "no-store" not in old[0].headers["cache-control"]
    assert issue.status_code == story.status_code == 200
    assert "Aoba Labs opened its <strong>model</strong>" in issue.text
    harmless([page.replace("<script>", "") if "application/ld+json" in page else page for page in (issue.text,)])


def test_what_cannot_be_an_export_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(BadInput, match="zip"):
        Export(tmp_path / "broken.zip")
    from publisher.moving.tools import TOOLS

    (tmp_path / "empty").mkdir()
    for tool in TOOLS.values():
        with Export(tmp_path / "empty") as export, pytest.raises(BadInput):
            tool.read(export, "UTC", "https://news.example.jp")
    (tmp_path / "x.json").write_text("{not json", "utf-8")
    with Export(tmp_path / "x.json") as export, pytest.raises(BadInput, match="JSON"):
        TOOLS["ghost"].read(export, "UTC", "https://news.example.jp")


def test_a_damaged_post_costs_that_post(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    path = exports.zipped(tmp_path / "export.zip", exports.substack())
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as made:
        entry = made.getinfo("posts/101.first-letter.html")
    data[entry.header_offset + 60] ^= 0xFF
    path.write_bytes(data)
    moved = office.move("substack", path)
    assert [entry[2] for entry in office.issues()] == ["Second letter"]
    assert any("damaged" in problem.reason for problem in moved.found.problems)


def test_a_file_of_readers_alone_is_enough(database: Database, tmp_path: Path) -> None:
    for tool, name, text in (("substack", "email_list.csv", exports.substack()["email_list.example.csv"]), ("ghost", "members.csv", exports.ghost()["members.2024-06-01.csv"])):
        (tmp_path / name).write_text(text, "utf-8")
        with Export(tmp_path / name) as export:
            from publisher.moving.tools import TOOLS

            found = TOOLS[tool].read(export, "UTC", "https://news.example.jp")
        assert ([part.name for part in found.readers], found.past) == ([name], [])


@given(st.text(max_size=300))
def test_no_text_of_an_old_tool_gets_a_tag_or_a_tool_into_a_page(text: str) -> None:
    """Whatever stands in an old mail, what is shown is prose."""
    for made in (from_html(f"<p>{text}</p><script>{text}</script>", ""), from_markdown(text, ""), from_plain(text)):
        shown = styled(markdown_html(made)).lower()
        assert "<script" not in shown
        assert "<img" not in shown
        assert "javascript:" not in shown.replace("&#58;", ":") or 'href="javascript' not in shown


def test_another_tools_export_brings_nobody(tmp_path: Path) -> None:
    """Lists of who opened a mail hold addresses too; they are no readers, whichever tool somebody names by mistake."""
    from publisher.moving.tools import TOOLS

    written = {name: exports.zipped(tmp_path / f"{name}.zip", getattr(exports, name)()) for name in TOOLS}
    for name, path in written.items():
        for other in set(TOOLS) - {name}:
            with Export(path) as export:
                try:
                    found = TOOLS[other].read(export, "UTC", "https://news.example.jp")
                except BadInput:
                    continue
                assert (name, other, [part.name for part in found.readers]) == (name, other, [])


def test_a_ghost_of_long_ago(database: Database, tmp_path: Path) -> None:
    """Without `db` around it, with milliseconds for dates, and `page` instead of a type."""
    office = Office.made(database)
    posts = [{"id": 5, "title": "Old letter", "slug": "old-letter", "html": "<p>Long ago.</p>", "status": "published", "page": 0, "published_at": 1388805572000},
             {"id": 6, "title": "About", "slug": "about", "html": "<p>Us.</p>", "status": "published", "page": 1, "published_at": 1388805572000}]
    (tmp_path / "old.json").write_text(json.dumps({"meta": {"version": "003"}, "data": {"posts": posts}}), "utf-8")
    office.move("ghost", tmp_path / "old.json")
    assert office.issues() == [(1, "2014-01-04", "Old letter")]
