"""A mail of ours taken apart, for providers that want its parts and put a mail together themselves."""

import email
import email.header
import email.policy
import re
from dataclasses import dataclass

from publisher.deliver.headers import split_mailbox
from publisher.deliver.message import Mail

_SIGNATURE = re.compile(rb"^DKIM-Signature:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_PLAIN_NAME = re.compile(rf"{_ATOM}(?: {_ATOM})*")
# These the provider writes anew, or has fields of its own for.
_OWN_FIELDS = frozenset(("from", "to", "subject", "mime-version", "content-type", "content-transfer-encoding", "dkim-signature"))


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands in a mail. Words are decoded, lines end with LF; `headers` are all others in their order, unfolded and encoded as they travel."""

    recipient: str
    sender: str
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str

    def header(self, name: str) -> str | None:
        """The value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def unsigned(data: bytes) -> bytes:
    """The mail without DKIM signatures of ours: providers change what they cover, and one that fails harms those that pass.

    SES writes Date and Message-ID itself (https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim-manual.html); Mailgun and Postmark
    encode the bodies anew. Each signs for a domain that is verified there.
    """
    head, empty, body = data.partition(b"\r\n\r\n")
    return _SIGNATURE.sub(b"", head + b"\r\n") + empty[2:] + body


def parts_of(mail: Mail) -> Parts | None:
    """The parts of a mail, or None where it holds more than one text and one HTML, which a provider cannot put together again."""
    message = email.message_from_bytes(mail.data, policy=email.policy.compat32)
    found: dict[str, str] = {}
    for part in message.walk():
        if part.is_multipart():
            continue
        kind, content = part.get_content_type(), part.get_payload(decode=True)
        if kind not in ("text/plain", "text/html") or kind in found or part.get_filename() or not isinstance(content, bytes):
            return None
        found[kind] = content.decode(part.get_content_charset("utf-8"), "replace").replace("\r\n", "\n")
    head = [(name, re.sub(r"\r?\n", "", str(value))) for name, value in message.items()]
    first = {name.lower(): value for name, value in reversed(head)}
    return Parts(recipient=mail.recipient, sender=readable_mailbox(first.get("from", "")), subject=_decoded(first.get("subject", "")),
                 headers=tuple((name, value) for name, value in head if name.lower() not in _OWN_FIELDS),
                 text=found.get("text/plain", ""), html=found.get("text/html", ""))


def readable_mailbox(value: str) -> str:
    """`Name <address>` with the name as people read it, in quotes where it needs them."""
    name, address = split_mailbox(value)
    name = _decoded(name)
    if not name:
        return address
    return f"{name} <{address}>" if _PLAIN_NAME.fullmatch(name) else '"' + re.sub(r'(["\\])', r"\\\1", name) + f'" <{address}>'


def _decoded(value: str) -> str:
    """Encoded-words as the characters they stand for (RFC 2047)."""
    return "".join(part if isinstance(part, str) else part.decode(charset or "ascii", "replace")
                   for part, charset in email.header.decode_header(value)) if "=?" in value else value
