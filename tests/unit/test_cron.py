"""A cron line means what cron's manual says, in its zone, also in the nights in which the clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.cron import moments, next_moment, parse_cron
from publisher.schedule import trigger_of

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def days_of(line: str, zone: str = "UTC") -> list[str]:
    """The weekdays of one week on which the line has a moment."""
    found = moments(line, zone, MONDAY - timedelta(seconds=1), MONDAY + timedelta(days=6.9))
    return [WEEKDAYS[moment.astimezone(ZoneInfo(zone)).weekday()] for moment in found]


def local(line: str, zone: str, begin: datetime, days: int) -> list[str]:
    found = moments(line, zone, begin, begin + timedelta(days=days))
    return [moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z") for moment in found]


def test_numeric_weekdays_mean_crons() -> None:
    """The scheduler's library counts Monday as 0, and would send a weekday paper on Saturday."""
    assert days_of("0 7 * * 1-5") == ["mon", "tue", "wed", "thu", "fri"]


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_sunday_is_0_and_7(sunday: str) -> None:
    assert days_of(f"0 7 * * {sunday}") == ["sun"]


@pytest.mark.parametrize(("weekday", "days"), [
    ("mon-fri", "mon tue wed thu fri"), ("sat-sun", "sat sun"), ("5-7", "fri sat sun"), ("0,3", "wed sun"), ("mon,wed-fri", "mon wed thu fri"),
    ("1-5/2", "mon wed fri"), ("*/2", "tue thu sat sun"), ("sun-tue", "mon tue sun")])
def test_names_ranges_steps_and_lists(weekday: str, days: str) -> None:
    assert days_of(f"0 7 * * {weekday}") == days.split()


def test_lists_ranges_and_steps_of_minutes_and_hours() -> None:
    line = parse_cron("0,30-40/5,59 */6 1 jan,mar-apr *")
    assert line.minutes == {0, 30, 35, 40, 59}
    assert line.hours == {0, 6, 12, 18}
    assert line.months == {1, 3, 4}


def test_both_day_fields_restricted_means_either() -> None:
    assert days_of("0 7 18 * fri") == ["wed", "fri"]


def test_a_field_that_begins_with_a_star_is_no_alternative() -> None:
    """cron(5) of Debian: with `*/2` in one day field, both fields must fit."""
    assert days_of("0 7 */2 * *") == ["tue", "thu", "sat"]
    assert days_of("0 7 */2 * fri,sat") == ["sat"]


@pytest.mark.parametrize("line", [
    "", "0 7 * *", "0 7 * * * *", "60 7 * * *", "0 24 * * *", "0 7 0 * *", "0 7 32 * *", "0 7 * 13 *", "0 7 * * 8", "0 7 * * funday",
    "0 7 * * monday", "*/0 7 * * *", "5-1 7 * * *", "0 7 * * fri-mon", "1,,2 7 * * *", "*-5 7 * * *", "@daily", "0 7 30 2 *", "0 7 31 apr,jun *",
    "-1 7 * * *", "５ 7 * * *",
    "* * * * */００"])
def test_what_is_no_cron_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the line itself is the message)
        parse_cron(line)


def test_the_29th_of_february_comes() -> None:
    assert next_moment("0 7 29 2 *", "UTC", MONDAY) == datetime(2028, 2, 29, 7, tzinfo=UTC)


def test_the_day_is_decided_in_the_zone() -> None:
    """Monday 07:00 in Tokyo is Sunday in London."""
    assert next_moment("0 7 * * mon", "Asia/Tokyo", MONDAY) == datetime(2026, 11, 22, 22, tzinfo=UTC)


def test_a_time_that_the_clocks_leave_out_comes_an_hour_later_once() -> None:
    begin = datetime(2026, 3, 28, tzinfo=UTC)
    assert local("30 2 * * *", "Europe/Berlin", begin, 3) == ["28 02:30 +0100", "29 03:30 +0200", "30 02:30 +0200"]
    assert local("30 2,3 * * *", "Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC), 1) == ["29 03:30 +0200", "30 02:30 +0200"][:1]


def test_a_time_that_the_clocks_repeat_comes_once() -> None:
    begin = datetime(2026, 10, 24, tzinfo=UTC)
    assert local("30 2 * * *", "Europe/Berlin", begin, 3) == ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"]


def test_the_scheduler_does_not_stand_still_when_the_clocks_go_back() -> None:
    """The library's own trigger answers 02:30 for ever in that night."""
    trigger, moment = trigger_of("*/30 * * * *", "Europe/Berlin"), datetime(2026, 10, 24, 23, tzinfo=UTC)
    for _step in range(10):
        following = trigger.get_next_fire_time(moment, moment)
        assert following is not None
        assert following > moment
        moment = following
    assert moment > datetime(2026, 10, 25, 3, tzinfo=UTC)


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high)
    return st.one_of(st.just("*"), st.integers(2, 20).map(lambda step: f"*/{step}"), one.map(str),
                     st.tuples(one, one).map(lambda pair: f"{min(pair)}-{max(pair)}"),
                     st.lists(one, min_size=1, max_size=3).map(lambda some: ",".join(map(str, some))))


def reads_as(field: str, low: int, high: int) -> set[int]:
    """A second, naive reading of one field of numbers."""
    found: set[int] = set()
    for part in field.split(","):
        if part.startswith("*"):
            found |= set(range(low, high + 1, int(part[2:] or 1)))
        elif "-" in part:
            start, end = part.split("-")
            found |= set(range(int(start), int(end) + 1))
        else:
            found.add(int(part))
    return found


@settings(max_examples=60, deadline=None)
@given(minute=numbers(0, 59), hour=numbers(0, 23), day=numbers(1, 28), month=numbers(1, 12), weekday=numbers(0, 6),
       zone=st.sampled_from(["UTC", "Asia/Tokyo", "Asia/Kolkata"]))
def test_the_trigger_agrees_with_a_brute_force_reading(minute: str, hour: str, day: str, month: str, weekday: str, zone: str) -> None:
    """Every minute of some days is asked; zones without summer time, where a local time is one moment."""
    sets = [reads_as(field, low, high) for field, (low, high) in zip(
        (minute, hour, day, month, weekday), ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)), strict=True)]
    begin = datetime(2026, 11, 16, tzinfo=ZoneInfo(zone))
    expected = []
    for days, hours, minutes in product(range(20), range(24), range(60)):
        at = begin + timedelta(days=days, hours=hours, minutes=minutes)
        by_day, by_weekday = at.day in sets[2], at.isoweekday() % 7 in sets[4]
        fits_day = (by_day and by_weekday) if day.startswith("*") or weekday.startswith("*") else (by_day or by_weekday)
        if at.minute in sets[0] and at.hour in sets[1] and fits_day and at.month in sets[3]:
            expected.append(at)
    trigger, found, probe = trigger_of(f"{minute} {hour} {day} {month} {weekday}", zone), [], begin - timedelta(microseconds=1)
    while len(found) < 200:
        probe = trigger.get_next_fire_time(probe, probe)
        if probe is None or probe >= begin + timedelta(days=20):
            break
        found.append(probe)
    assert found == expected[:200]
