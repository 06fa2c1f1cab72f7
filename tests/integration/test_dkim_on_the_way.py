"""Our signature holds after a real mail server has had the mail, and a second verifier says so: Perl's Mail::DKIM."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.db import Database
from publisher.deliver.dkim import record_value
from publisher.deliver.message import preview_eml
from tests.mail_servers import until
from tests.mailing import newsroom
from tests.postfix import Postfix, postfix
from tests.readers import KEYS
from tests.relay import Relay
from tests.signatures import BODY, headers, key, perl_says, signed, signer, verifies, zone_line

SENDER = "b+token@bounces.example.jp"


@pytest.fixture(scope="module")
def server() -> Iterator[Postfix]:
    """One Postfix for these tests, as it is installed: what it does to mail of its own machine it does here."""
    with postfix() as running:
        yield running


def through(server: Postfix, mails: list[tuple[bytes, str]]) -> list[bytes]:
    """Each mail for its recipient as it arrives behind the server, in the same order."""
    with Relay() as sink:
        server.route("reader.example", smtp=sink.port)
        arrived = []
        for number, (mail, recipient) in enumerate(mails, 1):
            assert server.submit(mail, SENDER, [recipient]) == {}
            until(lambda number=number: len(sink.taken) == number, what="the mail")  # type: ignore[misc]
            arrived.append(sink.taken[-1].data)
    return arrived


def parted(mail: bytes) -> tuple[bytes, bytes]:
    """The header fields and the body."""
    head, _empty, body = mail.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def test_an_issue_verifies_behind_postfix(database: Database, tmp_path: Path, server: Postfix) -> None:
    """The very mail of a reader, signed, over Postfix into another server: dkimpy and Mail::DKIM both pass it."""
    room = newsroom(database, tmp_path, server.url, ["taro@reader.example"], bounce_domain="bounces.example.jp")
    mail = preview_eml(database, room.settings, KEYS, room.issue_id, "taro@reader.example")
    [arrived] = through(server, [(signed(*parted(mail)), "taro@reader.example")])
    assert b"\r\nReceived: " in b"\r\n" + arrived
    assert verifies(arrived)
    assert perl_says(tmp_path, zone_line(record_value(key(2048))), [arrived]) == ["pass"]


def test_addresses_as_carriers_give_them_out_verify_behind_postfix(tmp_path: Path, server: Postfix) -> None:
    """Postfix puts dots astray into quotes, which is why that To is not signed; any other To comes through as it is, and is."""
    odd = ["a..b@reader.example", ".abc@reader.example", "abc.@reader.example"]
    even = ["Taro.Yamada+news@reader.example", "o'neil_=-/x@Reader.example", '"a@b"@reader.example']
    arrived = through(server, [(signed(headers(To=address), BODY), "taro@reader.example") for address in odd + even])
    assert all(map(verifies, arrived))
    assert perl_says(tmp_path, zone_line(record_value(key(2048))), arrived) == ["pass"] * 6
    for address, mail in zip(odd + even, arrived, strict=True):
        local = address.rpartition("@")[0]
        assert (f'To: "{local}"@' if address in odd else f"To: {address}").encode() in mail


def test_what_was_changed_on_the_way_is_noticed_by_both(tmp_path: Path) -> None:
    """A changed link of one-click, a second From, one byte of the body; the mail itself passes."""
    mail = signed(headers(), BODY)
    assert verifies(mail)
    changed = [mail.replace(b"https://news.example.jp/u/", b"https://evil.example/u/"), mail.replace(b"\r\nTo: ", b"\r\nFrom: <boss@bank.example>\r\nTo: "),
               mail.replace(BODY, b"5" + BODY[1:]), re.sub(rb"\r\nList-Unsubscribe-Post: [^\r]*", b"", mail)]
    assert not any(verifies(one) for one in changed)
    said = perl_says(tmp_path, zone_line(record_value(key(2048))), [mail, *changed])
    assert said[0] == "pass"
    assert [answer.partition(" ")[0] for answer in said[1:]] == ["fail"] * 4


def test_many_shapes_of_mails_pass_the_second_verifier(tmp_path: Path) -> None:
    """Two hundred with odd blanks, folds, names in any case and any body, from a fixed seed."""
    chance = random.Random(6376)
    mails = []
    for _number in range(200):
        fields = [f"{chance.choice(['Subject', 'SUBJECT', 'List-Archive', 'Reply-To', 'X-Own'])}:{chance.choice(['', ' ', '  ', chr(9)])}"
                  + "".join(f"w{chance.randrange(99)}{chance.choice([' ', '  ', chr(9), chr(13) + chr(10) + ' '])}" for _word in range(4)) + "end"
                  + chance.choice(["", " ", "\t"]) for _field in range(chance.randrange(5))]
        head = b"From: <news@news.example.jp>\r\n" + "".join(f"{field}\r\n" for field in fields).encode()
        body = b"".join(chance.choice([b"a", b" ", b"\t", b"\r\n", b"  ", b".", b"\xe3\x81\x82"]) for _piece in range(chance.randrange(40))) + b"\r\n"
        mails.append(signed(head, body))
    assert all(map(verifies, mails))
    assert set(perl_says(tmp_path, zone_line(record_value(key(2048))), mails)) == {"pass"}


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_a_record_in_several_strings_is_read_as_one(tmp_path: Path, bits: int) -> None:
    """As it stands in a zone file, for keys of every length that is allowed."""
    mail = signed(headers(), BODY, signer(bits))
    assert perl_says(tmp_path, zone_line(record_value(key(bits))), [mail]) == ["pass"]
