"""A key that cannot sign is refused in one line that says which file, why, and what to do."""

import logging
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from publisher.deliver.dkim import load_key, make_key, record_strings, record_value, signer_of, signing_domain
from publisher.errors import PublisherError
from tests import composing
from tests.signatures import BODY, headers, key, signed, verifies

PKCS1, PKCS8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8


def pem(made: object, form: PrivateFormat = PKCS8, passphrase: bytes | None = None) -> bytes:
    """A private key as a file holds it."""
    return made.private_bytes(Encoding.PEM, form, BestAvailableEncryption(passphrase) if passphrase else NoEncryption())  # type: ignore[attr-defined]


def filed(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with this content in a folder of its own, so that no test meets the warning of another."""
    path = folder / "dkim.pem"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def of(folder: Path, **dkim: str):
    """The settings of a newsroom that signs as `dkim` says, its key in `folder`."""
    return composing.settings(root=folder, dkim={"selector": "p202512", "key_file": "dkim.pem"} | dkim)


@pytest.mark.parametrize("form", [PKCS1, PKCS8])
def test_both_forms_of_a_key_sign(tmp_path: Path, form: PrivateFormat) -> None:
    """`BEGIN RSA PRIVATE KEY` as older tools write it, and `BEGIN PRIVATE KEY`."""
    filed(tmp_path, pem(key(2048), form))
    signer = signer_of(of(tmp_path), "news.example.jp")
    assert signer is not None
    assert verifies(signed(headers(), BODY, signer))


def test_without_a_selector_nothing_is_signed(tmp_path: Path) -> None:
    """The key is not even looked for: the relay signs."""
    assert signer_of(composing.settings(root=tmp_path), "news.example.jp") is None


def test_the_domain_is_the_senders_unless_another_is_set(tmp_path: Path) -> None:
    """In small letters, and in ASCII where it has others."""
    filed(tmp_path, pem(key(2048)))
    for settings, sender, domain in ((of(tmp_path), "News.Example.JP", b" d=news.example.jp;"), (of(tmp_path, domain="example.jp"), "news.example.jp", b" d=example.jp;")):
        signer = signer_of(settings, sender)
        assert signer is not None
        assert domain in signer.sign(headers(), b"")
    assert signing_domain(of(tmp_path)) == "news.example.jp"
    assert signing_domain(of(tmp_path, domain="example.jp")) == "example.jp"
    assert signing_domain(composing.settings(mail={"sender": "朝 <news@日本語.jp>"})) == "xn--wgv71a119e.jp"


@pytest.mark.parametrize(("content", "says"), [
    (None, "is not there — make one with: publisher dkim new"),
    (pem(key(1024)), "has 1024 bits, and receivers ask for 2048 to 4096 — make a new one: publisher dkim new"),
    (pem(key(1024), PKCS1), "has 1024 bits"),
    (pem(key(2048), PKCS8, b"secret"), "is locked with a passphrase — write it without one"),
    (pem(key(2048), PKCS1, b"secret"), "is locked with a passphrase"),
    (pem(Ed25519PrivateKey.generate()), "is no RSA key"),
    (pem(generate_private_key(SECP256R1())), "is no RSA key"),
    (key(2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "holds no private key in PEM form"),
    (b"", "holds no private key"), (b"v=DKIM1; k=rsa; p=MIIB", "holds no private key"), (b"\xff\x00", "holds no private key"),
    (pem(key(2048))[:900], "holds no private key")])
def test_a_key_that_cannot_sign_is_named_with_the_reason(tmp_path: Path, content: bytes | None, says: str) -> None:
    """Before a mail is made; nothing of the key is in the sentence."""
    if content is not None:
        filed(tmp_path, content)
    with pytest.raises(PublisherError) as refused:
        signer_of(of(tmp_path), "news.example.jp")
    assert says in str(refused.value)
    assert "MII" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_in_the_place_of_the_key_is_a_sentence(tmp_path: Path) -> None:
    """As any other reason of the system."""
    (tmp_path / "dkim.pem").mkdir()
    with pytest.raises(PublisherError, match="cannot be read: Is a directory"):
        load_key(tmp_path / "dkim.pem")


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o602, True)])
def test_a_key_that_others_can_open_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool) -> None:
    """The mails are signed all the same: a morning without an issue is worse."""
    path = filed(tmp_path, pem(key(2048)), mode)
    with caplog.at_level(logging.WARNING):
        assert load_key(path).key_size == 2048
        load_key(path)
    assert [record.getMessage() for record in caplog.records] == [f"the DKIM key {path} can be opened by others on this machine; run: chmod 600 {path}"] * warned


def test_a_new_key_is_the_owners_alone_and_never_replaces_another(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, in a folder that is made for it; nothing else is left there."""
    path = tmp_path / "state" / "dkim.pem"
    before = os.umask(0)
    try:
        made = make_key(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert list(path.parent.iterdir()) == [path]
    assert (made.key_size, made.public_key().public_numbers().e) == (2048, 65537)
    assert record_value(load_key(path)) == record_value(made)
    with pytest.raises(PublisherError, match="is there already — for a second key"):
        make_key(path)
    assert record_value(load_key(path)) == record_value(made)


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    """Somebody put it there for a reason that this program does not know."""
    (tmp_path / "dkim.pem").symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(PublisherError, match="is there already"):
        make_key(tmp_path / "dkim.pem")
    assert not (tmp_path / "elsewhere.pem").exists()


def test_the_strings_of_a_record_are_the_record() -> None:
    """Cut at 255, with nothing lost and nothing between them."""
    value = record_value(key(2048))
    assert value.startswith("v=DKIM1; k=rsa; p=MIIB")
    assert [len(string) for string in record_strings(value)] == [255, len(value) - 255]
    assert "".join(record_strings(value)) == value
