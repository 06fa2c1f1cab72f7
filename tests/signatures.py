"""Signed mails, and two programs that verify them and share no line with the one that signs: dkimpy, and Perl's Mail::DKIM."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from publisher.deliver.dkim import Signer, body_hash, canonical_body, record_name, record_strings, record_value
from publisher.deliver.headers import header_line

DOMAIN, SELECTOR = "news.example.jp", "p202512"
VALUES: Mapping[str, str] = {
    "From": "AI モーニング <news@news.example.jp>", "To": "taro@reader.example", "Date": "Fri, 05 Dec 2025 07:00:00 +0900",
    "Message-ID": "<m7kq2x@news.example.jp>",
    "List-Unsubscribe": "<https://news.example.jp/u/k3jq0m6v7r2w5x8y1z4a9b>, <mailto:u+k3jq0m6v7r2w5x8y1z4a9b@lists.example.jp?subject=unsubscribe>",
    "Subject": "第12号　あおばモデル、重みを公開　カード1枚で動く400億パラメータ", "Reply-To": "desk@news.example.jp",
    "List-Id": "AI モーニング <daily.news.example.jp>", "List-Help": "<https://news.example.jp/help>", "List-Archive": "<https://news.example.jp/archive>",
    "List-Owner": "<mailto:desk@news.example.jp>", "List-Post": "NO", "Feedback-ID": "i12:daily:issue:news1", "Precedence": "bulk",
    "X-Auto-Response-Suppress": "OOF, AutoReply", "Content-Language": "ja", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=utf-8", "Content-Transfer-Encoding": "base64"}
BODY = b"44GK44Gv44KI44GG44GU44GW44GE44G+44GZ\r\n" * 20
# Answers from the record that it is handed, as a zone file writes it; prints a line for each mail.
_PERL = r"""
use strict; use warnings; use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS;
my ($zone, @mails) = @ARGV;
sub slurp { open my $file, "<:raw", shift or die $!; local $/; <$file> }
our $record = Net::DNS::RR->new(slurp($zone));
{ package Here; sub errorstring { "NOERROR" }
  sub send { my ($self, $name, $type) = @_; my $answer = Net::DNS::Packet->new($name, $type);
    lc $name eq lc $main::record->name ? $answer->push(answer => $main::record) : $answer->header->rcode("NXDOMAIN"); $answer } }
Mail::DKIM::DNS::resolver(bless {}, "Here");
for my $mail (@mails) { my $verifier = Mail::DKIM::Verifier->new; $verifier->PRINT(slurp($mail)); $verifier->CLOSE; print $verifier->result_detail, "\n" }
"""


@cache
def key(bits: int) -> RSAPrivateKey:
    """One key of this length for all tests of a process: making one takes as long as a hundred signatures."""
    return generate_private_key(65537, bits)


def headers(**changed: str) -> bytes:
    """The header fields of a mail to a reader; `List_Id=…` gives another value to List-Id."""
    values = dict(VALUES) | {name.replace("_", "-"): value for name, value in changed.items()}
    return b"".join(header_line(name, value) for name, value in values.items())


def signer(bits: int = 2048, domain: str = DOMAIN, selector: str = SELECTOR) -> Signer:
    """A signer with the tests' key."""
    return Signer(domain, selector, key(bits))


def signed(head: bytes, body: bytes, by: Signer | None = None) -> bytes:
    """The mail with its signature before it."""
    return (by or signer()).sign(head, body_hash(hashlib.sha256(), canonical_body(body))) + head + b"\r\n" + body


def verifies(mail: bytes, record: str | None = None, name: str = record_name(SELECTOR, DOMAIN)) -> bool:
    """What dkimpy says of the mail, with `record` (else the one of the tests' key) under `name` in the DNS and nothing elsewhere."""
    value = (record or record_value(key(2048))).encode()
    return dkimpy.verify(mail, dnsfunc=lambda asked, timeout=5: value if asked.decode() == f"{name}." else None)


def zone_line(value: str, name: str = record_name(SELECTOR, DOMAIN)) -> str:
    """The record as a zone file has it."""
    return f"{name}. 3600 IN TXT ( " + " ".join(f'"{string}"' for string in record_strings(value)) + " )"


def perl_says(folder: Path, zone: str, mails: Sequence[bytes]) -> list[str]:
    """What Mail::DKIM says of each mail (`pass`, or `fail` with a reason) with the record `zone` in the DNS. Skips the test where it is absent."""
    if not shutil.which("perl") or subprocess.run(["perl", "-MMail::DKIM::Verifier", "-e1"], capture_output=True).returncode:
        pytest.skip("not run: Mail::DKIM is absent (tools/servers installs it)")
    (folder / "zone").write_text(zone)
    paths = [folder / f"{index}.eml" for index in range(len(mails))]
    for path, mail in zip(paths, mails, strict=True):
        path.write_bytes(mail)
    done = subprocess.run(["perl", "-e", _PERL, str(folder / "zone"), *map(str, paths)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
