"""Whose request it is: what a client writes into a header is believed of nobody, and no header can bring the page down."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from publisher.web.client import client_of
from tests.composing import settings

PROXY, STRANGER = "192.0.2.1", "203.0.113.9"


def seen(peer: str | None, *values: str, header: str = "X-Forwarded-For", trusted: tuple[str, ...] = ("192.0.2.0/24", "10.0.0.0/8", "2001:db8:1::/48")) -> str:
    """The client of a request from `peer` with these lines of the header."""
    made = settings(web={"trusted_proxies": trusted, "client_header": header})
    scope = {"type": "http", "headers": [(header.lower().encode(), value.encode("latin-1")) for value in values], "client": (peer, 4711) if peer else None}
    return client_of(Request(scope), made)


@pytest.mark.parametrize(("values", "client"), [
    (["198.51.100.7"], "198.51.100.7"),
    (["1.1.1.1, 198.51.100.7"], "198.51.100.7"),  # what stands before was written by the client
    (["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
    (["198.51.100.7, 10.1.2.3, 192.0.2.9"], "198.51.100.7"),
    (["10.1.2.3, 192.0.2.9"], PROXY),
    (["198.51.100.7:55123"], "198.51.100.7"),
    (["[2001:db8::7]:55123"], "2001:db8::7"),
    (["2001:DB8:0:0::7"], "2001:db8::7"),
    (["::ffff:198.51.100.7"], "198.51.100.7"),
    ([" 198.51.100.7 ,  2001:db8:1::5 "], "198.51.100.7"),
    (["198.51.100.7, unknown"], PROXY), (["198.51.100.7,"], PROXY), ([""], PROXY), ([], PROXY), (["<script>"], PROXY), (["1.2.3.4.5"], PROXY),
    (["١.٢.٣.٤".encode().decode("latin-1")], PROXY), (["198.51.100.007"], PROXY)])
def test_behind_a_trusted_proxy_the_last_address_that_is_no_proxy_counts(values: list[str], client: str) -> None:
    assert seen(PROXY, *values) == client
    assert seen(f"::ffff:{PROXY}", *values) == client


@pytest.mark.parametrize(("value", "client"), [
    ("for=198.51.100.7", "198.51.100.7"),
    ("for=1.1.1.1, for=198.51.100.7;proto=https;by=192.0.2.1", "198.51.100.7"),
    ('For="[2001:db8::7]:4711"', "2001:db8::7"),
    ('for="198.51.100.7:80";host="a,b;c=d", for=10.0.0.1', "198.51.100.7"),
    ("for=198.51.100.7, for=_hidden", PROXY), ("for=198.51.100.7, for=unknown", PROXY), ("for=198.51.100.7, proto=https", PROXY),
    ('for=198.51.100.7, for="', PROXY), ("nonsense", PROXY), ("198.51.100.7", PROXY), ("for=", PROXY), ("", PROXY),
    ('for="\\198.51.100.7"', "198.51.100.7")])
def test_the_standard_header_is_read_too(value: str, client: str) -> None:
    """RFC 7239."""
    assert seen(PROXY, value, header="Forwarded") == client


def test_a_header_with_one_address_is_read_as_a_list_of_one() -> None:
    assert seen(PROXY, "198.51.100.7", header="X-Real-IP") == "198.51.100.7"


def test_who_is_no_trusted_proxy_is_the_client_whatever_the_header_says() -> None:
    assert seen(STRANGER, "198.51.100.7") == STRANGER
    assert seen(PROXY, "198.51.100.7", trusted=()) == PROXY
    assert seen(None, "198.51.100.7") == ""
    assert seen("testclient", "198.51.100.7") == "testclient"


ADDRESSES = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))
PIECES = st.lists(st.one_of(ADDRESSES, st.text(st.characters(max_codepoint=255, exclude_categories=["Cs"]), max_size=20),
                            st.sampled_from(["for=", '"', ",", ";", "[", "]", ":", "=", "\\", "for=1.2.3.4", " "])), max_size=8).map("".join)


@given(peer=st.one_of(st.just(PROXY), ADDRESSES), values=st.lists(PIECES, max_size=3), header=st.sampled_from(["X-Forwarded-For", "Forwarded"]))
def test_whatever_stands_in_the_header_the_answer_is_an_address(peer: str, values: list[str], header: str) -> None:
    assert ipaddress.ip_address(seen(peer, *values, header=header))


@given(written=PIECES, real=ADDRESSES)
def test_what_the_client_wrote_never_counts_once_a_proxy_has_appended_its_address(written: str, real: str) -> None:
    address = ipaddress.ip_address(real)
    mapped = getattr(address, "ipv4_mapped", None) or address
    trusted = any(mapped in ipaddress.ip_network(network) for network in ("192.0.2.0/24", "10.0.0.0/8", "2001:db8:1::/48"))
    if not trusted:
        assert seen(PROXY, f"{written}, {real}") == str(mapped)
