"""The canonical forms are those of RFC 6376: its own examples, and the edges that they leave out."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from publisher.deliver.dkim import canonical_body
from tests.signatures import key, signer

BODIES = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"B.", b"\xe3\x81\x82", b"\x0b"]), max_size=30).map(lambda parts: b"".join(parts) + b"\r\n")


def checked(head: bytes, field: bytes) -> bytes:
    """The canonical form of `field`, a DKIM-Signature of ours. Raises InvalidSignature unless it was made over `head` and that form."""
    before, _tag, value = field.rpartition(b"\r\n b=")
    own = b"dkim-signature:" + before.partition(b": ")[2].replace(b"\r\n ", b" ") + b" b="
    signature = base64.b64decode(value.replace(b"\r\n", b"").replace(b" ", b""))
    key(2048).public_key().verify(signature, head + own, PKCS1v15(), SHA256())
    return own


def test_the_example_of_the_rfc_for_bodies() -> None:
    """Section 3.4.5, example 1, with <SP>, <HTAB> and <CRLF> as bytes."""
    assert canonical_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


def test_the_example_of_the_rfc_for_headers() -> None:
    """Section 3.4.5, example 1: `A: <SP> X`, `B <SP> : <SP> Y <HTAB> <CRLF> <HTAB> Z <SP><SP>`, under names that are signed."""
    head = b"List-A: X\r\nList-B : Y\t\r\n\tZ  \r\n"
    field = signer().sign(head, hashlib.sha256(canonical_body(b" C \r\nD \t E\r\n\r\n\r\n")).digest())
    # From the bottom up: the RFC leaves the order of h= to the signer.
    own = checked(b"list-b:Y Z\r\nlist-a:X\r\n", field)
    assert b"h=list-b:list-a:from;" in own


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n\r\n", b" \r\n\t\r\n"])
def test_a_body_of_nothing_is_nothing(body: bytes) -> None:
    """Section 3.4.4 with erratum 1384: no line end is added, and the hash is the one that section 3.4.4 gives."""
    assert canonical_body(body) == b""
    assert base64.b64encode(hashlib.sha256(canonical_body(body)).digest()) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(("body", "canonical"), [
    (b"a", b"a\r\n"), (b"a ", b"a\r\n"), (b"a\r\n ", b"a\r\n"), (b"a\r\n\r\nb\r\n\r\n", b"a\r\n\r\nb\r\n"), (b"\t a\t\tb \r\n", b" a b\r\n"),
    (b"\r\n\r\na\r\n", b"\r\n\r\na\r\n"), (b"a\x0b \x0c\r\n", b"a\x0b \x0c\r\n")])
def test_a_body_is_changed_where_the_rfc_says_and_nowhere_else(body: bytes, canonical: bytes) -> None:
    """Blanks are spaces and tabs only; empty lines count at the end only; a last line without its end gets one."""
    assert canonical_body(body) == canonical


@given(BODIES)
def test_any_body_has_the_form_that_dkimpy_gives_it(body: bytes) -> None:
    """Two programs, one form; and a canonical body stays as it is."""
    assert canonical_body(body) == Relaxed.canonicalize_body(body)
    assert canonical_body(canonical_body(body)) == canonical_body(body)
