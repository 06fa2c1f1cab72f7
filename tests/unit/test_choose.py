"""The choice is pure: the same stories, rules and moment give the same picks, and every story has a place or a reason."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.curate.choose import Candidate, Choice, Rules, ToldIn, choose
from tests.stories import NOW, own_words, rules, story

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def picked(choice: Choice) -> list[int]:
    return [pick.story.id for pick in choice.picks]


def reasons(choice: Choice) -> dict[int, str]:
    return {passed.story.id: passed.reason["code"] for passed in choice.passed}


def waiting(choice: Choice) -> set[int]:
    return {passed.story.id for passed in choice.passed if passed.waits}


def chosen(stories: Sequence[Candidate], **limits: Any) -> Choice:
    return choose(stories, rules(**limits), NOW)


def test_the_freshest_come_first() -> None:
    assert picked(chosen([story(3), story(1), story(2)])) == [1, 2, 3]


def test_an_editors_pin_comes_before_everything_and_a_higher_one_before_a_lower() -> None:
    assert picked(chosen([story(1), story(5, pinned=1), story(9, pinned=2)])) == [9, 5, 1]


def test_the_weight_of_a_source_counts_as_days_of_freshness() -> None:
    assert picked(chosen([story(1), story(10, weight=1.0)])) == [10, 1]
    assert picked(chosen([story(1), story(30, weight=1.0)])) == [1, 30]


def test_a_story_is_as_fresh_as_its_own_date() -> None:
    """A report read this morning tells of last week; a date in the future makes nothing fresher than its approval."""
    assert picked(chosen([story(1, date="2026-11-14"), story(2), story(3, date="2031-01-01"), story(4, date="no date")])) == [2, 3, 4, 1]


def test_what_was_told_is_not_told_again() -> None:
    choice = chosen([story(1, told=ToldIn(12, "2026-11-19")), story(2)])
    assert picked(choice) == [2]
    assert choice.passed[0].reason == {"code": "told", "number": 12, "day": "2026-11-19"}
    assert not choice.passed[0].waits


def test_a_copy_of_what_was_told_is_not_told_either() -> None:
    choice = chosen([story(1, told=ToldIn(12, "2026-11-19"), fingerprint="f"), story(2, fingerprint="f"), story(3)])
    assert picked(choice) == [3]
    assert choice.passed[1].reason == {"code": "told_elsewhere", "number": 12, "headline": story(1).headline}
    assert choice.groups[2] == 1


def test_since_last_takes_everything_since_the_last_issue_so_that_a_weekend_loses_nothing() -> None:
    since = NOW - 3 * DAY
    friday, before = story(1, approved_at=since + HOUR), story(2, approved_at=since - HOUR)
    choice = chosen([friday, before], since=since, carry_over=timedelta(0))
    assert picked(choice) == [1]
    assert reasons(choice) == {2: "waited_too_long"}


def test_a_long_gap_between_issues_loses_nothing() -> None:
    """The newsletter was paused for a month: what came in the meantime is still new."""
    assert picked(chosen([story(1, approved_at=NOW - 29 * DAY)], since=NOW - 30 * DAY)) == [1]


def test_what_came_in_while_the_last_issue_was_picked_is_not_lost() -> None:
    """Read before it was picked, in the database after it: no issue has looked at it, and it is older than all of them."""
    since = NOW - 3 * DAY
    assert picked(chosen([story(1, approved_at=since - timedelta(minutes=1), judged=False)], since=since)) == [1]


def test_overflow_waits_and_says_until_when() -> None:
    choice = chosen([story(1), story(2), story(3)], max_stories=2, zone="Asia/Tokyo")
    assert picked(choice) == [1, 2]
    # Approved at 04:00 UTC on the 20th, three days later it is the 23rd in Tokyo.
    assert choice.passed[0].reason == {"code": "waits_room", "max": 2, "until": "2026-11-23"}
    assert waiting(choice) == {3}


def test_overflow_is_taken_within_carry_over_and_not_after_it() -> None:
    since = NOW - DAY
    kept, gone = story(1, approved_at=NOW - 2 * DAY), story(2, approved_at=NOW - 4 * DAY)
    choice = chosen([kept, gone], since=since)
    assert picked(choice) == [1]
    assert choice.passed[0].reason == {"code": "waited_too_long", "span": "3d"}
    assert picked(chosen([gone], since=since, carry_over=5 * DAY)) == [2]


def test_a_first_issue_looks_back_over_its_own_window() -> None:
    choice = chosen([story(1, approved_at=NOW - 6 * DAY), story(2, approved_at=NOW - 8 * DAY)])
    assert picked(choice) == [1]
    assert choice.passed[0].reason == {"code": "outside_window", "window": "7d"}


def test_a_span_is_a_span_whatever_was_sent() -> None:
    choice = chosen([story(23), story(25)], window=DAY, since=NOW - 9 * DAY)
    assert picked(choice) == [23]
    assert choice.passed[0].reason == {"code": "outside_window", "window": "1d"}
    assert chosen([story(25)], window=timedelta(minutes=90)).passed[0].reason["window"] == "90m"


def test_a_pinned_story_is_never_too_old() -> None:
    assert picked(chosen([story(1, approved_at=NOW - 99 * DAY, pinned=1)], since=NOW - DAY)) == [1]


def test_sections_stand_in_their_order_with_the_others_behind() -> None:
    stories = [story(1, section="市場"), story(2), story(3, section="研究"), story(4, section="企業"), story(5, section="研究")]
    choice = chosen(stories, sections=(("研究", None), ("市場", None)))
    assert picked(choice) == [3, 5, 1, 2, 4]
    assert [pick.section for pick in choice.picks] == ["研究", "研究", "市場", None, "企業"]


def test_a_quota_leaves_room_for_other_sections() -> None:
    stories = [story(1, section="研究"), story(2, section="研究"), story(3, section="研究"), story(4, section="市場")]
    choice = chosen(stories, sections=(("研究", 2),), max_stories=3)
    assert picked(choice) == [1, 2, 4]
    assert reasons(choice) == {3: "waits_section"}
    assert waiting(choice) == {3}


def test_only_named_sections_where_the_newsletter_says_so() -> None:
    choice = chosen([story(1, section="研究"), story(2, section="市場"), story(3)], sections=(("研究", None),), only_sections=True)
    assert picked(choice) == [1]
    assert reasons(choice) == {2: "section_not_taken", 3: "no_section"}
    assert waiting(choice) == set()


def test_tags_and_languages() -> None:
    stories = [story(1, tags=("AI", "半導体")), story(2, tags=("ai", "PR")), story(3, tags=("農業",)), story(4, tags=("AI",), language="en")]
    choice = chosen(stories, tags=("ai",), without_tags=("pr",), languages=("ja",))
    assert picked(choice) == [1]
    assert reasons(choice) == {2: "tag_excluded", 3: "tags_missing", 4: "language"}


def test_too_few_stories_are_no_issue_and_wait() -> None:
    choice = chosen([story(1), story(2)], min_stories=3)
    assert not choice.enough
    assert choice.found == 2
    assert picked(choice) == []
    assert reasons(choice) == {1: "too_few", 2: "too_few"}
    assert waiting(choice) == {1, 2}


def test_copies_count_once_towards_the_minimum_and_wait_with_their_story() -> None:
    choice = chosen([story(1, fingerprint="f"), story(2, fingerprint="f")], min_stories=2)
    assert choice.found == 1
    assert reasons(choice) == {1: "too_few", 2: "duplicate_waits"}
    assert waiting(choice) == {1, 2}


def test_the_best_copy_is_told_and_names_the_others() -> None:
    """Our own words before others' words, then a link, then facts, then length."""
    copies = [story(1, fingerprint="f", own=False), story(2, fingerprint="f", facts=3), story(3, fingerprint="f", canonical_url="https://a.example.jp/")]
    choice = chosen(copies)
    assert picked(choice) == [3]
    assert [copy.id for copy in choice.picks[0].also] == [2, 1]
    assert {passed.story.id: passed.reason["headline"] for passed in choice.passed} == dict.fromkeys((1, 2), story(3).headline)
    assert waiting(choice) == set()
    assert set(choice.groups.values()) == {1}


