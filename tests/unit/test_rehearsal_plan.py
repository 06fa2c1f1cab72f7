"""The plan of a rehearsal: the same seed brings the same troubles, most mails pass, and everything comes to an end."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.rehearsal.plan import Fate, Plan

REFUSED = {Fate.NOBODY, Fate.DISLIKED, Fate.DISLIKED_AT_DATA}
ENDS = {*REFUSED, Fate.TAKEN, Fate.SLOW}
seeds, readers, kills = st.integers(0, 10**9), st.integers(1, 50_000), st.integers(0, 60)


@given(seeds, readers, kills, st.integers(1, 10**6), st.integers(1, 9))
def test_the_same_seed_makes_the_same_plan(seed: int, many: int, killed: int, reader: int, attempt: int) -> None:
    """What a rehearsal found can be looked for again."""
    one, other = Plan(seed, many, killed), Plan(seed, many, killed)
    assert one.fate(reader, attempt) is other.fate(reader, attempt)
    assert one.later(reader, attempt) == other.later(reader, attempt)
    assert one.pause(reader) == other.pause(reader) <= 0.2
    assert one.mails_on(reader) == other.mails_on(reader)
    assert one.moments() == other.moments()
    assert one.leavers(list(range(1, 400))) == other.leavers(list(range(1, 400)))


def test_another_seed_makes_another_plan() -> None:
    """Each rehearsal without a seed tries something new."""
    fates = [[Plan(seed, 500, 5).fate(reader, 1) for reader in range(500)] for seed in (1, 2)]
    assert fates[0] != fates[1]
    assert Plan(1, 500, 5).moments() != Plan(2, 500, 5).moments()


@pytest.mark.parametrize("seed", [1, 2, 20261125])
def test_most_mails_pass_and_every_trouble_comes(seed: int) -> None:
    """The run gets on, and meets everything that relays do."""
    plan = Plan(seed, 20_000, 50)
    seen = Counter(plan.fate(reader, 1) for reader in range(1, 20_001))
    assert seen[Fate.TAKEN] + seen[Fate.SLOW] > 18_000
    assert seen[Fate.CLOSING] + seen[Fate.SILENT] < 25
    assert {fate for fate in Fate if not seen[fate]} <= {Fate.CLOSING, Fate.SILENT}


@given(seeds, readers, st.integers(1, 10**6))
def test_every_reader_comes_to_one_end(seed: int, many: int, reader: int) -> None:
    """Who is refused is refused each time, so that the ledger has one true answer; anybody else's mail is taken before its time is over."""
    plan = Plan(seed, many, 3)
    fates = [plan.fate(reader, attempt) for attempt in range(1, 6)]
    assert (fates[0] in REFUSED and len(set(fates)) == 1) or (not set(fates) & REFUSED and fates[3:] == [Fate.TAKEN, Fate.TAKEN])


@example(0, 5, 2)
@given(seeds, readers, kills)
def test_all_kills_are_planned_in_their_order_and_the_database_is_cut_too(seed: int, many: int, killed: int) -> None:
    """They come within the list, in the order of the mails, and some while a process has just begun."""
    moments = Plan(seed, many, killed).moments()
    by_mails = [moment.after for moment in moments if moment.after]
    assert by_mails == sorted(by_mails)
    assert all(moment.after <= many for moment in moments)
    assert sum(moment.kind == "kill" for moment in moments) == killed
    assert sum(moment.kind == "long cut" for moment in moments) == 1
    assert killed < 5 or any(moment.kind == "kill" and moment.after == 0 for moment in moments)


@given(seeds, st.integers(0, 3000), kills)
def test_nobody_leaves_twice_and_most_stay(seed: int, many: int, killed: int) -> None:
    """Those who leave are readers of the list, each of them once, and a third of it at most."""
    people = list(range(10, 10 + many))
    leavers = Plan(seed, max(1, many), killed).leavers(people)
    gone = (*leavers.left, *leavers.suppressed, *leavers.later)
    assert len(set(gone)) == len(gone) <= max(0, many // 3)
    assert set(gone) <= set(people)
