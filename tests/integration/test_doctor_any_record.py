"""Whatever somebody publishes, `publisher doctor` says something of it and does not break."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from publisher.deliver.dkim import make_key
from publisher.doctor.asking import Answer, Names
from publisher.doctor.dkim import judge_dkim
from publisher.doctor.dmarc import judge_dmarc, read_dmarc
from publisher.doctor.finding import txt_record
from publisher.doctor.spf import judge_spf, read_spf
from tests.names import NameServer, name_server

DOMAIN = "news.example.jp"
_JUNK = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
_SPF = st.lists(st.sampled_from(["ip4:", "ip6:", "a", "a/", "mx", "include:", "redirect=", "exp=", "exists:", "ptr", "all", "-all", "+", "%{i}", "%", "1.2.3.4", "::1", "/33",
                                 "news.example.jp", ".", "x.example", " ", " ", " "]) | _JUNK, max_size=10).map("".join)
_DMARC = st.lists(st.sampled_from(["p=", "none", "reject", ";", "; ", "sp=", "rua=", "mailto:", "a@b.example", ",", "pct=", "100", "t=y", "psd=", "y", "!10m", "adkim=", "s", "fo=",
                                   "1:d"]) | _JUNK, max_size=10).map("".join)


@pytest.fixture(scope="module")
def world() -> Iterator[NameServer]:
    """A name server whose records each try replaces."""
    with name_server("x.example. A 192.0.2.1") as server:
        yield server


@limits(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SPF)
def test_any_spf_record_is_judged(world: NameServer, terms: str) -> None:
    world.add(txt_record(DOMAIN, f"v=spf1 {terms}"))
    names = Names(0.5, world.address)
    found = judge_spf(read_spf(names, DOMAIN, ["203.0.113.5", "2001:db8::5"]), ["mx"], names.seconds)
    assert found
    assert all(letter == "\N{NO-BREAK SPACE}" or letter.isprintable() for one in found for letter in one.what + one.remedy + one.record)


@limits(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_DMARC)
def test_any_dmarc_record_is_judged(world: NameServer, tags: str) -> None:
    world.add(txt_record(f"_dmarc.{DOMAIN}", f"v=DMARC1; {tags}"))
    names = Names(0.5, world.address)
    found = judge_dmarc(read_dmarc(names, DOMAIN), "postmaster@news.example.jp", names.seconds)
    assert found
    assert all(letter == "\N{NO-BREAK SPACE}" or letter.isprintable() for one in found for letter in one.what + one.remedy + one.record)


@given(st.text(max_size=80), st.text(max_size=20))
def test_any_key_record_is_judged(any_key: RSAPrivateKey, before: str, after: str) -> None:
    assert len(judge_dkim(f"p1._domainkey.{DOMAIN}", Answer("found", (f"{before}p={after}",)), any_key, 1.0)) == 1


@pytest.fixture(scope="module")
def any_key(tmp_path_factory: pytest.TempPathFactory) -> RSAPrivateKey:
    """A key that nothing matches."""
    return make_key(tmp_path_factory.mktemp("any") / "dkim.pem")
