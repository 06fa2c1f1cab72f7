"""SPF as `publisher doctor` sees it: each fault that receivers reject, and the record that puts it right, against a name server on this machine."""

import pytest

from publisher.doctor.asking import Names
from publisher.doctor.finding import Finding
from publisher.doctor.spf import judge_spf, read_spf
from tests.names import name_server
from tests.pages import free_port

DOMAIN, HERE = "news.example.jp", "203.0.113.5"
IN_ORDER = f'{DOMAIN}. TXT "v=spf1 ip4:203.0.113.0/24 -all"'


def spf_of(zone: str, *, addresses: tuple[str, ...] = (), terms: tuple[str, ...] = (f"ip4:{HERE}",), certain: bool = True, seconds: float = 2.0,
           **faults: tuple[str, ...]) -> list[Finding]:
    """What is said of the SPF of the newsroom's domain in a world of one zone."""
    with name_server(zone, **faults) as server:
        names = Names(seconds, server.address)
        return judge_spf(read_spf(names, DOMAIN, addresses), terms, names.seconds, certain=certain)


def only(findings: list[Finding]) -> Finding:
    """The one finding there is."""
    assert len(findings) == 1, findings
    return findings[0]


def test_a_record_in_order_is_right() -> None:
    found = only(spf_of(IN_ORDER, addresses=(HERE,)))
    assert (found.code, found.state, found.record) == ("spf", "right", "")


def test_without_a_record_the_one_to_publish_is_shown() -> None:
    """It stands as a zone file has it, with the address mail leaves from."""
    found = only(spf_of(f'{DOMAIN}. TXT "some-site-verification=1"'))
    assert (found.code, found.state, found.record) == ("spf-absent", "wrong", f'{DOMAIN}. TXT "v=spf1 ip4:{HERE} ~all"')


def test_a_domain_that_is_not_there_is_called_that() -> None:
    assert only(spf_of("elsewhere.example. A 192.0.2.1")).code == "spf-nowhere"


def test_of_two_records_one_is_made() -> None:
    """What both allowed stays allowed, and the stricter ending wins."""
    found = only(spf_of(f'{DOMAIN}. TXT "v=spf1 mx ~all"\n{DOMAIN}. TXT "v=spf1 include:relay.example -all"'))
    assert (found.code, found.state, found.record) == ("spf-several", "wrong", f'{DOMAIN}. TXT "v=spf1 include:relay.example mx -all"')


@pytest.mark.parametrize(("ending", "code", "state"), [("+all", "spf-open", "wrong"), ("all", "spf-open", "wrong"), ("?all", "spf-unclosed", "doubtful"),
                                                       ("", "spf-unclosed", "doubtful")])
def test_a_record_that_lets_everybody_send_is_closed(ending: str, code: str, state: str) -> None:
    found = only(spf_of(f'{DOMAIN}. TXT "v=spf1 ip4:{HERE} {ending}"'))
    assert (found.code, found.state, found.record) == (code, state, f'{DOMAIN}. TXT "v=spf1 ip4:{HERE} ~all"')


def test_more_than_ten_lookups_are_too_many() -> None:
    """RFC 7208 section 4.6.4 counts what is included as well."""
    inner = "\n".join(f'i{n}.example. TXT "v=spf1 a:h.example a:h.example a:h.example a:h.example -all"' for n in range(3))
    found = only(spf_of(f'{DOMAIN}. TXT "v=spf1 include:i0.example include:i1.example include:i2.example -all"\n{inner}\nh.example. A 192.0.2.1'))
    assert (found.code, found.state) == ("spf-lookups", "wrong")


def test_names_that_lead_nowhere_are_found_before_there_are_too_many() -> None:
    one = only(spf_of(f'{DOMAIN}. TXT "v=spf1 a:gone.example -all"'))
    assert (one.code, one.state) == ("spf-void", "doubtful")
    three = only(spf_of(f'{DOMAIN}. TXT "v=spf1 a:gone.example a:gone2.example a:gone3.example -all"'))
    assert (three.code, three.state) == ("spf-void", "wrong")


