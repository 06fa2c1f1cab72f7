"""Reads a feed or a page from the web and files it; what the server says is unchanged is not read again."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.ingest.boilerplate import replace_shared_excerpts
from publisher.ingest.draft import Reading
from publisher.ingest.feed import read_feed
from publisher.ingest.fetch import Fetched, fetch
from publisher.ingest.files_reading import parsed
from publisher.ingest.filing import IngestReport, Rules, adopt, file_document, file_entries
from publisher.ingest.page import read_page
from publisher.models import SourceFile, SourceRow, Story
from publisher.settings import Settings, Source


@dataclass(frozen=True, slots=True)
class WebState:
    """What is remembered of an address. Without `content_hash` it was never read, and its validators would be those of another one."""

    content_hash: str | None = None
    etag: str | None = None
    last_modified: str | None = None


def web_state(session: Session, row: SourceRow, url: str) -> WebState:
    """What was read from `url` last, by this source."""
    file = session.get(SourceFile, url)
    return WebState(file.content_hash, row.etag, row.last_modified) if file and file.source_id == row.id else WebState()


def read_web(database: Database, settings: Settings, source: Source, rules: Rules, state: WebState, now: datetime) -> IngestReport:
    """Fetch, read and file one feed or page. Raises BadInput where that is not possible."""
    url = source.url or ""
    fetched = fetch(url, settings, etag=state.etag, last_modified=state.last_modified)
    hashed = hashlib.sha256(fetched.data).hexdigest()
    if fetched.unchanged or hashed == state.content_hash:
        with database.writing() as session:
            _remember(session, rules, url, fetched, state.content_hash or hashed, now)
            number = session.scalar(select(func.count()).where(Story.container == url, Story.withdrawn_at.is_(None))) or 0
        return IngestReport(read=number, unchanged=number)
    reading = parsed(url, lambda: _parse(source, url, fetched))
    with database.writing() as session:
        filing = file_entries if source.kind == "feed" else file_document
        report = filing(session, rules, url, reading.drafts, now)
        replace_shared_excerpts(session, reading.drafts, now)
        _remember(session, rules, url, fetched, hashed, now)
    report.problems += reading.problems
    return report


def _parse(source: Source, url: str, fetched: Fetched) -> Reading:
    if source.kind == "feed":
        return read_feed(fetched.data, where=url, url=fetched.url, content_type=fetched.content_type)
    return read_page(fetched.data, where=url, url=fetched.url, content_type=fetched.content_type)


def _remember(session: Session, rules: Rules, url: str, fetched: Fetched, hashed: str, now: datetime) -> None:
    adopt(session, rules, url)
    row = session.get_one(SourceRow, rules.source_id)
    # RFC 9110 section 15.4.5: a 304 may leave validators out that did not change.
    row.etag = fetched.etag or (row.etag if fetched.unchanged else None)
    row.last_modified = fetched.last_modified or (row.last_modified if fetched.unchanged else None)
    session.merge(SourceFile(path=url, source_id=rules.source_id, size=len(fetched.data), mtime_ns=0, content_hash=hashed, read_at=now, problem=None))
