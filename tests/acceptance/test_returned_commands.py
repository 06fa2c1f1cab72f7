"""What came back, as a person sees it at the keyboard."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from publisher.db import Database
from publisher.keyring import open_keys
from publisher.models import Delivery, Issue, NewsletterRow
from publisher.settings_file import load_settings
from publisher.track.apply import apply
from publisher.track.report import Report, evidence_of
from subscribers.models import Subscriber
from tests.commands import NewsroomFolder

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


def _a_bounce_and_a_complaint(folder: Path) -> None:
    """Of an issue that was sent to two readers."""
    settings = load_settings(folder / "publisher.toml")
    database = Database(settings.database_url)
    keys = open_keys(settings, database, NOW)
    with database.writing() as session:
        row = session.scalars(select(NewsletterRow)).one()
        row.paused_at = NOW
        issue = Issue(newsletter_id=row.id, number=1, state="sent", subject="The morning", created_at=NOW, started_at=NOW, finished_at=NOW)
        session.add(issue)
        session.flush()
        readers = list(session.scalars(select(Subscriber.id).order_by(Subscriber.id)))
        session.add_all(Delivery(issue_id=issue.id, edition_id=1, subscriber_id=one, state="accepted") for one in readers)
    for reader, kind, strength in zip(readers, ("bounce", "complaint"), ("hard", ""), strict=True):
        report = Report(kind, strength, "dsn", evidence_of(reader), NOW, "550 5.1.1 [no] such user", issue.id, None, reader)  # type: ignore[arg-type]
        assert apply(database, settings, keys, report, NOW) == "applied"
    database.close()


def test_what_came_back_is_listed_without_any_address(tmp_path: Path) -> None:
    """By issue and kind, for people and for machines; the issue says how much, and a paused newsletter goes on by a word."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9)
    newsroom.readers("hanako@example.jp", "taro@example.jp")
    _a_bounce_and_a_complaint(tmp_path)
    shown = newsroom.run("events", "list")
    assert "bounce · hard" in shown.out
    assert "550 5.1.1 [no] such user" in shown.out
    assert "@" not in shown.out
    assert [one["kind"] for one in newsroom.run("events", "list", "--issue", "1", "--json").json()] == ["complaint", "bounce"]
    assert "戻ってきた知らせはありません" in newsroom.run("--lang", "ja", "events", "list", "--kind", "delay").out
    assert "Came back: 1 no such address, 0 for now, 0 blocked, 1 complaints" in newsroom.run("issues", "show", "1").out
    assert newsroom.run("newsletters", "resume", "morning").code == 0
    assert newsroom.run("newsletters", "list", "--json").json()[0]["paused_at"] is None
