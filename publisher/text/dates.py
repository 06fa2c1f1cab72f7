"""Finds the date in a line, in the notations that newsrooms use, and gives it in ISO; a date that does not exist is none."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone

_YEARS = range(1900, 2200)
_LONGEST = 2000
_MONTHS = {name: number for number, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1)}
_MONTH = (r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|"
          r"june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?")
# The first year of each era counts as 1, so the year before it is what is added.
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "r": 2018, "h": 1988, "s": 1925}
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_CLOCK = (
    r"(?:(?:[t ]|, )\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"\s*(?P<zone>z\b|utc\b|gmt\b|jst\b|[+-]\d{2}:?\d{2}(?!\d)|[+-]\d{2}(?![\d:]))?)?"
)
_ZONES = {"z": 0, "utc": 0, "gmt": 0, "jst": 540}
_NOTATIONS = [re.compile(pattern, re.IGNORECASE) for pattern in (
    r"(?<!\d)(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})(?!\d)" + _CLOCK,
    r"(?<!\d)(?P<year>\d{4})\s?年\s?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?日",
    r"(?P<era>令和|平成|昭和)\s?(?P<year>\d{1,2}|元)\s?年\s?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?日",
    r"(?<![A-Za-z0-9])(?P<era>[RHS])(?P<year>\d{1,2})(?P<mark>[./])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})(?!\d)",
    r"(?<![A-Za-z])" + _MONTH + r"\s+" + _DAY + r"(?:\s*,\s*|\s+)(?P<year>\d{4})(?!\d)" + _CLOCK,
    r"(?<!\d)" + _DAY + r"(?:\s+of)?[\s-]+" + _MONTH + r",?[\s-]*(?P<year>\d{4})(?!\d)" + _CLOCK,
    r"(?<!\d)(?P<year>\d{4})\s+" + _MONTH + r"\s+" + _DAY + r"(?!\d)",
    r"(?<![\d/])(?P<first>\d{1,2})/(?P<second_part>\d{1,2})/(?P<year>\d{4})(?!\d)",
)]
_COMPACT = re.compile(r"\s*(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})\s*")
_YEARLESS = [re.compile(pattern, re.IGNORECASE) for pattern in (
    r"(?<![\d年])(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?日",
    r"(?<![A-Za-z])" + _MONTH + r"\s+" + _DAY + r"(?![\d:])(?!,?\s*\d{4})",
    r"(?<![\d:])" + _DAY + r"\s+" + _MONTH + r"(?!,?\s*\d)",
)]
_WEEKDAY = r"(?:\(?(?:[月火水木金土日](?:曜日?)?|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*)\.?\)?,?)"
_ALONE = re.compile(rf"\s*{_WEEKDAY}?\s*§\s*{_WEEKDAY}?\s*(?:\d{{1,2}}(?::\d{{2}}|時\d{{1,2}}分)(?:更新|公開)?)?\s*", re.IGNORECASE)


def find_date(text: str, *, year_hint: int | date | None = None) -> str | None:
    """The first date in `text` as ISO: a day (`2025-12-05`), or a moment where time and zone are given (`2025-09-04T02:07:53+00:00`).

    A date without a year takes the year of `year_hint`; where that is a day, the year that comes nearest to it. A time without a zone is left out.
    """
    text = _narrow(text)
    best: tuple[int, str] | None = None
    for pattern in _NOTATIONS:
        best = _first(pattern, text, _full, best)
    if compact := _COMPACT.fullmatch(text):
        best = _first(_COMPACT, compact[0], _full, best)
    if year_hint is not None:
        for pattern in _YEARLESS:
            best = _first(pattern, text, lambda found: _near(found, year_hint), best)
    return best[1] if best else None


def is_only_date(text: str) -> bool:
    """Whether `text` is a date and nothing else (a weekday or a time may stand with it)."""
    if len(text) > 60:
        return False
    text = _narrow(text)
    return any(_ALONE.fullmatch(text[:found.start()] + "§" + text[found.end():])
               for pattern in (*_NOTATIONS, *_YEARLESS) for found in pattern.finditer(text))


def as_day(iso: str | None) -> date | None:
    """The day of an ISO date as this module writes it."""
    return date.fromisoformat(iso[:10]) if iso else None


def _narrow(text: str) -> str:
    return unicodedata.normalize("NFKC", text[:_LONGEST])


def _first(
    pattern: re.Pattern[str], text: str, read: Callable[[re.Match[str]], str | None], best: tuple[int, str] | None
) -> tuple[int, str] | None:
    """The earlier of `best` and the first existing date that `pattern` finds."""
    for found in pattern.finditer(text):
        if best and found.start() >= best[0]:
            break
        if iso := read(found):
            return found.start(), iso
    return best


def _full(found: re.Match[str]) -> str | None:
    parts = found.groupdict()
    year = 1 if parts["year"] == "元" else int(parts["year"])
    if era := parts.get("era"):
        year += _ERAS[era.lower()]
    if parts.get("first"):
        day = _unambiguous(int(parts["first"]), int(parts["second_part"]), year)
    else:
        day = _day(year, _month(parts["month"]), int(parts["day"]))
    if day is None:
        return None
    return _moment(day, parts) or day.isoformat()


def _moment(day: date, parts: dict[str, str]) -> str | None:
    if not parts.get("hour") or not parts.get("zone"):
        return None
    zone = parts["zone"].lower()
    figures = zone[1:].replace(":", "").ljust(4, "0")
    minutes = _ZONES[zone] if zone in _ZONES else (int(figures[:2]) * 60 + int(figures[2:])) * (-1 if zone[0] == "-" else 1)
    try:
        clock = time(int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0))
        return datetime.combine(day, clock, timezone(timedelta(minutes=minutes))).isoformat()
    except ValueError:
        return None


def _unambiguous(first: int, second: int, year: int) -> date | None:
    """05/12/2025 is May or December, nobody knows; 25/12/2025 and 12/25/2025 are one day."""
    if first == second or second > 12:
        return _day(year, first, second)
    return _day(year, second, first) if first > 12 else None


def _near(found: re.Match[str], hint: int | date) -> str | None:
    month, number = _month(found["month"]), int(found["day"])
    if isinstance(hint, int):
        day = _day(hint, month, number)
        return day.isoformat() if day else None
    days = [day for year in (hint.year - 1, hint.year, hint.year + 1) if (day := _day(year, month, number))]
    return min(days, key=lambda day: abs(day - hint)).isoformat() if days else None


def _month(named: str) -> int:
    return int(named) if named.isdigit() else _MONTHS[named[:3].lower()]


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year in _YEARS else None
    except ValueError:
        return None
