"""What an address is, and when two of them are one person."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.tokens import Keys
from subscribers.addresses import Address, NotAnAddress, masked, parse_address

_LOCAL = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[A-Za-z0-9+_-]{1,10}){0,2}", fullmatch=True)
_DOMAIN = st.from_regex(r"([A-Za-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\.){1,3}(jp|com|JP)", fullmatch=True).filter(lambda name: "--" not in name)


@given(_LOCAL, _DOMAIN)
def test_a_key_is_the_key_of_itself_and_of_every_spelling(local: str, domain: str) -> None:
    """Stable for ever: what was stored yesterday is found by what is typed today, in capitals or not."""
    key = parse_address(f"{local}@{domain}").key
    assert parse_address(key).key == key
    assert parse_address(f" {local.upper()}@{domain.upper()}\u3000").key == key


@given(st.text(max_size=80))
@example("@")
@example("a@xn--a.jp")
@example("a@" + "b." * 130 + "jp")
def test_any_text_is_an_address_or_is_refused_in_words(text: str) -> None:
    """No text breaks it, and none gets through that could end a header or an envelope."""
    address = _address_or_reason(text)
    if not isinstance(address, str):
        assert not set(address.typed) & set("\r\n\0<> ,;")
        assert address.key.isascii()
        assert parse_address(address.typed) == address


def _address_or_reason(text: str) -> Address | str:
    try:
        return parse_address(text)
    except NotAnAddress as error:
        return str(error)


@pytest.mark.parametrize(("typed", "other"), [
    ("Taro@Example.jp", "Taro@EXAMPLE.JP"), ("Taro@example.jp", "taro@example.jp"), ("taro@日本語.jp", "taro@xn--wgv71a119e.jp"),
    ("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ", "taro@example.jp"), ("taro@日本語。jp", "taro@日本語.jp"), ('"a..b"@docomo.ne.jp', "a..b@docomo.ne.jp"),
])
def test_two_spellings_of_one_person(typed: str, other: str) -> None:
    assert parse_address(typed).key == parse_address(other).key


@pytest.mark.parametrize(("one", "other"), [
    ("taro.yamada@example.jp", "taroyamada@example.jp"), ("taro+news@example.jp", "taro@example.jp"), ("taro@example.jp", "taro@mail.example.jp"),
    ("a..b@docomo.ne.jp", "a.b@docomo.ne.jp"),
])
def test_two_persons(one: str, other: str) -> None:
    """Dots and +tags may be ignored by a host, but which host does so is nobody's to guess."""
    assert parse_address(one).key != parse_address(other).key


@pytest.mark.parametrize("address", ["a..b@docomo.ne.jp", "abc.@ezweb.ne.jp", ".abc@ezweb.ne.jp", "abc.@t.vodafone.ne.jp", "a..b@au.com",
                                     "a-.-b@i.softbank.ne.jp", "abc.@jp-t.ne.jp"])
def test_japanese_carrier_addresses_are_addresses(address: str) -> None:
    """Carriers gave them out for years, against RFC 5322, and their owners still read mail there."""
    assert parse_address(address).typed == address


@pytest.mark.parametrize("text", [
    "", "  ", "hanako", "@example.jp", "hanako@", "hanako@localhost", "hanako@example", "hanako@1.2.3.4", "hanako@[127.0.0.1]", "a..b@example.jp",
    ".abc@example.jp", "a..b@notdocomo.ne.jp", "a..b@docomo.ne.jp.example.com", "花子@example.jp", "hanako@example.jp, taro@example.jp",
    "Hanako <hanako@example.jp>", "hanako@example.jp\nBcc: taro@example.jp", "hana ko@example.jp", "hanako@exam_ple.jp", "x" * 65 + "@example.jp",
    "hanako@" + "x" * 64 + ".jp", "hanako@" + "abcdefgh." * 30 + "jp", "a b@docomo.ne.jp", '"a\r\nb"@docomo.ne.jp', "hanako@example.jp\0",
])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(NotAnAddress):
        parse_address(text)


def test_the_address_is_kept_as_typed() -> None:
    assert parse_address("  Hanako.Yamada@日本語.JP ").typed == "Hanako.Yamada@日本語.jp"
    assert parse_address("Hanako.Yamada@Example.JP").typed == "Hanako.Yamada@Example.JP"


def test_hashes_follow_the_key_and_not_the_spelling() -> None:
    """One hash a signing key, the same for every spelling, and nothing of the address in it."""
    keys = Keys(["the new key", "the old key"])
    hashes = parse_address("Taro@Example.jp").digests(keys)
    assert hashes == parse_address("taro@EXAMPLE.jp").digests(keys)
    assert hashes[0] == parse_address("taro@example.jp").digest(keys)
    assert hashes[1] == parse_address("taro@example.jp").digest(Keys(["the old key"]))


def test_a_mask_shows_its_owner_enough_and_others_nothing() -> None:
    assert masked("hanako.yamada@example.jp") == "h•••@example.jp"
