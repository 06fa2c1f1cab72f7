"""The dates of other tools' files: ISO in all its forms, what Go prints, what spreadsheets make of them. A naive one is in the newsroom's zone."""

import re
from datetime import UTC, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from publisher.text.dates import find_date

# listmonk writes Go's Time.String(): 2020-03-14 17:36:41.29451 +0100 CET.
_GO = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d\d):?(\d\d)(?: \S+)?(?: m=\S+)?")
_CLOCK = re.compile(r"[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2}))?")
# The first mailing list ran in 1986; an earlier date is a zero that somebody's program printed.
_EARLIEST = datetime(1986, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def moment(text: str, zone: str) -> datetime | None:
    """The moment that `text` names, in UTC; None where it names none or one before there were mailing lists."""
    text = text.strip()
    if not text:
        return None
    found = _read(text)
    if found is None:
        return None
    try:
        aware = (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (OverflowError, ValueError):  # the first and the last day of the calendar
        return None
    return aware if aware >= _EARLIEST else None


def _read(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    if go := _GO.fullmatch(text):
        return _read(f"{go[1]}{go[2]}:{go[3]}")
    iso = find_date(text)
    if iso is None:
        return None
    found = datetime.fromisoformat(iso)
    clock = _CLOCK.search(text)
    if len(iso) > 10 or clock is None or int(clock[1]) > 23 or int(clock[2]) > 59 or int(clock[3] or 0) > 59:
        return found
    return datetime.combine(found.date(), time(int(clock[1]), int(clock[2]), int(clock[3] or 0)))
