"""The readers of another tool: their states and dates come along, and the tool's name stands in the record of how each agreed."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from publisher.db import Database
from publisher.errors import BadInput
from publisher.i18n import _, in_language
from publisher.moving.found import Found
from publisher.moving.opening import Export
from publisher.settings import Settings
from publisher.tokens import Keys
from subscribers.registry.lists import list_id
from subscribers.transfer.csv_import import ImportReport, import_rows
from subscribers.transfer.entries import Rules

# Where the day stands in the sentence, which is put into the newsroom's language once and not by reader.
_DAY = "\0"


def move_readers(database: Database, keys: Keys, settings: Settings, export: Export, found: Found, tool: str, list_name: str, now: datetime, *,
                 dry_run: bool = False, progress: Callable[[int, int], None] | None = None) -> ImportReport:
    """Bring in every file of readers of the export; nobody is asked to confirm again, because the old tool holds the proof and is named.

    A file that is none of readers costs that file. Raises PublisherError when there is no such list.
    """
    with database.reading() as session:
        wanted = list_id(session, list_name)
    zone, total = settings.site.timezone, ImportReport(foreseen=dry_run)
    with in_language(settings.site.language):
        words = _words(tool, zone)
    for part in found.readers:
        rules = Rules(words, zone, now, part.usual)
        try:
            with export.open(part.name) as file:
                report = import_rows(database, keys, wanted, file, rules, where=export.where(part.name), progress=progress, dry_run=dry_run)
        except BadInput as error:
            found.problems.append(error.problem)
            continue
        total.add(report)
    return total


def _words(tool: str, zone: str) -> Callable[[str, datetime | None], str]:
    """How each of them agreed, in the newsroom's language."""
    local = ZoneInfo(zone)
    undated, dated = _("imported from %(tool)s", tool=tool), _("imported from %(tool)s; signed up %(day)s", tool=tool, day=_DAY)

    def words(said: str, day: datetime | None) -> str:
        told = dated.replace(_DAY, day.astimezone(local).date().isoformat()) if day else undated
        return f"{told}: {said}" if said else told

    return words