def test_a_pinned_copy_is_the_one_that_is_told() -> None:
    assert picked(chosen([story(1, fingerprint="f", facts=9), story(2, fingerprint="f", pinned=1, own=False)])) == [2]


def test_a_copy_of_a_story_without_room_waits_with_it() -> None:
    choice = chosen([story(1), story(2, fingerprint="f"), story(3, fingerprint="f")], max_stories=1)
    assert reasons(choice) == {2: "waits_room", 3: "duplicate_waits"}
    assert waiting(choice) == {2, 3}


def test_nothing_gives_nothing() -> None:
    assert chosen([]) == Choice((), (), enough=False, groups={}, found=0)


def candidates() -> st.SearchStrategy[list[Candidate]]:
    one = st.builds(
        Candidate, id=st.integers(1, 10**6), headline=st.sampled_from(["週報 12", "週報 13", "週報", "発表", *(own_words(n, 12) for n in range(5))]),
        text=st.sampled_from(["", "短い"] + [own_words(n, 200) for n in range(4)] + [own_words(1, 190) + "おわり"]),
        approved_at=st.timedeltas(timedelta(0), 12 * DAY).map(lambda ago: NOW - ago), fingerprint=st.sampled_from(["", "", "f", "g"]),
        canonical_url=st.sampled_from([None, "https://a.example.jp/", "https://b.example.jp/"]), container=st.sampled_from(["", "a.md", "b.md"]),
        section=st.sampled_from([None, "研究", "市場"]), tags=st.lists(st.sampled_from(["AI", "PR"]), max_size=2).map(tuple),
        language=st.sampled_from(["ja", "en"]), date=st.sampled_from([None, "2026-11-18", "x"]), pinned=st.integers(0, 1),
        weight=st.sampled_from([0.0, 2.0]),
        own=st.booleans(), facts=st.integers(0, 2), group=st.sampled_from([None, None, 1, 2]),
        told=st.sampled_from([None, None, None, ToldIn(3, "2026-11-19")]), judged=st.booleans())
    return st.lists(one, max_size=14, unique_by=lambda story: story.id)


