"""DKIM (RFC 6376): the key in the DNS is the one that this newsroom signs with."""

import base64
import binascii
import shlex
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from publisher.deliver.dkim import load_key, record_name, record_value
from publisher.doctor.asking import Answer, Names, unanswered
from publisher.doctor.finding import Finding, doubtful, right, txt_record, wrong
from publisher.errors import PublisherError
from publisher.i18n import _


def judge_key_file(path: Path) -> list[Finding]:
    """Whether others on this machine can open the key. What a container is handed stands there for everybody, and nobody else is in it."""
    if not path.stat().st_mode & 0o066 or path.is_relative_to("/run/secrets"):
        return []
    return [wrong("dkim-key-open", _("The DKIM key %(path)s can be opened by others on this machine", path=path), _("run:"),
                  f"chmod 600 {shlex.quote(str(path))}")]


def judge_dkim(name: str, answer: Answer, key: RSAPrivateKey, seconds: float) -> list[Finding]:
    """Whether what is published at `name` verifies what `key` signs."""
    topic, record = _("DKIM at %(name)s", name=name), txt_record(name, record_value(key))
    if not answer.known:
        return [unanswered("dkim-unanswered", topic, answer, seconds)]
    published = [text for text in answer.records if "p=" in text.replace(" ", "")]
    if not published:
        return [wrong("dkim-absent", _("DKIM at %(name)s: no key is published", name=name), _("publish:"), record)]
    if len(published) > 1:
        return [wrong("dkim-several", _("DKIM at %(name)s: there are %(n)s keys, and a receiver takes any of them", name=name, n=len(published)),
                      _("RFC 6376 section 3.6.2.2; leave this one only:"), record)]
    return _judge_published(name, _tags(published[0]), key, record)


def _judge_published(name: str, tags: dict[str, str], key: RSAPrivateKey, record: str) -> list[Finding]:
    if not tags.get("p"):
        return [wrong("dkim-revoked", _("DKIM at %(name)s: the key was revoked (empty p=)", name=name),
                      _("sign with another selector, or publish:"), record)]
    if not _is(tags["p"], key):
        return [wrong("dkim-other-key", _("DKIM at %(name)s: another key is published than the one that signs", name=name),
                      _("publish this one, or put the right file into dkim.key_file:"), record)]
    if tags.get("k", "rsa") != "rsa" or tags.get("v", "DKIM1") != "DKIM1" or "sha256" not in tags.get("h", "sha256").split(":") or (
            not {"*", "email"} & {kind.strip() for kind in tags.get("s", "*").split(":")}):
        return [wrong("dkim-limits", _("DKIM at %(name)s: its tags shut our signatures out (v=, k=, h= or s=)", name=name), _("publish:"), record)]
    if "y" in tags.get("t", "").split(":"):
        return [doubtful("dkim-testing", _("DKIM at %(name)s: it is marked as a test (t=y), and some receivers take it for none", name=name),
                         _("publish:"), record)]
    return [right("dkim", _("DKIM at %(name)s: the published key is the one that signs (%(n)s bits)", name=name, n=key.key_size))]


def _tags(text: str) -> dict[str, str]:
    """The tags of a record, without white space in their values (RFC 6376 section 3.2)."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip(): "".join(value.split()) for name, _equals, value in pairs}


def _is(published: str, key: RSAPrivateKey) -> bool:
    """Whether the published text is this key, as SubjectPublicKeyInfo or, as RFC 6376 has it too, as a bare RSAPublicKey."""
    try:
        data = base64.b64decode(published, validate=True)
        found = load_der_public_key(data)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return False
    return isinstance(found, RSAPublicKey) and found.public_numbers() == key.public_key().public_numbers()


def examine_dkim(names: Names, selector: str | None, domain: str, path: Path) -> list[Finding]:
    """The key file and the record; without a selector the signature is the relay's affair."""
    if selector is None:
        return [doubtful("dkim-relay", _("DKIM: mails leave here without a signature, and the relay has to sign them for %(domain)s", domain=domain),
                         _("send an issue to yourself and look for dkim=pass with d=%(domain)s in Authentication-Results, or set dkim.selector",
                           domain=domain))]
    try:
        key = load_key(path)
    except PublisherError as error:
        return [wrong("dkim-key", error.reason[:1].upper() + error.reason[1:], error.remedy)]
    name = record_name(selector, domain)
    return judge_key_file(path) + judge_dkim(name, names.ask(name, "TXT"), key, names.seconds)
