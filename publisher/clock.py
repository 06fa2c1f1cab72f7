"""Time is an argument: stored in UTC, decided in the newsletter's zone, read from the machine only at the door."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_SPAN = re.compile(r"^\s*(\d+)\s*(s|m|h|d|w)\s*$")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def utc_now() -> datetime:
    """The machine's time, aware and in UTC. Called by commands and the service, never by a stage."""
    return datetime.now(UTC)


def parse_span(text: str) -> timedelta:
    """A span such as `90s`, `30m`, `24h`, `3d` or `2w`. Raises ValueError for anything else."""
    found = _SPAN.match(text)
    if not found:
        raise ValueError(text)
    return timedelta(**{_UNIT[found[2]]: int(found[1])})


def local_date(moment: datetime, zone: str) -> date:
    """The calendar day of `moment` in `zone` (an IANA name)."""
    return moment.astimezone(ZoneInfo(zone)).date()
