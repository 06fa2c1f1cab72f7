"""Whether a database may send, decided from what it says of itself, what the state folder knows, and where it lies."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.primary import FOUND, Fenced, Row, judge
from publisher.whereabouts import moved
from publisher.witness import Known, Notes

HERE = {"kind": "sqlite", "file": "12", "handle": "1:0c00", "machine": "aa"}
THERE = {"kind": "postgresql", "system": "77", "timeline": "00000001", "database": "16385"}
ROW = Row("line", 10, HERE, "2025-12-05T07:00:00+00:00")
places = st.dictionaries(st.sampled_from(["kind", "file", "handle", "machine", "system", "timeline", "database"]), st.sampled_from(["1:a", "1:b", "2:a"]))


def known(count: int, line: str = "line", address: str = "here", *, copied: bool = False) -> Notes:
    """The notes of a state folder that saw one database."""
    return Notes({line: Known(count, address)}, copied=copied)


def test_a_database_at_its_place_with_its_count_sends() -> None:
    """What was counted since by others, and a state folder that is new, change nothing."""
    for notes in (known(10), known(3), Notes(), known(10, "another", "elsewhere"), known(9, copied=True)):
        assert judge(ROW, notes, "here", HERE) is None


@pytest.mark.parametrize(("part", "value"), [("handle", "1:0d00"), ("machine", "bb"), ("kind", "postgresql")])
def test_each_part_of_a_place_fences_by_itself(part: str, value: str) -> None:
    """A file that took the number of a deleted one is known by its handle."""
    assert judge(ROW, known(10), "here", HERE | {part: value}) == part


@pytest.mark.parametrize(("part", "value"), [("system", "78"), ("timeline", "00000002"), ("database", "16386")])
def test_each_part_of_a_servers_place_fences_by_itself(part: str, value: str) -> None:
    """Another cluster, a restore to a point in time, a copy on the same server."""
    assert judge(replace(ROW, place=THERE), known(10), "here", THERE | {part: value}) == part


def test_a_part_that_cannot_be_read_says_nothing() -> None:
    """A container without a machine's name, a server that does not tell its identifier."""
    for part in HERE:
        less = {name: value for name, value in HERE.items() if name != part}
        assert judge(ROW, known(10), "here", less) is judge(replace(ROW, place=less), known(10), "here", HERE) is None


def test_a_handle_of_another_form_leaves_the_word_to_the_number() -> None:
    """A kernel that names files in a new way is an upgrade and no copy."""
    assert moved(HERE, HERE | {"handle": "129:0c00"}) == []
    assert moved(HERE, HERE | {"handle": "129:0c00", "file": "13"}) == ["file"]


def test_a_count_below_what_this_machine_saw_is_a_backup() -> None:
    assert judge(ROW, known(11), "here", HERE) == "older"


def test_another_database_at_the_same_address_is_fenced() -> None:
    """With a row of its own or without one: what left from here is not in it."""
    assert judge(None, known(1, "another"), "here", HERE) == "other"
    assert judge(ROW, Notes({"line": Known(10, "here"), "another": Known(2, "here")}), "here", HERE) == "other"
    assert judge(None, known(1, "another", "elsewhere"), "here", HERE) is None


def test_both_restored_in_place_are_known_by_the_mark_of_the_folder() -> None:
    """On PostgreSQL a client's machine may be replaced with its folder, while the server stays what it was."""
    assert judge(ROW, known(10, copied=True), "here", HERE) == "together"
    assert judge(replace(ROW, place=THERE), known(10, copied=True), "here", THERE) is None


def test_what_one_machine_found_holds_for_all() -> None:
    """Also where a later version had other words for it."""
    assert judge(replace(ROW, fenced="older"), Notes(), "here", HERE) == "older"
    assert judge(replace(ROW, fenced="a word of tomorrow"), Notes(), "here", HERE) == "other"


@given(places, places)
def test_two_places_differ_the_same_way_round(one: dict[str, str], other: dict[str, str]) -> None:
    assert moved(one, other) == moved(other, one)
    assert moved(one, one) == []
    assert set(moved(one, other)) <= set(one) & set(other)


@given(st.builds(Row, st.sampled_from(["line", "x"]), st.integers(0, 5), places, st.just("2025"), st.just(""), st.none() | st.sampled_from(sorted(FOUND))),
       st.dictionaries(st.sampled_from(["line", "x"]), st.builds(Known, st.integers(0, 5), st.sampled_from(["here", "elsewhere"]))), st.booleans(), places)
def test_every_finding_has_a_sentence(row: Row, lines: dict[str, Known], copied: bool, here: dict[str, str]) -> None:
    """Whatever stands there, a person is told what was found and what to do."""
    why = judge(row, Notes(lines, copied=copied), "here", here)
    if why is not None:
        assert "publisher primary claim" in str(Fenced(why))


@given(st.integers(0, 50), st.integers(0, 50))
def test_whoever_counts_beside_us_never_fences_us(count: int, seen: int) -> None:
    """A machine's folder holds what it saw at some time; the database holds at least that."""
    assert judge(replace(ROW, count=count), known(min(count, seen)), "here", HERE) is None
