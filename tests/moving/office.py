"""A newsroom that moves in: its settings, its database, and what stands there afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from starlette.testclient import TestClient

from publisher.db import Database
from publisher.models import Edition, Issue, NewsletterRow, Pick, SourceRow, Story, Telling
from publisher.models_site import Redirect
from publisher.moving.filing import MoveReport, move_issues
from publisher.moving.found import Found
from publisher.moving.opening import Export
from publisher.moving.readers import move_readers
from publisher.moving.tools import TOOLS
from publisher.settings import Newsletter, Settings
from publisher.web.app import create_web
from subscribers.transfer.csv_import import ImportReport
from tests.composing import settings
from tests.readers import KEYS, consents, lists

NOW = datetime(2024, 6, 1, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moved:
    """What one run brought."""

    found: Found
    issues: MoveReport
    readers: ImportReport


@dataclass(frozen=True, slots=True)
class Office:
    """The newsletter `morning` of the list `daily`, before and after."""

    database: Database
    settings: Settings

    @classmethod
    def made(cls, database: Database, language: str = "en") -> "Office":
        """With the rows that start-up writes."""
        lists(database)
        with database.writing() as session:
            session.add_all([NewsletterRow(name="morning", present=True), SourceRow(name="desk", kind="folder", present=True)])
        return cls(database, settings(language=language))

    @property
    def newsletter(self) -> Newsletter:
        """`morning`."""
        return self.settings.newsletters[0]

    def move(self, tool: str, path: Path, now: datetime = NOW, **options: Any) -> Moved:
        """What `publisher import TOOL PATH` does."""
        with Export(path) as export:
            found = TOOLS[tool].read(export, self.settings.site.timezone, self.settings.site.url)
            issues = move_issues(self.database, self.settings, self.newsletter, tool, found.past, now, **options)
            options.pop("after", None)
            readers = move_readers(self.database, KEYS, self.settings, export, found, TOOLS[tool].called, "daily", now, dry_run=options.get("dry_run", False))
        return Moved(found, issues, readers)

    def issues(self) -> list[tuple[int, str, str]]:
        """Each issue: number, day, subject."""
        with self.database.reading() as session:
            rows = session.scalars(select(Issue).where(Issue.state == "sent", Issue.kind == "regular", Issue.rhythm == "each").order_by(Issue.number))
            return [(issue.number, issue.started_at.date().isoformat() if issue.started_at else "", issue.subject) for issue in rows]

    def addresses(self) -> dict[str, int]:
        """Each old address with the number of the issue that it leads to."""
        with self.database.reading() as session:
            rows = session.execute(select(Redirect.path, Issue.number).join(Issue, Issue.id == Redirect.issue_id))
            return {path: number for path, number in rows}

    def pages(self) -> list[str]:
        """The pages of all issues, and the bodies of all stories."""
        with self.database.reading() as session:
            return [*session.scalars(select(Edition.page).order_by(Edition.issue_id)), *session.scalars(select(Story.body).order_by(Story.id))]

    def everything(self) -> tuple[object, ...]:
        """All rows that moving writes."""
        with self.database.reading() as session:
            tables = (Issue, Edition, Story, Pick, Telling, Redirect)
            rows = tuple(tuple(repr(tuple(row)) for row in session.execute(select(*table.__table__.columns).order_by(*table.__table__.primary_key)))
                         for table in tables)
        return (*rows, tuple(consents(self.database)))

    @contextmanager
    def browse(self) -> Iterator[TestClient]:
        """The site, by a client that follows no redirect."""
        web = create_web(self.database, self.settings, KEYS, health=dict, clock=lambda: NOW)
        with TestClient(web, base_url=self.settings.site.url, follow_redirects=False, raise_server_exceptions=False) as client:
            yield client


def harmless(pages: list[str]) -> None:
    """No script, no picture from elsewhere, no pixel, no form, no address that runs something, nothing that was meant for one reader."""
    for page in pages:
        for bad in ("<script", "alert(", "<img", "track.example.net", "cdn.example.net", "<form", "javascript:", "{{", "%%", "evil.example", "Unsubscribe"):
            assert bad not in page, (bad, page)
