"""Readers in from a CSV file: constant memory, a thousand rows a transaction, the same file again changes nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO

from publisher.db import Database
from publisher.errors import Problem
from publisher.i18n import _
from publisher.text.clean import clean_line
from publisher.tokens import Keys
from subscribers.addresses import NotAnAddress, parse_address
from subscribers.consent import IMPORTED
from subscribers.registry.enrolment import Agreement, Person, enrol
from subscribers.registry.lists import list_id
from subscribers.registry.readers import check_wording
from subscribers.transfer.csv_rows import Row, look, rows

_BATCH = 1000
_LONGEST_NAME = 200
# A file of another kind has a million bad rows; the first of them tell enough.
_PROBLEMS_KEPT = 1000


@dataclass(slots=True)
class ImportReport:
    """What an import brought. `unchanged` were readers already, or stood in the file before; `problems` are the first of the `refused`."""

    read: int = 0
    added: int = 0
    unchanged: int = 0
    left: int = 0
    suppressed: int = 0
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)


def import_csv(database: Database, keys: Keys, file: BinaryIO, *, list_name: str, wording: str, now: datetime,
               progress: Callable[[int, int], None] | None = None) -> ImportReport:
    """Subscribe the people of `file` (columns `email` and `name`) who agreed in these words; calls progress(done, about how many).

    Who left stays away, who is suppressed as well. Raises PublisherError without words of consent or without such a list, BadInput when
    the file has no column of addresses.
    """
    check_wording(wording)
    with database.reading() as session:
        agreement = Agreement(list_id(session, list_name), IMPORTED, wording.strip(), now)
    where = str(getattr(file, "name", "") or "CSV")
    shape = look(file)
    report = ImportReport()
    for batch in _batches(rows(file, shape, where)):
        people = [person for entry in batch if (person := _person(entry, where, report)) is not None]
        with database.writing() as session:
            outcome = Counter(enrol(session, keys, people, agreement).values())
        report.read += len(batch)
        report.added += outcome["added"]
        report.left += outcome["left"]
        report.suppressed += outcome["suppressed"]
        report.unchanged += len(people) - outcome["added"] - outcome["left"] - outcome["suppressed"]
        if progress is not None:
            progress(report.read, max(report.read, shape.lines - 1))
    return report


def _batches(found: Iterable[Row | Problem]) -> Iterator[list[Row | Problem]]:
    waiting = iter(found)
    while batch := list(islice(waiting, _BATCH)):
        yield batch


def _person(entry: Row | Problem, where: str, report: ImportReport) -> Person | None:
    if isinstance(entry, Row):
        try:
            return Person(parse_address(entry.email), clean_line(entry.name)[:_LONGEST_NAME] or None)
        except NotAnAddress as error:
            entry = Problem(where, _(str(error)), entry.line)
    report.refused += 1
    if len(report.problems) < _PROBLEMS_KEPT:
        report.problems.append(entry)
    return None
