"""The parts of `publisher doctor` that decide without a network: records as they are written, domains as they hang together, checks as they are bounded."""

import os
import ssl
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.clock import utc_now
from publisher.doctor.dmarc import organizational, walk
from publisher.doctor.examination import Case, Check, checks, examine, relay_host
from publisher.doctor.finding import Finding, right, single_line, txt_record, why
from publisher.doctor.machine import Place, judge_folder, judge_room, places, read_place
from publisher.doctor.spf import spf_record, with_terms
from publisher.doctor.tls import expiry
from publisher.i18n import in_language
from tests.composing import settings

_TERMS = st.lists(st.sampled_from(["mx", "a", "ip4:192.0.2.1", "include:relay.example", "~all", "-all", "+all", "?all"]), max_size=6)


def text_of(record: str) -> str:
    """What a resolver would make of a TXT record in a zone file."""
    name, kind, data = record.split(maxsplit=2)
    return b"".join(dns.rrset.from_text(name, 60, "IN", kind, data)[0].strings).decode()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=600)
       | st.text('"\\é', min_size=200, max_size=400))
def test_a_record_comes_back_as_it_was_meant(text: str) -> None:
    """Quotes and backslashes too, and however long it is."""
    assert text_of(txt_record("news.example.jp", text)) == text


@given(st.lists(_TERMS, min_size=1, max_size=3), st.lists(st.sampled_from(["ip4:203.0.113.5", "include:relay.example"]), max_size=2))
def test_a_mended_spf_record_is_one_and_ends_closed(records: list[list[str]], terms: list[str]) -> None:
    """Everybody who was allowed stays so, nobody twice, and `all` stands once, at the end, and lets nobody in."""
    made = text_of(with_terms("news.example.jp", [" ".join(["v=spf1", *record]) for record in records], terms)).split()
    assert made[0] == "v=spf1"
    assert made[-1] in ("~all", "-all")
    assert len(set(made)) == len(made)
    assert {term for record in records for term in record if not term.endswith("all")} | set(terms) == set(made[1:-1])


def test_a_new_spf_record_names_who_sends() -> None:
    assert spf_record("news.example.jp", ["ip4:203.0.113.5"]) == 'news.example.jp. TXT "v=spf1 ip4:203.0.113.5 ~all"'


@pytest.mark.parametrize(("found", "organization"), [
    ({}, "a.news.example.jp"), ({"example.jp": "v=DMARC1; p=none"}, "example.jp"), ({"news.example.jp": "v=DMARC1; p=none"}, "news.example.jp"),
    ({"news.example.jp": "v=DMARC1; p=none", "example.jp": "v=DMARC1; p=none"}, "example.jp"),
    ({"news.example.jp": "v=DMARC1; p=none; psd=n", "example.jp": "v=DMARC1; p=none"}, "news.example.jp"),
    ({"jp": "v=DMARC1; p=none; psd=y"}, "example.jp"), ({"example.jp": "v=DMARC1; psd=y; p=none"}, "news.example.jp"),
    ({"a.news.example.jp": "v=DMARC1; p=none; psd=y", "example.jp": "v=DMARC1; p=none; psd=u"}, "example.jp")])
def test_who_a_domain_belongs_to_is_told_by_the_records_above_it(found: dict[str, str], organization: str) -> None:
    """RFC 9989 section 4.10.2."""
    assert organizational("a.news.example.jp", found) == organization


def test_the_walk_asks_eight_names_at_most() -> None:
    """RFC 9989 section 4.10: a long name is cut to seven labels after the first question."""
    assert walk("news.example.jp") == ["news.example.jp", "example.jp", "jp"]
    long = walk(".".join("abcdefghijkl"))
    assert (len(long), long[1]) == (8, "f.g.h.i.j.k.l")


def test_a_check_that_hangs_or_breaks_is_a_line_and_the_others_go_on() -> None:
    """All together take as long as one may."""
    hold = threading.Event()

    def breaks() -> list[Finding]:
        raise RuntimeError("out of nowhere")

    made = [Check("g", "slow", lambda: [] if hold.wait(20) else []), Check("g", "broken", breaks), Check("g", "well", lambda: [right("well", "Well")])]
    began, seen = time.monotonic(), []
    found = examine(made, 0.3, seen.append)
    hold.set()
    assert time.monotonic() - began < 2
    assert [[one.code for one in findings] for findings in found] == [["timeout"], ["broken"], ["well"]]
    assert "slow" in found[0][0].what
    assert found[0][0].record == "publisher doctor --timeout 1"
    assert "RuntimeError" in found[1][0].what
    assert seen == [1, 2]


def test_what_a_check_says_is_in_the_language_of_whoever_asked() -> None:
    """It is said in a thread of its own."""
    with in_language("ja"):
        found = examine([Check("g", "x", lambda: [judge_room(Place(Path("/var"), "", True, 5_000_000_000))])], 5)
    assert found[0][0].what == "/var の空き容量は 5,000 MB です"


def test_folders_are_written_to_and_left_as_they_were(tmp_path: Path) -> None:
    place = read_place(tmp_path)
    assert (place.fault, place.there, list(tmp_path.iterdir())) == ("", True, [])
    later = read_place(tmp_path / "state" / "deep")
    assert (later.fault, later.there) == ("", False)
    assert [judge_folder(one).state for one in (place, later)] == ["right", "right"]
    blocked = tmp_path / "file"
    blocked.write_text("")
    found = judge_folder(read_place(blocked))
    assert (found.state, str(blocked) in found.record) == ("wrong", True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_is_wrong(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert judge_folder(read_place(tmp_path)).state == "wrong"
    assert judge_folder(read_place(tmp_path / "state")).state == "wrong"


@pytest.mark.parametrize(("free", "state"), [(100_000_000, "wrong"), (500_000_000, "doubtful"), (5_000_000_000, "right")])
def test_a_disk_has_to_have_room(free: int, state: str) -> None:
    assert judge_room(Place(Path("/var"), "", True, free)).state == state


def test_the_folder_of_the_database_is_looked_at_where_it_is_a_file(tmp_path: Path) -> None:
    assert places(settings(root=tmp_path)) == [tmp_path / "state", tmp_path]
    assert places(settings(root=tmp_path, database={"url": "postgresql+psycopg://publisher@db.example.jp/publisher"})) == [tmp_path / "state"]


def test_what_others_wrote_stays_on_one_line() -> None:
    """No control character of a record or a greeting reaches a terminal."""
    assert single_line("a\x1b[31mb\r\nc\u202ed") == "a [31mb c d"
    assert why(ConnectionRefusedError(111, "Connection refused")) == "Connection refused"
    assert why(TimeoutError()) == "no answer in time"
    assert why(ValueError("x\ny")) == "x y"


def test_with_providers_alone_the_key_of_the_newsroom_signs_nothing(tmp_path: Path) -> None:
    """What goes by a provider leaves without our signature."""
    here = settings(root=tmp_path, dkim={"selector": "p1"}, relays=[{"name": "post", "url": "postmark://broadcast"}])
    made = checks(Case(here, {}, ssl.create_default_context(), utc_now, server=("127.0.0.1", 1)))
    assert [one.code for check in made if check.subject == "DKIM" for one in check.run()] == ["dkim-relay"]
    assert relay_host(here) is None


def test_a_certificate_without_an_end_has_none() -> None:
    assert expiry(None) is None
    assert expiry({"notAfter": "Jan  5 09:34:43 2027 GMT"}) == datetime(2027, 1, 5, 9, 34, 43, tzinfo=UTC)
