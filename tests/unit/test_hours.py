"""The hour a reader chose is the next one where they are, also in the nights in which the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.deliver.hours import due_at

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
MOMENTS = st.datetimes(datetime(2011, 1, 1), datetime(2031, 12, 31), timezones=st.just(UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("hour", "zone", "now", "due"), [
    (7, "Asia/Tokyo", "2025-12-04 21:30", "2025-12-04 22:00"),
    (7, "Asia/Tokyo", "2025-12-04 22:00", None),
    (7, "Asia/Tokyo", "2025-12-04 22:59", None),
    (7, "Asia/Tokyo", "2025-12-04 23:00", "2025-12-05 22:00"),
    # In Berlin the clocks go from 2 to 3 on 30 March 2025, and from 3 to 2 on 26 October.
    (2, "Europe/Berlin", "2025-03-30 00:30", "2025-03-30 01:00"),
    (2, "Europe/Berlin", "2025-03-30 01:30", "2025-03-31 00:00"),
    (3, "Europe/Berlin", "2025-03-30 00:30", "2025-03-30 01:00"),
    (2, "Europe/Berlin", "2025-10-25 23:30", "2025-10-26 00:00"),
    (2, "Europe/Berlin", "2025-10-26 01:30", None),
    (2, "Europe/Berlin", "2025-10-26 02:00", "2025-10-27 01:00"),
    (7, "Europe/Berlin", "2025-03-29 12:00", "2025-03-30 05:00"),
    # In New York from 2 to 3 on 9 March, and from 2 to 1 on 2 November.
    (2, "America/New_York", "2025-03-09 06:59", "2025-03-09 07:00"),
    (1, "America/New_York", "2025-11-02 04:00", "2025-11-02 05:00"),
    (1, "America/New_York", "2025-11-02 06:30", None),
    (7, "America/New_York", "2025-11-01 12:00", "2025-11-02 12:00"),
    # Samoa went without 30 December 2011.
    (9, "Pacific/Apia", "2011-12-29 20:30", "2011-12-30 19:00"),
])
def test_the_next_moment_at_which_it_is_that_hour(hour: int, zone: str, now: str, due: str | None) -> None:
    """At once while it is that hour."""
    assert due_at(hour, zone, utc(now)) == (utc(due) if due else None)


@given(MOMENTS, st.integers(0, 23), st.sampled_from(ZONES))
def test_it_is_that_hour_and_never_long_until_then(now: datetime, hour: int, zone: str) -> None:
    """Or the one after it, where the clocks leave that hour out; and no earlier moment would have done."""
    place = ZoneInfo(zone)
    due = due_at(hour, zone, now)
    if due is None:
        assert now.astimezone(place).hour == hour
        return
    assert timedelta(0) < due - now <= timedelta(hours=49 if zone == "Pacific/Apia" else 25)
    local = due.astimezone(place)
    left_out = local.utcoffset() != (due - timedelta(seconds=1)).astimezone(place).utcoffset()
    assert local.hour == hour or (left_out and local.hour == hour + 1)
    # Half an hour before, it was another hour.
    assert all((due - timedelta(minutes=minutes)).astimezone(place).hour != hour or due - timedelta(minutes=minutes) < now for minutes in (1, 30))


def test_a_zone_that_does_not_exist_is_an_error() -> None:
    """Whoever asks decides what then."""
    with pytest.raises((KeyError, ValueError)):
        due_at(7, "Asia/Nowhere", utc("2025-12-04 21:30"))
