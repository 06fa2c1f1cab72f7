"""A timetable, a moment and a span in the words of a reader; a timetable that takes more than a short sentence is not told."""

from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_timedelta, get_day_names

from publisher.cron import parse_cron
from publisher.i18n import _, current_language

_Unit = Literal["day", "hour", "minute"]
_WORKDAYS, _WEEK = frozenset(range(1, 6)), frozenset(range(7))
_MOST_HOURS, _MOST_WEEKDAYS = 3, 4


def in_words(line: str, zone: str, now: datetime) -> str | None:
    """`0 7 * * mon-fri` as "Monday to Friday, around 7:00" in the current language; None for what is not that simple."""
    cron = parse_cron(line)
    if len(cron.minutes) != 1 or len(cron.hours) > _MOST_HOURS or len(cron.months) != 12:
        return None
    days = _days(cron.days, cron.weekdays)
    if days is None:
        return None
    joint = "、" if current_language() == "ja" else ", "
    hours = joint.join(_clock(time(hour, min(cron.minutes))) for hour in sorted(cron.hours))
    words = _("%(days)s, around %(hours)s", days=days, hours=hours)
    words = words[:1].upper() + words[1:]
    return words if current_language() == "ja" and zone == "Asia/Tokyo" else f"{words} ({now.astimezone(ZoneInfo(zone)):%Z})"


def moment_in_words(moment: datetime, zone: str) -> str:
    """`2025年12月8日（月）16:00`, `Monday, 8 December 2025, 16:00 (JST)`."""
    local = moment.astimezone(ZoneInfo(zone))
    if current_language() == "ja":
        words = format_date(local, "y年M月d日（E）", locale="ja") + f"{local:%H:%M}"
        return words if zone == "Asia/Tokyo" else f"{words}（{local:%Z}）"
    return format_date(local, "EEEE, d MMMM y", locale="en") + f", {local:%H:%M} ({local:%Z})"


def span_in_words(span: timedelta) -> str:
    """`3日`, `36 hours`: in the largest unit of which it is a whole number."""
    units: tuple[tuple[_Unit, timedelta], ...] = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))
    unit: _Unit = next((name for name, length in units if span % length == timedelta()), "minute")
    words = format_timedelta(span, granularity=unit, threshold=10**6, locale=current_language())
    return words.replace(" ", "") if current_language() == "ja" else words


def _days(days: frozenset[int], weekdays: frozenset[int]) -> str | None:
    """The days in words; weekdays count Sunday as 0."""
    if len(days) < 31:
        return _("on day %(day)s of each month", day=min(days)) if len(days) == 1 and weekdays == _WEEK else None
    if weekdays == _WEEK:
        return _("every day")
    if weekdays == _WORKDAYS:
        return _("Monday to Friday")
    if len(weekdays) > _MOST_WEEKDAYS:
        return None
    # Babel counts from Monday; a week is told from Monday as well.
    order = sorted((day - 1) % 7 for day in weekdays)
    if current_language() == "ja":
        names = get_day_names("abbreviated", locale="ja")
        return _("every %(weekdays)s", weekdays="・".join(names[day] for day in order))
    names = get_day_names("wide", locale="en")
    return _("every %(weekdays)s", weekdays=" and ".join(filter(None, [", ".join(names[day] for day in order[:-1]), names[order[-1]]])))


def _clock(at: time) -> str:
    return f"{at.hour}:{at.minute:02}"
