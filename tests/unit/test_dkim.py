"""Whatever stands in a mail, its signature holds, and holds no longer when anything that was signed is changed."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.deliver.dkim import Signer, body_hash, record_name, record_strings, record_value
from publisher.errors import PublisherError
from tests.signatures import BODY, DOMAIN, SELECTOR, VALUES, headers, key, signed, signer, verifies

SIGNED = [name for name in VALUES if name != "X-Auto-Response-Suppress"]
# Blanks, line ends and what stands between them are what canonical forms are about; the rest is any byte but a bare CR or LF.
LINES = st.lists(st.lists(st.sampled_from([b" ", b"\t", b"  ", b"a", b".", b"\xe3\x81\x82", b"=", b"\x00", b"\xff"]), max_size=8).map(b"".join), max_size=8)
BODIES = LINES.map(lambda lines: b"".join(line + b"\r\n" for line in lines))
WORDS = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20), min_size=1, max_size=6)
GAPS = st.sampled_from([" ", "  ", "\t", " \t ", "\r\n ", "\r\n\t", " \r\n  "])
NAMES = st.sampled_from(["Subject", "subject", "SUBJECT", "List-Archive", "Reply-To", "X-Own", "Content-Type", "List-Something-New"])


def tags(mail: bytes) -> dict[str, str]:
    """The tags of the signature that stands first in the mail."""
    field = re.split(rb"\r\n(?![ \t])", mail)[0].decode()
    name, _colon, value = field.partition(":")
    assert name == "DKIM-Signature"
    return dict(re.sub(r"\s", "", tag).split("=", 1) for tag in value.split(";"))


def test_a_mail_of_ours_verifies() -> None:
    """The real header block and a body in base64, verified by dkimpy with the record that is published."""
    assert verifies(signed(headers(), BODY))


def test_the_signature_says_what_is_promised() -> None:
    """RSA with SHA-256, relaxed twice, no length, no end, no moment: a mail that is tried again is the same mail."""
    mail = signed(headers(), BODY)
    found = tags(mail)
    assert {name: found[name] for name in "vacds"} == {"v": "1", "a": "rsa-sha256", "c": "relaxed/relaxed", "d": DOMAIN, "s": SELECTOR}
    assert set(found) == {"v", "a", "c", "d", "s", "h", "bh", "b"}
    assert mail == signed(headers(), BODY)


def test_every_header_that_is_there_is_signed_and_from_once_more() -> None:
    """What a provider may change on the way (X-…) is left out; names that are absent are not listed."""
    listed = tags(signed(headers(), BODY))["h"].split(":")
    assert sorted(listed) == sorted([*(name.lower() for name in SIGNED), "from"])
    few = tags(signed(b"From: <news@news.example.jp>\r\nSubject: x\r\nX-Other: y\r\n", BODY))["h"].split(":")
    assert sorted(few) == ["from", "from", "subject"]


@pytest.mark.parametrize(("to", "is_signed"), [
    (b"a..b@docomo.ne.jp", False), (b".abc@ezweb.ne.jp", False), (b"abc.@docomo.ne.jp", False), (b"=?utf-8?b?44GC?= <.abc@ezweb.ne.jp>", False),
    (b"=?utf-8?b?44GC?=\r\n <abc.@docomo.ne.jp>", False), (b'"a..b"@docomo.ne.jp', True), (b"a.b@docomo.ne.jp", True), (b"J. Doe <j.doe@reader.example>", True)])
def test_a_to_that_servers_put_in_quotes_is_not_signed(to: bytes, is_signed: bool) -> None:
    """Dots astray, as carriers gave them out: Postfix quotes such a local part, and the signature would be broken."""
    mail = signed(b"From: <news@news.example.jp>\r\nTo: " + to + b"\r\n", BODY)
    assert ("to" in tags(mail)["h"].split(":")) is is_signed
    assert verifies(mail)


@pytest.mark.parametrize("name", SIGNED)
def test_a_changed_header_breaks_it(name: str) -> None:
    """Each of them on its own, by one letter."""
    head = headers()
    mail = signed(head, BODY)
    line = re.search(rb"\r\n(" + name.encode() + rb": [^\r]*)", mail)
    assert line is not None
    changed = mail.replace(line[1], line[1] + b"x", 1)
    assert verifies(mail)
    assert not verifies(changed)


@pytest.mark.parametrize("name", SIGNED)
def test_a_header_that_is_taken_away_breaks_it(name: str) -> None:
    """Each of them on its own, one-click as well as From."""
    mail = signed(headers(), BODY)
    without = re.sub(rb"\r\n" + name.encode() + rb":(?:[^\r]|\r\n[ \t])*(?=\r\n)", b"", mail, count=1)
    assert len(without) < len(mail)
    assert verifies(mail)
    assert not verifies(without)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_second_from_breaks_it(where: str) -> None:
    """Listed once more than it is there: programs that show the other one are not lied to."""
    head, other = headers(), b"From: <boss@bank.example>\r\n"
    mail = signed(head, BODY)
    second = mail.replace(head, other + head if where == "before" else head + other)
    assert len(second) == len(mail) + len(other)
    assert verifies(mail)
    assert not verifies(second)


def test_what_is_not_signed_may_come_and_change() -> None:
    """A trace of the servers on the way, and a header that is not ours to keep."""
    mail = b"Received: from a by b; Fri, 5 Dec 2025 07:00:01 +0900\r\n" + signed(headers(), BODY).replace(b"OOF, AutoReply", b"OOF")
    assert verifies(mail)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_of_the_body_breaks_it(data: st.DataObject) -> None:
    """A byte that stands for a letter becomes another one."""
    place = data.draw(st.integers(0, len(BODY) - 1).filter(lambda index: BODY[index] not in b"\r\n"))
    other = data.draw(st.integers(33, 126).filter(lambda byte: byte != BODY[place]))
    mail = signed(headers(), BODY)
    changed = mail.replace(BODY, BODY[:place] + bytes([other]) + BODY[place + 1:])
    assert (verifies(mail), verifies(changed)) == (True, False)


@settings(max_examples=150, deadline=None)
@given(BODIES)
def test_any_body_verifies(body: bytes) -> None:
    """Blanks at line ends, empty lines at the end, nothing at all, bytes that are no text."""
    assert verifies(signed(headers(), body))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, WORDS, st.lists(GAPS, min_size=7, max_size=7), st.sampled_from(["", " ", "\t", "  "])), max_size=12))
def test_any_headers_verify(fields: list[tuple[str, list[str], list[str], str]]) -> None:
    """Any printable value, folded anywhere, blanks before and behind it, a name as often as one likes and in any case."""
    written = b"From: <news@news.example.jp>\r\n" + b"".join(
        f"{name}:{edge}{''.join(word + gap for word, gap in zip(words, gaps, strict=False)).rstrip()}{edge}\r\n".encode()
        for name, words, gaps, edge in fields)
    assert verifies(signed(written, BODY))


@given(st.lists(st.sampled_from(["Subject", "List-Id", "List-" + "long-" * 12 + "name", "Precedence"]), max_size=12), st.integers(1, 60), st.integers(1, 40))
def test_no_line_is_wider_than_76_columns(names: list[str], domain: int, selector: int) -> None:
    """It is folded when it is made, because whoever folded it later would break it."""
    head = b"From: <a@b.example>\r\n" + b"".join(f"{name}: x\r\n".encode() for name in names)
    field = signer(domain="d" * domain + ".jp", selector="s" * selector).sign(head, hashlib.sha256().digest())
    assert field.endswith(b"\r\n")
    assert all(0 < len(line) <= 76 for line in field.removesuffix(b"\r\n").split(b"\r\n"))
    assert all(line.startswith(b" ") for line in field.removesuffix(b"\r\n").split(b"\r\n")[1:])


def test_of_two_headers_with_one_name_each_is_kept() -> None:
    """RFC 6376 section 5.4.2: they are signed from the bottom up, so that exchanging them is a change."""
    head = headers() + b"List-Archive: <https://old.example.jp>\r\n"
    mail = signed(head, BODY)
    assert tags(mail)["h"].split(":").count("list-archive") == 2
    assert verifies(mail)
    exchanged = mail.replace(b"<https://news.example.jp/archive>", b"?").replace(b"<https://old.example.jp>", b"<https://news.example.jp/archive>")
    assert not verifies(exchanged.replace(b"?", b"<https://old.example.jp>"))


def test_threads_share_one_signer() -> None:
    """What each of them signs is what one alone signs."""
    by = signer()
    heads = [headers(To=f"reader{index}@reader.example") for index in range(200)]
    alone = [signed(head, BODY, by) for head in heads]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda head: signed(head, BODY, by), heads)) == alone
    assert verifies(alone[-1])


def test_the_hash_of_the_common_part_is_shared() -> None:
    """It takes the rest of each mail on its own, and stays what it was."""
    shared = hashlib.sha256(b"common\r\n")
    assert body_hash(shared, b"one\r\n") == hashlib.sha256(b"common\r\none\r\n").digest()
    assert body_hash(shared, b"two\r\n") == hashlib.sha256(b"common\r\ntwo\r\n").digest()
    assert shared.digest() == hashlib.sha256(b"common\r\n").digest()


def test_a_key_of_4096_bits_signs_and_its_record_comes_in_several_strings() -> None:
    """Receivers put the strings together; none is over 255 characters."""
    by, value = signer(4096), record_value(key(4096))
    strings = record_strings(value)
    assert len(strings) > 2
    assert max(map(len, strings)) <= 255
    assert verifies(signed(headers(), BODY, by), "".join(strings))


def test_another_key_does_not_verify() -> None:
    """The record decides, and only the one under the selector's name."""
    mail = signed(headers(), BODY)
    assert verifies(mail, record_value(key(2048)))
    assert not verifies(mail, record_value(key(4096)))
    assert not verifies(mail, name=record_name("other", DOMAIN))


@pytest.mark.parametrize("bits", [1024, 2040, 4104])
def test_a_key_of_a_length_that_not_everybody_takes_signs_nothing(bits: int) -> None:
    """RFC 8301: signers use 2048 bits at least, and receivers need not know more than 4096."""
    with pytest.raises(PublisherError, match=f"has {bits} bits, and receivers ask for 2048 to 4096"):
        Signer(DOMAIN, SELECTOR, key(bits))
