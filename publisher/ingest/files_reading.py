"""Reads the files of a folder in batches: what did not change is not opened, and no transaction is held while a file is read."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.errors import BadInput, Problem
from publisher.i18n import _
from publisher.ingest.boilerplate import replace_shared_excerpts
from publisher.ingest.document import read_document
from publisher.ingest.draft import Reading
from publisher.ingest.filing import IngestReport, Rules, adopt, file_document, rename_container, withdraw_container
from publisher.ingest.folder import TextFile, read_bytes
from publisher.models import SourceFile, Story

# A commit waits for the disk; a hundred files share one, and no batch holds more text than this.
_BATCH_FILES, _BATCH_BYTES = 100, 8 * 1024 * 1024
_CHUNK = 500
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Read:
    """A file as it was read: its stories, or None where its text is what it was; the name it had before, where it was only renamed."""

    file: TextFile
    content_hash: str
    reading: Reading | None
    problems: tuple[Problem, ...] = ()
    renamed_from: str | None = None


def parsed(where: str, parse: Callable[[], Reading]) -> Reading:
    """What `parse` gives. Raises BadInput, and nothing else."""
    try:
        return parse()
    except BadInput:
        raise
    except Exception as error:
        # The border of a document: a text that our parsers or those of others stumble over costs this item only.
        reason = f"{type(error).__name__} {error}"[:200]
        raise BadInput(where, _("it cannot be read, and that is a fault of this program: %(reason)s", reason=reason)) from error


def read_files(
    database: Database, rules: Rules, files: Sequence[TextFile], now: datetime, progress: Progress, *, gone: Sequence[SourceFile] = ()
) -> IngestReport:
    """Read and file what changed among `files`. `gone` are files that the source held and holds no longer: one of them with the same content
    gives its stories to a new file, which then is the same one renamed; the stories of the others are withdrawn."""
    known, counts = _known(database, files)
    lost = {row.content_hash: row for row in gone if row.content_hash}
    report = IngestReport()
    batch: list[_Read] = []
    renamed: set[str | None] = set()
    size = 0
    for number, file in enumerate(files, 1):
        row = known.get(file.container)
        if row and _is_as_it_was(row, file, rules):
            report.read += counts.get(file.container, 0)
            report.unchanged += counts.get(file.container, 0)
        else:
            read = _read(file, row, lost)
            if read:
                batch.append(read)
                renamed.add(read.renamed_from)
                size += file.size
        if len(batch) >= _BATCH_FILES or size > _BATCH_BYTES:
            report.add(_file_batch(database, rules, batch, now))
            batch, size = [], 0
        progress(number, len(files))
    report.add(_file_batch(database, rules, batch, now))
    report.withdrawn += _withdraw(database, [row for row in gone if row.path not in renamed], now)
    return report


def known_files(session: Session, source_id: int, prefix: str) -> list[SourceFile]:
    """The files of a source under `prefix` as they were last read."""
    rows = session.scalars(select(SourceFile).where(SourceFile.source_id == source_id))
    return [row for row in rows if row.path.startswith(prefix)]


def _known(database: Database, files: Sequence[TextFile]) -> tuple[dict[str, SourceFile], dict[str, int]]:
    """How each file was when last read, and how many stories it holds."""
    known: dict[str, SourceFile] = {}
    counts: dict[str, int] = {}
    with database.reading() as session:
        for chunk in _chunks([file.container for file in files]):
            known.update({row.path: row for row in session.scalars(select(SourceFile).where(SourceFile.path.in_(chunk)))})
            counts.update(session.execute(select(Story.container, func.count()).where(Story.container.in_(chunk), Story.withdrawn_at.is_(None))
                                          .group_by(Story.container)).tuples().all())
    return known, counts


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start:start + _CHUNK]


def _is_as_it_was(row: SourceFile, file: TextFile, rules: Rules) -> bool:
    """A file with a problem is read again each time, so that it is refused again in the words of whoever asks."""
    return (row.size, row.mtime_ns, row.source_id) == (file.size, file.mtime_ns, rules.source_id) and not row.problem


def _read(file: TextFile, row: SourceFile | None, lost: dict[str, SourceFile]) -> _Read | None:
    """The file's stories, or None while it is being written."""
    hashed = ""
    try:
        data = read_bytes(file, file.container)
        if data is None:
            return None
        hashed = hashlib.sha256(data).hexdigest()
        if row and row.content_hash == hashed and not row.problem:
            return _Read(file, hashed, None)
        if row is None and hashed in lost:
            return _Read(file, hashed, None, renamed_from=lost.pop(hashed).path)
        reading = parsed(file.container, lambda: read_document(data, where=file.container))
    except BadInput as error:
        return _Read(file, hashed, None, (error.problem,))
    return _Read(file, hashed, reading, reading.problems)


def _file_batch(database: Database, rules: Rules, batch: Sequence[_Read], now: datetime) -> IngestReport:
    report = IngestReport()
    if not batch:
        return report
    with database.writing() as session:
        for read in batch:
            if read.renamed_from:
                rename_container(session, read.renamed_from, read.file.container)
                session.delete(session.get_one(SourceFile, read.renamed_from))
            if read.reading:
                report.add(file_document(session, rules, read.file.container, read.reading.drafts, now))
            elif not read.problems:
                _count_unchanged(session, report, read.file.container)
            _remember(session, rules, read, now)
            report.problems += read.problems
        replace_shared_excerpts(session, [draft for read in batch if read.reading for draft in read.reading.drafts], now)
    return report


def _count_unchanged(session: Session, report: IngestReport, container: str) -> None:
    number = session.scalar(select(func.count()).where(Story.container == container, Story.withdrawn_at.is_(None))) or 0
    report.read += number
    report.unchanged += number


def _remember(session: Session, rules: Rules, read: _Read, now: datetime) -> None:
    adopt(session, rules, read.file.container)
    session.merge(SourceFile(
        path=read.file.container, source_id=rules.source_id, size=read.file.size, mtime_ns=read.file.mtime_ns, content_hash=read.content_hash,
        read_at=now, problem=str(read.problems[0]) if read.problems else None))


def _withdraw(database: Database, gone: Sequence[SourceFile], now: datetime) -> int:
    if not gone:
        return 0
    with database.writing() as session:
        for row in gone:
            session.delete(session.merge(row))
        return sum(withdraw_container(session, row.path, now) for row in gone)
