"""A token is read back by whoever has the key, serves one purpose, and cannot be changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.links import leave_token, read_leave_token
from publisher.tokens import Keys, derived

KEYS = Keys(["the key of this newsroom"])
IDS = st.lists(st.integers(0, 2**62), min_size=1, max_size=4).map(tuple)
PURPOSE = st.sampled_from(["leave", "bounce", "message"])


@given(PURPOSE, IDS)
def test_what_was_signed_is_read_back(purpose: str, ids: tuple[int, ...]) -> None:
    assert KEYS.read(purpose, KEYS.sign(purpose, *ids)) == ids


@given(IDS, st.data())
def test_a_changed_token_is_refused(ids: tuple[int, ...], data: st.DataObject) -> None:
    """Any one character replaced by any other, one left out, or one more: also where base32 would ignore the difference."""
    token = KEYS.sign("leave", *ids)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda char: char.lower() != token[place]))
    assert KEYS.read("leave", token[:place] + other + token[place + 1:]) is None
    assert KEYS.read("leave", token[:place] + token[place + 1:]) is None
    assert KEYS.read("leave", token + other) is None


@given(IDS, st.text(max_size=60))
def test_a_made_up_token_is_refused(ids: tuple[int, ...], text: str) -> None:
    assert KEYS.read("leave", text) is None


@given(IDS, PURPOSE, PURPOSE)
def test_purposes_do_not_mix(ids: tuple[int, ...], one: str, other: str) -> None:
    assert (KEYS.read(other, KEYS.sign(one, *ids)) is not None) == (one == other)


@given(IDS)
def test_a_rotated_key_keeps_old_links_working(ids: tuple[int, ...]) -> None:
    old = Keys(["old"])
    assert Keys(["new", "old"]).read("leave", old.sign("leave", *ids)) == ids
    assert Keys(["new"]).read("leave", old.sign("leave", *ids)) is None
    assert Keys(["new", "old"]).sign("leave", *ids) == Keys(["new"]).sign("leave", *ids)


@given(IDS)
def test_a_token_survives_servers_that_change_the_case(ids: tuple[int, ...]) -> None:
    """Some mail servers do so to addresses, and the same token stands in addresses."""
    token = KEYS.sign("bounce", *ids)
    assert token == token.lower()
    assert token.isascii()
    assert token.isalnum()
    assert KEYS.read("bounce", token.upper()) == ids


def test_a_token_fits_into_the_local_part_of_an_address() -> None:
    """RFC 5321 section 4.5.3.1.1: at most 64 octets, with a word and a hyphen before it."""
    assert len("bounce-" + KEYS.sign("bounce", 2**31, 2**31, 2**31)) <= 64


def test_a_letter_that_becomes_another_in_upper_case_is_refused() -> None:
    token = next(token for token in (KEYS.sign("leave", number) for number in range(200)) if "s" in token)
    assert KEYS.read("leave", token.replace("s", "ſ")) is None


def test_a_key_of_the_environment_is_kept_without_being_written_down() -> None:
    kept = derived("a long secret of the environment")
    assert "secret" not in kept
    assert derived(kept) == kept
    assert Keys([kept]).read("leave", Keys(["a long secret of the environment"]).sign("leave", 1, 2)) == (1, 2)


def test_a_secret_that_only_looks_kept_is_a_secret_like_any_other() -> None:
    assert Keys(["derived:not hexadecimal"]).read("leave", Keys(["derived:not hexadecimal"]).sign("leave", 3)) == (3,)


def test_a_hash_is_compared_under_every_key() -> None:
    """What was suppressed under the old key stays suppressed."""
    assert Keys(["old"]).digest("address", "hanako@example.jp") in Keys(["new", "old"]).digests("address", "hanako@example.jp")
    assert Keys(["old"]).digest("address", "hanako@example.jp") != Keys(["new"]).digest("address", "hanako@example.jp")


def test_no_key_is_no_start() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Keys([])


def test_a_leave_token_names_list_reader_and_issue_and_nothing_else_does() -> None:
    assert read_leave_token(KEYS, leave_token(KEYS, 1, 2, 3)) == (1, 2, 3)
    assert read_leave_token(KEYS, KEYS.sign("leave", 1, 2)) is None
