"""Any readers, any sections: each group gets exactly what it chose, nobody is left without a word, and there is an edition for each set of stories only."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from publisher.audience import gathered_from
from publisher.compose.groups import Grouping, Item, Wish, grouped
from publisher.curate.digest import ToldOnce, arranged

NAMES = ["モデル", "産業", "制度", "社会"]
LISTED = frozenset(NAMES[:3])
SECTIONS = st.none() | st.sampled_from(NAMES)
CHOICES = st.frozensets(st.sampled_from(NAMES[:3]), min_size=1)


@st.composite
def issues(draw: st.DrawFn) -> tuple[list[Item], list[Wish]]:
    """An issue or a digest, and the groups of its readers."""
    number = draw(st.integers(0, 4))
    bits = st.integers(0, number - 1) if number else st.none()
    items = [Item(index + 1, draw(SECTIONS), draw(bits)) for index in range(draw(st.integers(1, 8)))]
    hads = st.integers(0, 2 ** number - 1)
    groups = draw(st.dictionaries(st.tuples(st.none() | CHOICES, hads), st.integers(1, 1000), max_size=12))
    return items, [Wish("all" if sections is None else "·".join(sorted(sections)), sections, had, readers)
                   for (sections, had), readers in groups.items()]


def gets(items: Sequence[Item], grouping: Grouping, wish: Wish) -> list[int]:
    """The stories that a group of readers gets."""
    name = grouping.rows.get((wish.key, wish.had), "all")
    part = range(len(items)) if name == "all" else grouping.editions[name] if name else ()
    return [items[index].story_id for index in part]


def wanted(items: Sequence[Item], wish: Wish) -> list[int]:
    """The stories that they should get, said in another way."""
    def new(item: Item) -> bool:
        return item.bit is None or f"{wish.had:010b}"[-1 - item.bit] == "0"

    def chosen(item: Item) -> bool:
        return wish.sections is None or item.section is None or item.section == "社会" or item.section in wish.sections

    return [item.story_id for item in items if new(item) and chosen(item)]


@given(issues())
def test_each_group_gets_exactly_its_stories(made: tuple[list[Item], list[Wish]]) -> None:
    """A story without a section, or with one that nobody could choose, goes to everybody."""
    items, wishes = made
    grouping = grouped(items, wishes, LISTED)
    assert {(wish.key, wish.had): gets(items, grouping, wish) for wish in wishes} == {
        (wish.key, wish.had): wanted(items, wish) for wish in wishes}
    assert grouping.left_out == 0
    assert len(grouping.editions) <= len({tuple(wanted(items, wish)) for wish in wishes})
    assert all(0 < len(part) < len(items) for part in grouping.editions.values())


@given(issues(), st.integers(1, 3))
def test_where_there_are_too_many_editions_the_rest_gets_the_whole_issue(made: tuple[list[Item], list[Wish]], most: int) -> None:
    """Nobody is skipped for want of an edition."""
    items, wishes = made
    grouping = grouped(items, wishes, LISTED, most)
    assert len(grouping.editions) <= most
    whole = [item.story_id for item in items]
    for wish in wishes:
        assert gets(items, grouping, wish) in (wanted(items, wish), whole)
    assert grouping.left_out == sum(gets(items, grouping, wish) != wanted(items, wish) for wish in wishes)


def test_the_editions_of_the_most_readers_are_made() -> None:
    """Two of three, by the number of readers over all groups that want the same stories."""
    items = [Item(1, "モデル"), Item(2, "産業"), Item(3, "制度")]
    few, many, most = (Wish(name, frozenset([name]), readers=readers) for name, readers in (("モデル", 1), ("産業", 20), ("制度", 300)))
    grouping = grouped(items, [few, many, most], LISTED, 2)
    assert sorted(grouping.editions.values()) == [(1,), (2,)]
    assert grouping.left_out == 1


def test_the_same_stories_have_the_same_name() -> None:
    """So that composing a draft anew gives the same hash, whoever joined meanwhile."""
    items = [Item(1, "モデル"), Item(2, "産業")]
    one = grouped(items, [Wish("a", frozenset(["モデル"]), readers=1)], LISTED)
    two = grouped(items, [Wish("a", frozenset(["モデル"]), readers=5), Wish("b", frozenset(["モデル", "制度"]), readers=9)], LISTED)
    assert one.editions == two.editions


START = datetime(2025, 12, 1, tzinfo=UTC)
TOLD = st.builds(lambda story, day, position, section: ToldOnce(story, story % 6, (START + timedelta(days=day), day + 1), position, section),
                 st.integers(0, 20), st.integers(0, 5), st.integers(1, 9), SECTIONS)


@given(st.lists(TOLD, max_size=15))
def test_a_digest_tells_each_story_once_by_section_and_the_newest_issue_first(told: list[ToldOnce]) -> None:
    """Nothing is lost, a section stands in one place, and what was told twice is told as the later issue did."""
    picks = arranged(told, NAMES[:3])
    assert {one.group for one in picks} == {one.group for one in told}
    assert len({one.group for one in picks}) == len(picks)
    for one in picks:
        assert one.issue == max(other.issue for other in told if other.group == one.group)
    sections = [one.section for one in picks]
    order = list(dict.fromkeys(sections))
    assert sections == [section for name in order for section in sections if section == name]
    assert [name for name in order if name in NAMES[:3]] == [name for name in NAMES[:3] if name in order]
    assert None not in order[:-1]
    for before, after in zip(picks, picks[1:], strict=False):
        assert before.section != after.section or before.issue >= after.issue


@given(st.integers(0, 200))
def test_what_was_had_of_a_digest_fits_a_number_however_many_issues_it_gathers(number: int) -> None:
    """Of more than thirty the oldest share a bit; the newest never do."""
    made = gathered_from({index: (START + timedelta(hours=index), index + 1) for index in range(number)})
    bits = [made.bit(made.place_of[index]) for index in range(number)]
    assert bits == sorted(bits)
    assert made.everything == sum(2 ** bit for bit in set(bits)) < 2 ** 31
    assert len(set(bits[-29:])) == len(bits[-29:])