def test_an_include_without_a_record_spoils_the_whole() -> None:
    found = only(spf_of(f'{DOMAIN}. TXT "v=spf1 include:gone.example -all"'))
    assert (found.code, found.state) == ("spf-include", "wrong")
    assert "gone.example" in found.what


def test_a_record_that_includes_itself_is_a_circle() -> None:
    assert only(spf_of(f'{DOMAIN}. TXT "v=spf1 include:{DOMAIN} -all"')).code == "spf-loop"


def test_the_term_that_nobody_understands_is_named() -> None:
    found = only(spf_of(f'{DOMAIN}. TXT "v=spf1 ipv4:{HERE} -all"'))
    assert (found.code, found.state) == ("spf-syntax", "wrong")
    assert f"ipv4:{HERE}" in found.what


@pytest.mark.parametrize(("record", "code"), [
    ("v=spf1 ip4:198.51.100.0/24 -all", "spf-address"), ("v=spf1 a:mail.example -all", "spf"), ("v=spf1 mx:example -all", "spf"),
    ("v=spf1 include:inner.example -all", "spf"), ("v=spf1 redirect=inner.example", "spf"), ("v=spf1 include:other.example -all", "spf-address"),
    ("v=spf1 exists:%{i}.list.example -all", "spf"), (f"v=spf1 -ip4:{HERE} ip4:203.0.113.0/24 -all", "spf-address"),
    ("v=spf1 a:mail.example/24 ~all", "spf")])
def test_the_address_that_mail_leaves_from_has_to_be_allowed(record: str, code: str) -> None:
    """As a receiver reckons it; a term that only the mail itself can decide (exists) is not held against it."""
    world = f"""{DOMAIN}. TXT "{record}"
        mail.example. A {HERE}
        example. MX 10 mail.example.
        inner.example. TXT "v=spf1 ip4:203.0.113.0/28 -all"
        other.example. TXT "v=spf1 ip4:198.51.100.1 ~all"
        """
    assert only(spf_of(world, addresses=(HERE,))).code == code


def test_the_missing_address_is_added_at_the_head() -> None:
    """In a relay of ours it is a guess, for a relay may send from another address than it takes mail at."""
    zone = f'{DOMAIN}. TXT "v=spf1 mx:nowhere.example -all"\nnowhere.example. MX 10 m.example.\nm.example. A 192.0.2.7'
    found = only(spf_of(zone, addresses=(HERE, "2001:db8::5")))
    assert (found.state, found.record) == ("wrong", f'{DOMAIN}. TXT "v=spf1 ip4:{HERE} ip6:2001:db8::5 mx:nowhere.example -all"')
    assert only(spf_of(zone, addresses=(HERE,), certain=False)).state == "doubtful"


def test_a_name_server_that_fails_or_is_silent_is_told_apart_from_an_absent_record() -> None:
    """Nothing is proved then: it is wrong, and nothing is to be published."""
    failing = only(spf_of(IN_ORDER, failing=(DOMAIN,)))
    assert (failing.code, failing.state, failing.record) == ("spf-unanswered", "wrong", "")
    assert "SERVFAIL" in failing.what
    silent = only(spf_of(IN_ORDER, silent=(DOMAIN,), seconds=0.3))
    assert (silent.code, silent.state, silent.record) == ("spf-unanswered", "wrong", "")
    assert "0.3 seconds" in silent.what
    included = only(spf_of(f'{DOMAIN}. TXT "v=spf1 include:i.example -all"', failing=("i.example",)))
    assert (included.code, included.state) == ("spf-unanswered", "wrong")


def test_without_any_name_server_the_others_go_on() -> None:
    """A resolver that is not there is a line, not an end."""
    names = Names(0.3, ("127.0.0.1", free_port()))
    assert only(judge_spf(read_spf(names, DOMAIN), (), names.seconds)).code == "spf-unanswered"
