"""Timetables, moments and spans in words, in both languages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.compose.moments import in_words, moment_in_words, span_in_words
from publisher.i18n import in_language

NOW = datetime(2025, 12, 4, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(("line", "ja", "en"), [
    ("0 7 * * mon-fri", "月曜から金曜、7:00ごろ", "Monday to Friday, around 7:00 (JST)"),
    ("30 18 * * *", "毎日、18:30ごろ", "Every day, around 18:30 (JST)"),
    ("0 9 * * sun", "毎週日曜、9:00ごろ", "Every Sunday, around 9:00 (JST)"),
    ("0 9 * * 7,1,3", "毎週月・水・日曜、9:00ごろ", "Every Monday, Wednesday and Sunday, around 9:00 (JST)"),
    ("0 7,19 * * *", "毎日、7:00、19:00ごろ", "Every day, around 7:00, 19:00 (JST)"),
    ("0 9 1 * *", "毎月1日、9:00ごろ", "On day 1 of each month, around 9:00 (JST)")])
def test_a_simple_timetable_is_a_short_sentence(line: str, ja: str, en: str) -> None:
    """The zone is told where a reader may be elsewhere."""
    with in_language("ja"):
        assert in_words(line, "Asia/Tokyo", NOW) == ja
        assert in_words(line, "Europe/Berlin", NOW) == f"{ja} (CET)"
    with in_language("en"):
        assert in_words(line, "Asia/Tokyo", NOW) == en


@pytest.mark.parametrize("line", ["*/5 * * * *", "0 * * * *", "0 7 1,15 * *", "0 7 1 * mon", "0 7 * 4-9 *", "0 7 * * mon-sat"])
def test_what_takes_more_than_that_is_not_told(line: str) -> None:
    """Silence is better than a sentence nobody can follow."""
    assert in_words(line, "Asia/Tokyo", NOW) is None


@given(st.integers(1, 10 ** 6))
def test_a_span_is_told_in_the_largest_unit_of_which_it_is_a_whole_number(minutes: int) -> None:
    """90 minutes are not two hours."""
    number, unit = span_in_words(timedelta(minutes=minutes)).split(" ")
    assert int(number.replace(",", "")) * {"day": 1440, "hour": 60, "minute": 1}[unit.rstrip("s")] == minutes


def test_moments_are_told_with_their_day() -> None:
    """In the zone of the newsroom, whose name is told where the reader cannot know it."""
    with in_language("ja"):
        assert moment_in_words(NOW, "Asia/Tokyo") == "2025年12月5日（金）07:00"
        assert moment_in_words(NOW, "Europe/Berlin") == "2025年12月4日（木）23:00（CET）"
        assert span_in_words(timedelta(days=3)) == "3日"
    with in_language("en"):
        assert moment_in_words(NOW, "Asia/Tokyo") == "Friday, 5 December 2025, 07:00 (JST)"
