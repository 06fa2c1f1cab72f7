"""Spans and days, as people write and see them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from publisher.clock import local_date, parse_span, utc_now


@pytest.mark.parametrize(("text", "span"), [
    ("90s", timedelta(seconds=90)), ("30m", timedelta(minutes=30)), ("24h", timedelta(hours=24)), ("3d", timedelta(days=3)),
    ("2w", timedelta(weeks=2)), (" 2 h ", timedelta(hours=2)), ("0m", timedelta(0))])
def test_a_span_is_a_number_and_a_unit(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "1.5h", "2 hours", "2h30m", "２h", "99999999w", "2h\nx"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the text itself is the message)
        parse_span(text)


def test_the_day_is_the_zones_own() -> None:
    late = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    assert local_date(late, "UTC") == date(2026, 11, 20)
    assert local_date(late, "Asia/Tokyo") == date(2026, 11, 21)


def test_now_is_aware() -> None:
    assert utc_now().utcoffset() == timedelta(0)
