"""Rows for tests of what stands on the database: a newsletter that publisher.toml names, and stories on its desk."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from publisher.db import Database
from publisher.models import Issue, NewsletterRow, SourceRow, Story, Telling
from publisher.settings import Newsletter, Settings
from publisher.settings_file import load_settings
from publisher.text.fingerprint import text_fingerprint
from tests.stories import own_words

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
FILE = """\
[site]
url = "http://127.0.0.1:8000"
timezone = "UTC"
[mail]
sender = "news@news.example.jp"
[[lists]]
name = "daily"
[[newsletters]]
name = "morning"
list = "daily"
min_stories = 1
"""


def newsroom(folder: Path, database: Database, *lines: str, seen: datetime = NOW - timedelta(days=30)) -> tuple[Settings, Newsletter]:
    """The settings of FILE with more `lines` for its newsletter, and the rows that start-up would have written at `seen`."""
    path = folder / "publisher.toml"
    path.write_text(FILE + "\n".join(lines) + "\n", "utf-8")
    settings = load_settings(path)
    with database.writing() as session:
        if session.scalar(select(NewsletterRow)) is None:
            session.add(NewsletterRow(name="morning", present=True, first_seen_at=seen))
            session.add(SourceRow(name="desk", kind="folder", present=True))
    return settings, settings.newsletters[0]


def add_story(database: Database, number: int, *, approved: datetime = NOW - timedelta(hours=1), **values: Any) -> int:
    """An approved story with words of its own; its id."""
    headline, body = values.pop("headline", own_words(number, 14)), values.pop("body", own_words(1000 + number))
    with database.writing() as session:
        usual = {"source_id": session.scalar(select(SourceRow.id)), "container": f"{number}.md", "origin": f"{number}.md#1", "headline": headline,
                 "body": body, "status": "approved", "fingerprint": text_fingerprint(headline, body), "content_hash": "",
                 "approved_at": approved, "created_at": approved, "updated_at": approved}
        story = Story(**(usual | values))
        session.add(story)
        session.flush()
        return story.id


def leave(database: Database, issue_id: int, now: datetime = NOW, state: str = "sent") -> None:
    """What sending writes when an issue has left."""
    with database.writing() as session:
        issue = session.get_one(Issue, issue_id)
        issue.state, issue.started_at = state, now
        for telling in session.scalars(select(Telling).where(Telling.issue_id == issue_id)):
            telling.told_at = now


def call_off(database: Database, issue_id: int) -> None:
    """What cancelling writes when nothing has left."""
    with database.writing() as session:
        session.get_one(Issue, issue_id).state = "cancelled"
        for telling in session.scalars(select(Telling).where(Telling.issue_id == issue_id)):
            session.delete(telling)
