"""No address that a source gave can stand for one of the reader's own links."""

from pathlib import Path

from publisher.compose.inlining import placeholder
from publisher.db import Database
from publisher.text.slots import slot
from tests.composing import Newsroom, settings, story


def test_another_source_cannot_name_a_leave_link(tmp_path: Path) -> None:
    """Neither as its placeholder nor as its slot: only the footer has one."""
    database = Database(f"sqlite:///{tmp_path / 'p.db'}")
    database.migrate()
    also = [{"name": name, "url": url} for name, url in (("北の声", placeholder("leave_url")), ("南の声", slot("leave_url")), ("西の声", "https://w.example.com/1"))]
    edition = Newsroom(database, settings()).composed([story("一本目"), story("二本目")], also={1: also})[1]
    database.close()
    assert edition.html.count(slot("leave_url")) == 1
    assert "北の声" in edition.html
    assert 'href="https://w.example.com/1"' in edition.html
