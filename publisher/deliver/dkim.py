"""The newsroom's own signature under every mail: DKIM (RFC 6376), RSA with SHA-256, relaxed/relaxed.

One RSA signature a mail is what it costs; the rest is kept small, and the hash of the body is the caller's to share. There is no `t=`, so that a mail
that is tried again is the same mail; no `x=`, because a mail may wait in a queue; no `l=`, because what is added to a mail is not ours.
"""

import base64
import hashlib
import logging
import os
import re
import secrets
from functools import cache, lru_cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from publisher.deliver.headers import LINE, route, split_mailbox
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings import Settings

# RFC 8301 section 3.2: signers use 2048 bits at least, verifiers need not know more than 4096.
SHORTEST, LONGEST = 2048, 4096
# What is signed where it is present, and everything that begins with `List-`: RFC 6376 section 5.4.1; RFC 8058 section 4 wants both of one-click.
_SIGNED = frozenset((b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"content-transfer-encoding", b"reply-to",
                     b"feedback-id", b"precedence", b"content-language"))
# A name more in h= than there are fields: nobody can add a second From (RFC 6376 sections 5.4.2 and 8.15).
_OVERSIGNED = b"from"
_STRING = 255  # RFC 1035 section 3.3: a character-string of a TXT record
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
# An address as some carriers gave them out and no standard knows it, such as `a..b@docomo.ne.jp`. Postfix puts it in quotes where the mail comes from
# its own machine (3.7, local_header_rewrite_clients as it is installed; seen in our tests), so a signature must not hold on to it.
_ASTRAY = re.compile(rb'[^"]*(?:(?:^|[ <])\.|\.\.|\.@)[^"]*')
_BLANKS = re.compile(rb"[ \t]+")
_PADDING, _HASH = PKCS1v15(), SHA256()


class Signer:
    """Signs for one domain and selector. Threads may use it at the same time.

    Raises PublisherError for a key that is too short or too long.
    """

    def __init__(self, domain: str, selector: str, key: RSAPrivateKey) -> None:
        _check_length(key)
        self._domain, self._selector, self._key = domain, selector, key

    def sign(self, headers: bytes, body_hash: bytes) -> bytes:
        """The DKIM-Signature field with its CRLF, to stand before `headers`, which must not be folded anew afterwards.

        `headers` are the header fields with CRLF line ends, without the empty line; `body_hash` is the SHA-256 digest of the canonical body.
        The same mail gets the same signature.
        """
        names, fields = [], []
        # RFC 6376 section 5.4.2: of several fields with one name the last is signed first.
        for raw in reversed(_FIELD_END.split(headers)):
            name, canonical = _canonical_field(raw)
            if name:
                names.append(name)
                fields.append(canonical)
        written, canonical = _opening(self._domain, self._selector, b":".join((*names, _OVERSIGNED)))
        digest = base64.b64encode(body_hash)
        fields.append(canonical + digest + b"; b=")
        signature = base64.b64encode(self._key.sign(b"".join(fields), _PADDING, _HASH))
        room = LINE - 1
        lines = [b" b=" + signature[:room - 2], *(b" " + signature[start:start + room] for start in range(room - 2, len(signature), room))]
        return written + digest + b";\r\n" + b"\r\n".join(lines) + b"\r\n"


# The fields that all mails of an edition share stay here; those of single readers pass through.
@lru_cache(maxsize=256)
def _canonical_field(raw: bytes) -> tuple[bytes, bytes]:
    """Name and canonical form (RFC 6376 section 3.4.2) of a field without its CRLF; both empty for one that is not signed."""
    name, colon, value = raw.partition(b":")
    name = name.rstrip(b" \t").lower()
    if not colon or not (name in _SIGNED or name.startswith(b"list-")):
        return b"", b""
    value = _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    if name == b"to" and _ASTRAY.fullmatch(value):
        return b"", b""
    return name, name + b":" + value + b"\r\n"


@lru_cache(maxsize=64)
def _opening(domain: str, selector: str, names: bytes) -> tuple[bytes, bytes]:
    """The field up to the value of bh=, folded as it is written, and in its canonical form."""
    lines = ["DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;"]
    # Between tags and between the names of h= it may be folded (RFC 6376 sections 3.2 and 3.5), nowhere else.
    for start, separator, pieces in ((" ", " ", [f"d={domain};", f"s={selector};"]), (" h=", "", f"{names.decode()};".replace(":", ": ").split(" "))):
        line = start + pieces[0]
        for piece in pieces[1:]:
            if len(line) + len(separator) + len(piece) > LINE:
                lines.append(line)
                line = " " + piece
            else:
                line += separator + piece
        lines.append(line)
    written = "\r\n".join([*lines, " bh="]).encode("ascii")
    return written, written.replace(b"\r\n ", b" ").replace(b"DKIM-Signature: ", b"dkim-signature:")


