"""Readers in from a file: constant memory, thousands of rows a transaction, the same file again changes nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO
from zoneinfo import ZoneInfo

from publisher.db import Database
from publisher.errors import Problem
from publisher.tokens import Keys
from subscribers.registry.arrivals import Foresight, Tally, file_arrivals
from subscribers.registry.lists import list_id
from subscribers.registry.readers import check_wording
from subscribers.registry.staging import Arrival
from subscribers.transfer.csv_rows import Record, Sheet, look
from subscribers.transfer.entries import Pending, Reading, Refused, Rules
from subscribers.transfer.refused import RefusedFile

# Addresses come in no order: a transaction touches a page of each index for nearly every row, and the more rows it has, the fewer pages are written
# again and again. In a list of a million, 10,000 rows a transaction take nearly twice as long as 50,000, which lock SQLite for two seconds.
BATCH = 50_000
# A file of another kind has a million bad rows; the first of them tell enough.
_PROBLEMS_KEPT = 1000


@dataclass(slots=True)
class ImportReport:
    """What an import brought, or with `foreseen` would bring.

    Of the rows read: `added` are readers now; `unchanged` were already what the file says, or stood in it before; `left` had left and stay away;
    `suppressed` are never mailed again, as before; `pending` had not confirmed; `gone` are kept as people who left elsewhere; `closed` are never
    mailed again from now on, because the file says that mail to them bounced or that they complained. `problems` are the first of the `refused`.
    """

    read: int = 0
    added: int = 0
    unchanged: int = 0
    left: int = 0
    suppressed: int = 0
    pending: int = 0
    gone: int = 0
    closed: int = 0
    refused: int = 0
    foreseen: bool = False
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: "ImportReport") -> None:
        """Count another file in."""
        for name in ("read", "added", "unchanged", "left", "suppressed", "pending", "gone", "closed", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems[:_PROBLEMS_KEPT - len(self.problems)]

    def count(self, tally: Tally) -> None:
        """Take the outcome of a batch in."""
        self.added += tally.added
        self.unchanged += tally.unchanged
        self.left += tally.away
        self.suppressed += tally.barred
        self.gone += tally.gone
        self.closed += tally.closed


def import_csv(database: Database, keys: Keys, file: BinaryIO, *, list_name: str, wording: str, now: datetime, zone: str = "UTC",
               progress: Callable[[int, int], None] | None = None, refused: RefusedFile | None = None, dry_run: bool = False,
               batch: int = BATCH) -> ImportReport:
    """Subscribe the people of `file` who agreed in these words, `batch` rows a transaction; calls progress(done, about how many).

    Who left stays away, who is suppressed as well; what the file says of people who left, bounced or complained is kept. With `dry_run` the report
    says what would happen, and nothing changes. Raises PublisherError without words of consent or without such a list, BadInput when the file has no
    column of addresses.
    """
    check_wording(wording)
    with database.reading() as session:
        wanted = list_id(session, list_name)
    rules = Rules(consent_words(wording.strip(), zone), zone, now)
    return import_rows(database, keys, wanted, file, rules, progress=progress, refused=refused, dry_run=dry_run, batch=batch)


def consent_words(wording: str, zone: str) -> Callable[[str, datetime | None], str]:
    """How each person agreed: the operator's words, the file's own where it has some, and the day where it is known."""
    def words(said: str, day: datetime | None) -> str:
        told = f"{wording}: {said}" if said and said != wording else wording
        return f"{told} ({day.astimezone(local).date().isoformat()})" if day else told

    local = ZoneInfo(zone)
    return words


def import_rows(database: Database, keys: Keys, wanted: int, file: BinaryIO, rules: Rules, *, where: str | None = None,
                progress: Callable[[int, int], None] | None = None, refused: RefusedFile | None = None, dry_run: bool = False,
                batch: int = BATCH) -> ImportReport:
    """The same for the list of id `wanted`, by `rules`; problems are said to be in `where`."""
    shape = look(file)
    sheet = Sheet(file, shape, where or str(getattr(file, "name", "") or "CSV"))
    report = ImportReport(foreseen=dry_run)
    with ExitStack() as stack:
        foresight = stack.enter_context(Foresight(database, keys, wanted, rules.now)) if dry_run else None
        for read, people in _batches(sheet, rules, report, refused, batch):
            if foresight is not None:
                report.count(foresight.look(people))
            elif people:
                report.count(file_arrivals(database, keys, wanted, people, rules.now))
            report.read += read
            if progress is not None:
                progress(report.read, max(report.read, shape.lines - 1))
    return report


def _batches(sheet: Sheet, rules: Rules, report: ImportReport, refused: RefusedFile | None,
             batch: int) -> Iterator[tuple[int, list[Arrival]]]:
    """How many rows were read, and who of them arrives. A batch ends early where a file contradicts itself, so that its rows count in their order."""
    records, reading = iter(sheet), Reading(sheet.head.columns, rules)
    waiting: Arrival | None = None
    ended = False
    while not ended:
        people, aims, read = ([waiting], {waiting.address.key: waiting.aim}, 0) if waiting else ([], {}, 0)
        waiting, ended = None, True
        for record in islice(records, batch):
            ended = False
            read += 1
            person = _person(sheet, record, reading, report, refused)
            if person is None:
                continue
            if aims.setdefault(person.address.key, person.aim) != person.aim:
                waiting = person
                break
            people.append(person)
        if read or people:
            yield read, people


def _person(sheet: Sheet, record: Record, reading: Reading, report: ImportReport, refused: RefusedFile | None) -> Arrival | None:
    entry = reading.entry(record.cells) if record.cells is not None else Refused(record.reason)
    if isinstance(entry, Arrival):
        return entry
    if isinstance(entry, Pending):
        report.pending += 1
        return None
    report.refused += 1
    if len(report.problems) < _PROBLEMS_KEPT:
        report.problems.append(Problem(sheet.where, entry.reason, record.line))
    if refused is not None:
        refused.add(sheet, record, entry.reason)
    return None