LIMITS = st.builds(Rules, max_stories=st.integers(1, 5), min_stories=st.integers(1, 2), since=st.sampled_from([None, NOW - 2 * DAY]),
                   window=st.sampled_from([None, None, DAY]), sections=st.sampled_from([(), (("市場", 1), ("研究", None))]),
                   only_sections=st.booleans(),
                   tags=st.sampled_from([(), ("AI",)]), without_tags=st.sampled_from([(), ("PR",)]), languages=st.sampled_from([(), ("ja",)]))


@settings(max_examples=200, deadline=None)
@given(candidates(), LIMITS, st.randoms(use_true_random=False))
def test_the_order_of_the_arguments_changes_nothing(stories: list[Candidate], limits: Rules, shuffle: Any) -> None:
    other = list(stories)
    shuffle.shuffle(other)
    assert choose(stories, limits, NOW) == choose(other, limits, NOW)


@settings(max_examples=200, deadline=None)
@given(candidates(), LIMITS)
def test_every_story_has_one_place_or_one_reason(stories: list[Candidate], limits: Rules) -> None:
    """And no limit is broken, nothing told is picked, and no two picks are known to tell the same."""
    choice = choose(stories, limits, NOW)
    assert sorted(picked(choice) + [passed.story.id for passed in choice.passed]) == sorted(story.id for story in stories)
    assert len(choice.picks) <= limits.max_stories
    assert not choice.picks or len(choice.picks) >= limits.min_stories
    assert all(pick.story.told is None for pick in choice.picks)
    assert {copy.id for pick in choice.picks for copy in pick.also} <= set(reasons(choice))
    told_at = [choice.groups[pick.story.id] for pick in choice.picks]
    assert len(set(told_at)) == len(told_at)
    assert not set(told_at) & {story.group or story.id for story in stories if story.told}


def test_moments_are_compared_across_zones() -> None:
    assert picked(chosen([story(1, date="2026-11-20T09:00:00+09:00"), story(2, date="2026-11-20T02:00:00+00:00")])) == [2, 1]
    assert NOW.tzinfo is UTC
