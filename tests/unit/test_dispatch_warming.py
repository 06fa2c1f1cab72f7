"""What a relay without history may be given on a day."""

from hypothesis import given
from hypothesis import strategies as st

from publisher.deliver.dispatch.warming import History, allowance
from publisher.settings_sending import WarmUp

PLAN = WarmUp()


def test_the_plan_doubles_and_ends_at_the_ceiling() -> None:
    assert [allowance(PLAN, History(days, 0)) for days in range(9)] == [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 50_000, 50_000]


def test_a_relay_that_was_given_the_ceiling_once_has_its_history() -> None:
    assert allowance(PLAN, History(1, 50_000)) is None
    assert allowance(PLAN, History(400, 49_999)) == 50_000


@given(st.integers(1, 10**6), st.floats(1, 1000), st.integers(1, 10**7), st.integers(0, 40_000))
def test_no_plan_goes_over_its_ceiling_or_down_again(start: int, growth: float, ceiling: int, days: int) -> None:
    plan = WarmUp(start=start, growth=growth, ceiling=ceiling)
    today, tomorrow = allowance(plan, History(days, 0)), allowance(plan, History(days + 1, 0))
    assert today is not None
    assert tomorrow is not None
    assert min(start, ceiling) <= today <= tomorrow <= ceiling
