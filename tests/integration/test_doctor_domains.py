"""Names and addresses as `publisher doctor` sees them: the From domain, its zone, the way in for bounces, the name of the sending address."""

import pytest

from publisher.doctor.asking import Answer, Names, is_public
from publisher.doctor.domains import judge_author, judge_way_in, judge_zone, likely_host, read_way, read_zone
from publisher.doctor.finding import Finding
from publisher.doctor.sending import examine_reverse, origin_of
from publisher.settings_sending import RelayEntry
from tests.names import name_server

DOMAIN, BOUNCES, HERE = "news.example.jp", "bounces.news.example.jp", "203.0.113.5"
# Addresses of documentation are no public ones; these are somebody's and nothing is sent to them.
PUBLIC, PUBLIC6 = "1.1.1.1", "2606:4700:4700::1111"
REVERSE = "1.1.1.1.in-addr.arpa"


def author_of(zone: str, seconds: float = 2.0, **faults: tuple[str, ...]) -> tuple[str, str]:
    """Code and state of what is said of the From domain."""
    with name_server(zone, **faults) as server:
        names = Names(seconds, server.address)
        found = judge_author(read_way(names, DOMAIN), names.seconds)
    return found.code, found.state


def way_in_of(zone: str, **faults: tuple[str, ...]) -> Finding:
    """What is said of the domain for bounces."""
    with name_server(zone, **faults) as server:
        names = Names(2.0, server.address)
        return judge_way_in(read_way(names, BOUNCES), "mail.bounce_domain", names.seconds, likely_host(read_way(names, DOMAIN), BOUNCES))


def reverse_of(zone: str, entry: RelayEntry, *, given: tuple[str, ...] = (), own: tuple[str, ...] = (), **faults: tuple[str, ...]) -> list[Finding]:
    """What is said of the name of the address that a relay's mail leaves from."""
    with name_server(zone, **faults) as server:
        names = Names(2.0, server.address)
        return examine_reverse(names, origin_of(entry, DOMAIN, names, given, own), DOMAIN)


def relay(url: str) -> RelayEntry:
    """A relay of the settings."""
    return RelayEntry(name="mail", url=url)


@pytest.mark.parametrize(("zone", "code", "state"), [
    (f"{DOMAIN}. MX 10 mx.example.jp.", "from", "right"), (f"{DOMAIN}. A 192.0.2.1", "from", "right"), (f"{DOMAIN}. AAAA 2001:db8::1", "from", "right"),
    (f'{DOMAIN}. TXT "here"', "from-unreachable", "wrong"), ("example.jp. A 192.0.2.1", "from-unreachable", "wrong"),
    (f"{DOMAIN}. MX 0 .\n{DOMAIN}. A 192.0.2.1", "from-null-mx", "wrong")])
def test_somebody_has_to_be_at_the_from_domain(zone: str, code: str, state: str) -> None:
    """NTT docomo asks for A or MX; a domain that takes no mail is no sender (RFC 7505 section 4.2)."""
    assert author_of(zone) == (code, state)


def test_an_author_that_cannot_be_asked_is_not_called_absent() -> None:
    assert author_of("", failing=(DOMAIN,)) == ("from-unanswered", "wrong")


@pytest.mark.parametrize(("zone", "found", "state"), [
    (f"{DOMAIN}. SOA ns. h. 1 1 1 1 1", DOMAIN, "right"), (f"example.jp. SOA ns. h. 1 1 1 1 1\n{DOMAIN}. A 192.0.2.1", "example.jp", "right"),
    ("jp. SOA ns. h. 1 1 1 1 1", None, "wrong"), ("", None, "wrong")])
def test_a_sender_lies_in_a_zone_below_the_top_level(zone: str, found: str | None, state: str) -> None:
    """Yahoo asks for a SOA; that of the top level is nobody's."""
    with name_server(zone) as server:
        names = Names(2.0, server.address)
        zone_name, answer = read_zone(names, DOMAIN)
        assert (zone_name, judge_zone(DOMAIN, zone_name, answer, names.seconds).state) == (found, state)


@pytest.mark.parametrize(("zone", "code", "state"), [
    (f"{BOUNCES}. MX 10 mx.example.jp.\nmx.example.jp. A {PUBLIC}", "mx", "right"), (f"{BOUNCES}. A {PUBLIC}", "mx-absent", "doubtful"),
    (f"{BOUNCES}. MX 10 mx.example.jp.\nmx.example.jp. A 10.0.0.5", "mx-private", "wrong"), (f"{BOUNCES}. MX 10 gone.example.jp.", "mx-dead", "wrong"),
    (f"{BOUNCES}. MX 0 .", "mx-null", "wrong"), (f"{DOMAIN}. A 192.0.2.1", "mx-absent", "wrong")])
def test_bounces_find_their_way_in(zone: str, code: str, state: str) -> None:
    found = way_in_of(zone)
    assert (found.code, found.state) == (code, state)


