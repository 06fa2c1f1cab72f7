"""Reads the sources of publisher.toml, or files named by hand; one bad file, feed or address never stops another."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.errors import BadInput, Busy, Problem, PublisherError
from publisher.i18n import _
from publisher.ingest.files_reading import known_files, read_files
from publisher.ingest.filing import IngestReport, Rules, keep_rights
from publisher.ingest.folder import TextFile, container_of, text_file, text_files
from publisher.ingest.web_reading import WebState, read_web, web_state
from publisher.locks import hold
from publisher.models import SourceRow
from publisher.settings import Settings, Source

# The source of files that an editor names and that lie in no folder of publisher.toml.
BY_HAND = "by-hand"
# A list of readers named by mistake would become a story with their addresses in it.
_TABLES = (".csv", ".tsv")
_WINDOW = timedelta(days=7)
Progress = Callable[[str, int, int], None]


def read_sources(
    database: Database, settings: Settings, now: datetime, *, names: Sequence[str] | None = None, progress: Progress | None = None
) -> IngestReport:
    """Read every source, or those called `names`. Raises PublisherError for a name that publisher.toml does not have."""
    known = [source.name for source in settings.sources]
    for name in names or ():
        if name not in known:
            raise PublisherError(_("there is no source %(name)s", name=name), remedy=_("known: %(names)s", names=", ".join(known) or "-"))
    report = IngestReport()
    for source in settings.sources:
        if names is None or source.name in names:
            report.add(_read_source(database, settings, source, now, progress or _quiet))
    return report


def read_paths(
    database: Database, settings: Settings, paths: Iterable[Path], now: datetime, *, inbox: bool = False, progress: Progress | None = None
) -> IngestReport:
    """Read files and folders named by hand. What lies in a folder of publisher.toml belongs to that source and follows its rules; the rest is
    approved. An editor who names a file means it: nothing of it goes to the archive. With `inbox` new stories wait for an editor."""
    report = IngestReport()
    groups: dict[str, list[TextFile]] = {}
    owners = {source.name: source for source in settings.sources if source.kind == "folder"}
    for file in _files(paths, settings, report):
        owner = _owner(file.path, owners.values(), settings)
        groups.setdefault(owner.name if owner else BY_HAND, []).append(file)
    for name, files in groups.items():
        report.add(_read_by_hand(database, settings, owners.get(name), files, now, inbox, progress or _quiet))
    return report


def _quiet(_name: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def _read_source(database: Database, settings: Settings, source: Source, now: datetime, progress: Progress) -> IngestReport:
    """One source, under its lock: two processes that read it at once would both find its stories new."""
    try:
        with hold(database.engine, f"ingest-{source.name}", wait=True):
            progress(source.name, 0, 1)
            if source.kind == "folder":
                report = _read_folder(database, settings, source, now, progress)
            else:
                report = _read_web(database, settings, source, now)
                progress(source.name, 1, 1)
            _note(database, source, report, now)
            return report
    except Busy as busy:
        return IngestReport(problems=[Problem(source.name, busy.reason, remedy=busy.remedy)])


def _read_folder(database: Database, settings: Settings, source: Source, now: datetime, progress: Progress) -> IngestReport:
    folder = settings.place(source.path or ".")
    others = frozenset(settings.place(other.path) for other in settings.sources if other.kind == "folder" and other.path) - {folder}
    try:
        files = list(text_files(folder, settings.root, without=others))
    except OSError as error:
        # A disk that is not there today: its stories are not gone.
        reason = _("the folder cannot be read: %(reason)s", reason=error.strerror or error)
        remedy = _("make it, or correct the path of the source %(name)s", name=source.name)
        return IngestReport(problems=[Problem(str(folder), reason, remedy=remedy)])
    prefix = container_of(folder, settings.root)
    prefix = "" if prefix == "." else f"{prefix}/"
    present = {file.container for file in files}
    with database.writing() as session:
        row = _row(session, source.name, source.kind)
        rules = _rules(settings, source, row.id)
        keep_rights(session, row.id, rules.rights)
        gone = [file for file in known_files(session, row.id, prefix) if file.path not in present]
        first = row.first_read_at is None
    if first:
        rules = replace(rules, horizon=_horizon(settings, now))
    report = read_files(database, rules, files, now, lambda done, total: progress(source.name, done, total), gone=gone)
    _note_first(database, source.name, now)
    return report


def _read_web(database: Database, settings: Settings, source: Source, now: datetime) -> IngestReport:
    with database.writing() as session:
        row = _row(session, source.name, source.kind)
        rules = _rules(settings, source, row.id)
        keep_rights(session, row.id, rules.rights)
        state: WebState = web_state(session, row, source.url or "")
    if state.content_hash is None:
        rules = replace(rules, horizon=_horizon(settings, now), undated_is_old=source.kind == "feed")
    try:
        report = read_web(database, settings, source, rules, state, now)
    except BadInput as error:
        return IngestReport(problems=[error.problem])
    _note_first(database, source.name, now)
    return report


def _read_by_hand(
    database: Database, settings: Settings, source: Source | None, files: Sequence[TextFile], now: datetime, inbox: bool, progress: Progress
) -> IngestReport:
    name = source.name if source else BY_HAND
    with hold(database.engine, f"ingest-{name}", wait=True):
        with database.writing() as session:
            row = _row(session, name, "folder")
            rules = _rules(settings, source, row.id) if source else Rules(row.id, "by hand", "own", settings.site.timezone)
        if inbox:
            rules = replace(rules, approved_by=None)
        return read_files(database, rules, files, now, lambda done, total: progress(name, done, total))


def _files(paths: Iterable[Path], settings: Settings, report: IngestReport) -> list[TextFile]:
    """The files that `paths` name, each once; what is not there is a problem of `report`."""
    found: dict[str, TextFile] = {}
    for path in paths:
        try:
            if path.is_dir():
                found.update({file.container: file for file in text_files(path.resolve(), settings.root)})
            elif path.suffix.lower() in _TABLES:
                remedy = _("readers are imported with: publisher subscribers import")
                report.problems.append(Problem(str(path), _("a table holds no stories"), remedy=remedy))
            elif path.is_file():
                file = text_file(path, settings.root)
                found[file.container] = file
            else:
                report.problems.append(Problem(str(path), _("there is no such file")))
        except (OSError, ValueError) as error:
            report.problems.append(Problem(str(path), _("cannot be read: %(reason)s", reason=getattr(error, "strerror", None) or error)))
    return list(found.values())


def _owner(path: Path, sources: Iterable[Source], settings: Settings) -> Source | None:
    """The folder source that a file lies in; of folders within one another, the inner one."""
    holding = [(len(folder.parts), source) for source in sources if path.is_relative_to(folder := settings.place(source.path or "."))]
    return max(holding, key=lambda entry: entry[0])[1] if holding else None


def _rules(settings: Settings, source: Source, source_id: int) -> Rules:
    return Rules(source_id, f"source {source.name}" if source.curated else None, source.effective_rights, settings.site.timezone,
                 section=source.section, language=source.language, weight=source.weight)


def _horizon(settings: Settings, now: datetime) -> datetime:
    """What is older was news before this source was ours: the widest window of the newsletters."""
    spans = [entry.window if isinstance(entry.window, timedelta) else entry.first_window for entry in settings.newsletters]
    return now - max(spans, default=_WINDOW)


def _row(session: Session, name: str, kind: str) -> SourceRow:
    found = session.scalar(select(SourceRow).where(SourceRow.name == name))
    if found is None:
        found = SourceRow(name=name, kind=kind, present=name != BY_HAND)
        session.add(found)
        session.flush()
    return found


def _note_first(database: Database, name: str, now: datetime) -> None:
    """From now on what comes is new. Noted at the end: a first reading that was cut short goes on as one."""
    with database.writing() as session:
        row = _row(session, name, "folder")
        row.first_read_at = row.first_read_at or now


def _note(database: Database, source: Source, report: IngestReport, now: datetime) -> None:
    with database.writing() as session:
        row = _row(session, source.name, source.kind)
        row.last_read_at = now
        row.last_problem = str(report.problems[0]) if report.problems else None
