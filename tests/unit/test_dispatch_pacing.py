"""So many mails a second and no more, whoever comes when; and who has to wait is told a moment at which it pays to come."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from publisher.deliver.dispatch.pacing import Pacer

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
RATES = st.one_of(st.floats(0.02, 5), st.integers(1, 400).map(float))


def ask(rate: float, row: list[datetime | None], now: datetime, mails: int, over_at: datetime | None = None) -> tuple[int, list[datetime]]:
    """`mails` at once: how many leave, and the moments of the others. `row` holds the two moments between, as the database does."""
    pacer = Pacer(rate, row[0], row[1], now, over_at)
    left, moments = 0, []
    for _mail in range(mails):
        if pacer.may_leave():
            pacer.leave()
            left += 1
        else:
            moments.append(pacer.book())
    row[:] = [pacer.free_at, pacer.booked_to]
    return left, moments


@given(RATES, st.lists(st.tuples(st.floats(0, 30), st.integers(1, 300)), min_size=1, max_size=30))
@example(3.0, [(0.0, 9), (0.333333, 9), (0.333333, 9), (0.4, 9)])
def test_no_window_holds_more_than_the_rate_and_a_burst(rate: float, visits: list[tuple[float, int]]) -> None:
    """Whatever comes at whatever moments: between any two of them at most rate × time and a second's burst have left."""
    row: list[datetime | None] = [None, None]
    seen, now = [], NOW
    for pause, mails in visits:
        now += timedelta(seconds=pause)
        seen.append((now, ask(rate, row, now, mails)[0]))
    for first, (begin, _left) in enumerate(seen):
        for end, _left in seen[first:]:
            within = sum(left for moment, left in seen if begin <= moment <= end)
            assert within <= max(1, int(rate)) + rate * (end - begin).total_seconds() + 1e-6


@given(st.integers(1, 50), st.integers(1, 300))
def test_each_mail_leaves_at_the_very_moment_that_it_was_given(rate: int, mails: int) -> None:
    """Nothing is asked about a third time when nobody is late."""
    row: list[datetime | None] = [None, None]
    left, moments = ask(rate, row, NOW, mails)
    assert left == min(mails, rate)
    assert len(set(moments)) == len(moments)
    assert moments == sorted(moments)
    for moment in moments:
        assert ask(rate, row, moment, 1) == (1, [])


def test_a_second_batch_is_given_the_moments_behind_the_first() -> None:
    row: list[datetime | None] = [None, None]
    _left, first = ask(10, row, NOW, 30)
    left, second = ask(10, row, NOW, 30)
    assert left == 0
    assert first[-1] == NOW + timedelta(seconds=2)
    assert second[0] == NOW + timedelta(seconds=2.1)


def test_an_hour_of_standstill_is_not_made_up_for_in_a_rush() -> None:
    """A thousand mails whose moments have passed: a second's worth leaves, the others get new moments from now on."""
    row: list[datetime | None] = [None, None]
    ask(10, row, NOW, 1000)
    later = NOW + timedelta(hours=1)
    left, moments = ask(10, row, later, 1000)
    assert left == 10
    assert moments[0] == later + timedelta(seconds=0.1)


def test_nobody_waits_behind_mails_that_never_come() -> None:
    """Ten thousand had moments, and their issue was cancelled: the next issue begins at once."""
    row: list[datetime | None] = [None, None]
    ask(1, row, NOW, 10_000)
    later = NOW + timedelta(minutes=5)
    left, moments = ask(1, row, later, 2)
    assert (left, moments) == (1, [later + timedelta(seconds=1)])


def test_a_clock_that_ran_ahead_holds_nothing_back() -> None:
    """What was written with a time of tomorrow is believed for no longer than a burst takes."""
    row: list[datetime | None] = [None, None]
    ask(10, row, NOW + timedelta(days=1), 500)
    _left, moments = ask(10, row, NOW, 1)
    assert all(moment <= NOW + timedelta(seconds=2) for moment in moments)


def test_a_passing_pace_gives_no_moment_after_its_end() -> None:
    over = NOW + timedelta(minutes=3)
    left, moments = ask(5, [None, None], NOW, 5000, over)
    assert left == 5
    assert moments[0] == NOW + timedelta(seconds=0.2)
    assert max(moments) == over
    assert moments.count(over) > 3000
