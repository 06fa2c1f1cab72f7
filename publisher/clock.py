"""Time is an argument: stored in UTC, decided in the newsletter's zone, read from the machine only at the door."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_SPAN = re.compile(r"\s*([0-9]{1,8})\s*([smhdw])\s*")
_UNIT = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
# A century: longer than anything a newsroom waits for, and short enough to be taken from any date.
_LONGEST = timedelta(days=36525)


def utc_now() -> datetime:
    """The machine's time, aware and in UTC. Called by commands and the service, never by a stage."""
    return datetime.now(UTC)


def parse_span(text: str) -> timedelta:
    """A span such as `90s`, `30m`, `24h`, `3d` or `2w`. Raises ValueError for anything else, and beyond a century."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(text)
    span = int(found[1]) * _UNIT[found[2]]
    if span > _LONGEST:
        raise ValueError(text)
    return span


def local_date(moment: datetime, zone: str) -> date:
    """The calendar day of `moment` in `zone` (an IANA name)."""
    return moment.astimezone(ZoneInfo(zone)).date()
