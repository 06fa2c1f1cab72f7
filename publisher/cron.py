"""Cron lines as cron means them: `0` and `7` are Sunday, while the scheduler's library counts from Monday.

crontab(5): five fields, names of months and weekdays by their first three letters; when both day fields are
restricted, a moment that fits either one counts. A field that begins with `*` counts as unrestricted there, also `*/2`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# The longest wait there is: 29 February on one given weekday, over the turn of a century without a leap year.
_HORIZON = timedelta(days=366 * 41)


@dataclass(frozen=True, slots=True)
class CronLine:
    """The values of each field. `weekdays` counts Sunday as 0; `any_day` and `any_weekday` say that the field began with `*`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def falls_on(self, day: date) -> bool:
        """Whether the line has a moment on this calendar day."""
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        both = self.any_day or self.any_weekday
        return day.month in self.months and ((by_day and by_weekday) if both else (by_day or by_weekday))


def parse_cron(line: str) -> CronLine:
    """The meaning of a cron line of five fields. Raises ValueError for anything else, and for a line that never comes."""
    fields = line.lower().split()
    if len(fields) != 5:
        raise ValueError(line)
    minute, hour, day, month, weekday = fields
    parsed = CronLine(
        minutes=_field(minute, 0, 59), hours=_field(hour, 0, 23), days=_field(day, 1, 31),
        months=_field(month, 1, 12, _MONTHS, first=1),
        weekdays=frozenset(number % 7 for number in _field(weekday, 0, 7, _DAYS)),
        any_day=day.startswith("*"), any_weekday=weekday.startswith("*"))
    if (parsed.any_day or parsed.any_weekday) and min(parsed.days) > max(_LONGEST[number - 1] for number in parsed.months):
        raise ValueError(line)
    return parsed


def moments(line: str, zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """The moments of `line` in `zone` later than `after` and not later than `until`, in order and in UTC.

    A time of day that the clocks leave out comes as much later as they jump; one that they repeat comes the first time only.
    """
    cron, place = parse_cron(line), ZoneInfo(zone)
    # A day earlier, because a moment that the clocks leave out may move over midnight.
    day, last = (after.astimezone(place) - timedelta(days=1)).date(), until.astimezone(place).date()
    seen = after
    while day <= last:
        if cron.falls_on(day):
            for moment in _of_day(cron, day, place):
                if seen < moment <= until:
                    yield moment
                    seen = moment
        day += timedelta(days=1)


def next_moment(line: str, zone: str, after: datetime) -> datetime | None:
    """The first moment later than `after`."""
    return next(moments(line, zone, after, after + _HORIZON), None)


def _of_day(cron: CronLine, day: date, place: ZoneInfo) -> list[datetime]:
    # A local time with fold=0 that does not exist is read with the offset before the jump (PEP 495): so it lands behind it.
    return sorted({datetime.combine(day, time(hour, minute), place).astimezone(UTC) for hour in cron.hours for minute in cron.minutes})


def _field(text: str, low: int, high: int, names: tuple[str, ...] = (), first: int = 0) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]+))?", part)
        if not found:
            raise ValueError(text)
        start, end, step = found.groups()
        if start == "*":
            begin, stop = low, high if low or high != 7 else 6
            if end is not None:
                raise ValueError(text)
        else:
            begin = _number(start, names, first)
            stop = _number(end, names, first) if end else (high if step else begin)
            # "sat-sun": the week turns over, and cron's 7 is Sunday as well.
            if names == _DAYS and stop < begin and stop == 0:
                stop = 7
        if not low <= begin <= stop <= high or (step is not None and int(step) == 0):
            raise ValueError(text)
        numbers.update(range(begin, stop + 1, int(step or 1)))
    return frozenset(numbers)


def _number(text: str, names: tuple[str, ...], first: int) -> int:
    if text.isdigit():
        return int(text)
    if text in names:
        return names.index(text) + first
    raise ValueError(text)