def body_hash(shared: "hashlib._Hash", rest: bytes) -> bytes:
    """The digest of what `shared` (a SHA-256) already took and of `rest`, together a body in canonical form; `shared` stays as it is."""
    whole = shared.copy()
    whole.update(rest)
    return whole.digest()


def canonical_body(body: bytes) -> bytes:
    """Any body, with CRLF line ends, in the canonical form `relaxed`: RFC 6376 section 3.4.4."""
    body = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n").removesuffix(b" ")
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def signer_of(settings: Settings, sender_domain: str) -> Signer | None:
    """The signer of the settings, or None where no selector is set. `sender_domain` is the one of From, in ASCII.

    Raises PublisherError for a key that is absent, cannot be read, is none of RSA, or has a length that receivers refuse.
    """
    if settings.dkim.selector is None:
        return None
    return Signer(settings.dkim.domain or sender_domain.lower(), settings.dkim.selector, load_key(settings.place(settings.dkim.key_file)))


def signing_domain(settings: Settings) -> str:
    """The domain that signs: `dkim.domain`, else the one of `mail.sender` as it stands in the DNS. Raises PublisherError for one that cannot."""
    return settings.dkim.domain or route(split_mailbox(settings.mail.sender)[1]).rpartition("@")[2].lower()


def load_key(path: Path) -> RSAPrivateKey:
    """The private key in `path`, PKCS#1 or PKCS#8 in PEM. Raises PublisherError.

    A file that others can open is used, with a warning once a process.
    """
    try:
        with path.open("rb") as file:
            # What a container is handed stands there for everybody to read (mode 0444), and nobody else is in it.
            if os.fstat(file.fileno()).st_mode & 0o066 and not path.is_relative_to("/run/secrets"):
                _warn_of_others(path)
            pem = file.read()
    except FileNotFoundError:
        raise PublisherError(_("the DKIM key %(path)s is not there", path=path), remedy=_("make one with: publisher dkim new")) from None
    except OSError as error:
        raise PublisherError(_("the DKIM key %(path)s cannot be read: %(reason)s", path=path, reason=error.strerror)) from None
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise PublisherError(_("the DKIM key %(path)s is locked with a passphrase", path=path),
                             remedy=_("write it without one: openssl pkey -in KEY -out NEW")) from None
    except (ValueError, UnsupportedAlgorithm):
        raise PublisherError(_("%(path)s holds no private key in PEM form", path=path), remedy=_("make one with: publisher dkim new")) from None
    if not isinstance(key, RSAPrivateKey):
        raise PublisherError(_("the DKIM key %(path)s is no RSA key, and others are not verified everywhere", path=path),
                             remedy=_("make one with: publisher dkim new"))
    _check_length(key)
    return key


def make_key(path: Path) -> RSAPrivateKey:
    """A new RSA key of 2048 bits in `path` (PKCS#8, mode 0600). Raises PublisherError where a file is, and OSError where none can be written."""
    there = PublisherError(_("%(path)s is there already", path=path),
                           remedy=_("for a second key: publisher dkim new --selector NEW --key-file state/dkim-NEW.pem"))
    if os.path.lexists(path):
        raise there
    key = generate_private_key(public_exponent=65537, key_size=SHORTEST)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails where the name exists: two commands at once make one key, and nobody reads half of it.
        os.link(draft, path)
    except FileExistsError:
        raise there from None
    finally:
        draft.unlink()
    return key


def record_name(selector: str, domain: str) -> str:
    """Where the public key is looked up: RFC 6376 section 3.6.2.1."""
    return f"{selector}._domainkey.{domain}"


def record_value(key: RSAPrivateKey) -> str:
    """What stands there, in one piece: RFC 6376 section 3.6.1."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


def record_strings(value: str) -> list[str]:
    """The value cut as a TXT record wants it, in strings of at most 255 characters; receivers put them together without a blank."""
    return [value[start:start + _STRING] for start in range(0, len(value), _STRING)]


def _check_length(key: RSAPrivateKey) -> None:
    if not SHORTEST <= key.key_size <= LONGEST:
        raise PublisherError(_("the DKIM key has %(bits)s bits, and receivers ask for %(least)s to %(most)s",
                               bits=key.key_size, least=SHORTEST, most=LONGEST),
                             remedy=_("make a new one: publisher dkim new --selector NEW --key-file state/dkim-NEW.pem"))


@cache
def _warn_of_others(path: Path) -> None:
    """Once a process: the key is used all the same, because a morning without an issue is worse."""
    logging.getLogger(__name__).warning(_("the DKIM key %(path)s can be opened by others on this machine; run: chmod 600 %(path)s", path=path))
