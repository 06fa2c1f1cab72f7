"""Cron lines as cron means them: `0` and `7` are Sunday, while the scheduler's library counts from Monday.

crontab(5): five fields, names of months and weekdays by their first three letters; when both day fields are
restricted, a moment that fits either one counts.
"""

import re
from dataclasses import dataclass

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class CronLine:
    """The values of each field. `weekdays` counts Sunday as 0; `any_day` and `any_weekday` say that the field was `*`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool


def parse_cron(line: str) -> CronLine:
    """The meaning of a cron line of five fields. Raises ValueError for anything else."""
    fields = line.lower().split()
    if len(fields) != 5:
        raise ValueError(line)
    minute, hour, day, month, weekday = fields
    return CronLine(
        minutes=_field(minute, 0, 59), hours=_field(hour, 0, 23), days=_field(day, 1, 31),
        months=_field(month, 1, 12, _MONTHS, first=1),
        weekdays=frozenset(number % 7 for number in _field(weekday, 0, 7, _DAYS)),
        any_day=day.startswith("*"), any_weekday=weekday.startswith("*"))


def _field(text: str, low: int, high: int, names: tuple[str, ...] = (), first: int = 0) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/(\d+))?", part)
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
        if not low <= begin <= stop <= high or step == "0":
            raise ValueError(text)
        numbers.update(range(begin, stop + 1, int(step or 1)))
    return frozenset(numbers)


def _number(text: str, names: tuple[str, ...], first: int) -> int:
    if text.isdigit():
        return int(text)
    if text[:3] in names and len(text) == 3:
        return names.index(text) + first
    raise ValueError(text)