def test_the_record_for_bounces_names_the_host_that_takes_the_other_mail() -> None:
    """A newsroom has one mail server, mostly."""
    assert way_in_of(f"{DOMAIN}. MX 10 mx.example.jp.").record == f"{BOUNCES}. MX 10 mx.example.jp."
    assert way_in_of("", failing=("mx.example.jp",)).record == f"{BOUNCES}. MX 10 mail.{BOUNCES}."


def test_a_dead_mail_host_is_told_apart_from_one_that_cannot_be_asked() -> None:
    assert way_in_of(f"{BOUNCES}. MX 10 mx.example.jp.", failing=("mx.example.jp",)).code == "mx-unanswered"


@pytest.mark.parametrize(("zone", "code", "state", "record"), [
    (f"{REVERSE}. PTR mail.news.example.jp.\nmail.news.example.jp. A {PUBLIC}", "ptr", "right", ""),
    ("", "ptr-absent", "wrong", f"{REVERSE}. PTR mail.news.example.jp."),
    (f"{REVERSE}. PTR mx.example.jp.\nmx.example.jp. A 192.0.2.9", "ptr-forward", "wrong", f"mx.example.jp. A {PUBLIC}"),
    (f"{REVERSE}. PTR host.example.net.", "ptr-forward", "wrong", f"{REVERSE}. PTR mail.news.example.jp.")])
def test_the_sending_address_has_a_name_that_leads_back(zone: str, code: str, state: str, record: str) -> None:
    """Gmail, 4.7.23: both directions."""
    found = reverse_of(zone, relay("smtp://127.0.0.1:25"), own=(PUBLIC,))
    assert [(one.code, one.state, one.record) for one in found] == [(code, state, record)]


def test_an_address_of_ipv6_is_compared_as_an_address() -> None:
    """Its spellings are many."""
    pointer = "1.1.1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.4.0.0.7.4.6.0.6.2.ip6.arpa"
    zone = f"{pointer}. PTR mail.news.example.jp.\nmail.news.example.jp. AAAA 2606:4700:4700:0:0:0:0:1111"
    assert [one.code for one in reverse_of(zone, relay("smtp://localhost:25"), own=(PUBLIC6,))] == ["ptr"]


def test_a_reverse_zone_that_fails_is_no_missing_name() -> None:
    assert [one.code for one in reverse_of("", relay("smtp://127.0.0.1:25"), own=(PUBLIC,), failing=(REVERSE,))] == ["ptr-unanswered"]


@pytest.mark.parametrize(("url", "whose", "terms"), [
    ("smtp://127.0.0.1:25", "machine", (f"ip4:{PUBLIC}",)), ("smtp+starttls://u@smtp.sendgrid.net:587", "theirs", ("include:sendgrid.net",)),
    ("smtp+starttls://u@email-smtp.eu-west-1.amazonaws.com:587", "theirs", ("include:amazonses.com",)), ("smtp://mx.example.jp", "ours", ("a:mx.example.jp",)),
    ("smtp://relay.host.example", "theirs", ("a:relay.host.example",)), ("ses://eu-west-1", "theirs", ("include:amazonses.com",)),
    ("mailgun://mg.example.jp", "theirs", ("include:mailgun.org",)), ("postmark://broadcast", "theirs", ("include:spf.mtasv.net",))])
def test_from_where_mail_leaves_is_known_by_the_relay(url: str, whose: str, terms: tuple[str, ...]) -> None:
    """The relay's own address is its affair; ours is what receivers look at."""
    with name_server(f"mx.example.jp. A {PUBLIC}") as server:
        found = origin_of(relay(url), DOMAIN, Names(2.0, server.address), (), (PUBLIC,))
    assert (found.whose, found.terms) == (whose, terms)
    assert found.addresses == ((PUBLIC,) if whose in ("machine", "ours") else ())


def test_an_address_on_the_command_line_stands_for_a_machine_behind_translation() -> None:
    """Behind it nobody can know the address that the world sees."""
    unknown = reverse_of("", relay("smtp://127.0.0.1:25"))
    assert [(one.code, one.state, one.record) for one in unknown] == [("ptr-unknown", "doubtful", "publisher doctor --address ADDRESS")]
    given = reverse_of(f"{REVERSE}. PTR mail.news.example.jp.\nmail.news.example.jp. A {PUBLIC}", relay("smtp://127.0.0.1:25"), given=(PUBLIC,))
    assert [one.code for one in given] == ["ptr"]
    assert [one.code for one in reverse_of("", relay("smtp://10.0.0.5:25"))] == ["ptr-unknown"]
    assert [one.code for one in reverse_of("", relay("smtp://relay.host.example:25"))] == ["ptr-theirs"]


def test_what_no_dns_can_hold_is_an_answer_too() -> None:
    """A label of 64 characters is somebody's typing, not an end of the examination."""
    with name_server("") as server:
        assert Names(1.0, server.address).ask("a" * 64 + ".example", "A") == Answer("failure")
        assert Names(1.0, server.address).ask("..example", "A") == Answer("failure")


def test_inside_and_outside_are_told_apart() -> None:
    assert [is_public(address) for address in (PUBLIC, PUBLIC6, "10.1.2.3", "127.0.0.1", "fe80::1%eth0", "100.64.0.1")] == [True, True, False, False, False, False]
