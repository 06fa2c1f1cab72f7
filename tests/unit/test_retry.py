"""A mail that was not taken is tried again in growing pauses, until its time is over."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from publisher.deliver.retry import next_try

FIRST = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


def test_pauses_grow_and_end_with_the_day() -> None:
    """About a dozen attempts in 24 hours, the last at their end, none after it."""
    now, attempts, moments = FIRST, 1, []
    while (again := next_try(attempts, FIRST, now, DAY, salt=0)) is not None:
        moments.append(again - now)
        now, attempts = again, attempts + 1
    assert moments[0] == timedelta(minutes=5)
    assert moments[:5] == sorted(moments[:5])
    assert 8 <= len(moments) <= 14
    assert now == FIRST + DAY


@given(attempts=st.integers(1, 99), age=st.integers(0, 86399), salt=st.integers(0, 10**9))
def test_the_next_attempt_is_never_at_once_and_never_after_the_end(attempts: int, age: int, salt: int) -> None:
    """A deferring relay is left alone for some minutes."""
    now = FIRST + timedelta(seconds=age)
    again = next_try(attempts, FIRST, now, DAY, salt)
    assert again is not None
    assert now + timedelta(minutes=5) <= again <= max(FIRST + DAY, now + timedelta(minutes=5))


def test_mails_deferred_together_do_not_come_back_together() -> None:
    """The row's number spreads them."""
    assert len({next_try(1, FIRST, FIRST, DAY, salt) for salt in range(100)}) > 50
