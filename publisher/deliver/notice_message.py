"""A rendered notice as bytes: the same bytes each time it is asked for, with the reader's own addresses in its slots."""

import binascii
import hashlib
import html
import re
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from publisher.deliver.dkim import Signer, body_hash, canonical_body
from publisher.deliver.headers import header_line, route, split_mailbox
from publisher.deliver.message import Mail
from publisher.deliver.notice_claim import Taken
from publisher.letters import Letter
from publisher.links import NOTICE, confirm_token, confirm_url, leave_token, leave_url, list_address, preferences_token, preferences_url
from publisher.models_mail import Notice
from publisher.settings import Settings
from publisher.text.slots import fill, split_slots
from publisher.tokens import Keys

# A Message-ID that may be answered (RFC 5322 section 3.6.4): it comes from a stranger's mail, and anything else is passed over.
_MESSAGE_ID = re.compile(r"<[!#$%&'*+./0-9=?A-Z^_`a-z{|}~-]+@[!#$%&'*+./0-9=?A-Z^_`a-z{|}~:\[\]-]+>")
_LONGEST_MESSAGE_ID = 250
# Addresses and numbers of links are told from the list that an issue came for; no issue carried these.
_NO_ISSUE = 0


def notice_mail(settings: Settings, keys: Keys, letter: Letter, taken: Taken, signer: Signer | None = None) -> Mail:
    """The mail, signed where there is a signer.

    Raises BadHeader for an address that no mail can carry, KeyError for a slot without a value: a mail never leaves with a hole.
    """
    notice, recipient = taken.notice, recipient_of(settings, taken)
    values = _values(settings, keys, letter, notice)
    token = keys.sign(NOTICE, notice.id, notice.subscriber_id or 0)
    head = {name: fill(value, values) for name, value in letter.headers.items()}
    day = notice.created_at.astimezone(ZoneInfo(settings.site.timezone))
    sender = route(split_mailbox(head["From"])[1])
    lines = [header_line("From", head.pop("From")), header_line("To", recipient), header_line("Subject", letter.subject),
             header_line("Date", format_datetime(day)), header_line("Message-ID", f"<{token}@{sender.rpartition('@')[2]}>")]
    answered = notice.in_reply_to or ""
    if len(answered) <= _LONGEST_MESSAGE_ID and _MESSAGE_ID.fullmatch(answered):
        lines += [header_line("In-Reply-To", answered), header_line("References", answered)]
    lines += [header_line(name, value) for name, value in head.items()]
    boundary = "=_" + hashlib.sha256(f"{letter.html}\0{letter.text}".encode()).hexdigest()[:32]
    lines += [b"MIME-Version: 1.0\r\n", f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'.encode()]
    parts = (_part("plain", fill(letter.text, values)), _part("html", fill(letter.html, values, html.escape)))
    headers, opening = b"".join(lines), f"--{boundary}\r\n".encode()
    body = b"".join([*(opening + part for part in parts), f"--{boundary}--\r\n".encode()])
    signature = signer.sign(headers, body_hash(hashlib.sha256(), canonical_body(body))) if signer is not None else b""
    return Mail(_envelope_sender(settings, token, sender), recipient, b"".join((signature, headers, b"\r\n", body)))


def recipient_of(settings: Settings, taken: Taken) -> str:
    """The reader's address as it travels; for the operator that of mail.operator, else the contact where it is one, else the sender."""
    if taken.notice.subscriber_id is not None:
        return route(taken.address)
    contact = settings.site.contact.strip()
    is_address = re.fullmatch(r"[^\s@<>:/?&%,]+@[A-Za-z0-9.-]+", contact)
    return route(split_mailbox(settings.mail.operator or (contact if is_address else settings.mail.sender))[1])


def _envelope_sender(settings: Settings, token: str, sender: str) -> str:
    """Where it comes back to: an address of its own (VERP) where there is a domain for that, else the sender.

    RFC 3834 section 3.3 would have `<>` for an answer. Relays that sell sending refuse it, it carries no domain for SPF and DMARC, and what comes
    back would be lost; the loops it is meant to end are ended by Auto-Submitted, which our own mailbox keeps silent at, and by its limits.
    """
    domain = settings.mail.bounce_domain
    return f"b{settings.inbound.delimiter}{token}@{domain}" if domain else sender


def _values(settings: Settings, keys: Keys, letter: Letter, notice: Notice) -> dict[str, str]:
    """What stands in the slots that the letter has."""
    site, subscriber_id = settings.site.url, notice.subscriber_id
    if subscriber_id is None:
        return {}
    used = {name for part in (letter.text, letter.html, *letter.headers.values()) for _fixed, name in split_slots(part)}
    values: dict[str, str | None] = {}
    if notice.request_id is not None and used & {"confirm_url", "confirm_address"}:
        token = confirm_token(keys, notice.request_id, subscriber_id)
        values |= {"confirm_url": confirm_url(site, token), "confirm_address": list_address(settings, letter.list_name, "confirm", token)}
    if letter.list_id is not None and used & {"leave_url", "leave_address", "preferences_url"}:
        token, domain = leave_token(keys, letter.list_id, subscriber_id, _NO_ISSUE), settings.mail.bounce_domain
        values |= {"leave_url": leave_url(site, token), "leave_address": f"u{settings.inbound.delimiter}{token}@{domain}" if domain else None,
                   "preferences_url": preferences_url(site, preferences_token(keys, letter.list_id, subscriber_id))}
    return {name: value for name, value in values.items() if value is not None}


def _part(kind: str, content: str) -> bytes:
    """One body with its headers, in the shorter of both encodings: Latin text can be read as it travels, and SpamAssassin and rspamd mistrust it in
    base64. Lines have at most 76 characters.
    """
    data = content.replace("\r\n", "\n").replace("\n", "\r\n").encode()  # RFC 2046 section 4.1.1
    plain = binascii.b2a_qp(data, istext=True)
    packed = b"".join(binascii.b2a_base64(data[place:place + 57], newline=False) + b"\r\n" for place in range(0, len(data), 57))
    body, encoding = (plain, b"quoted-printable") if len(plain) <= len(packed) else (packed, b"base64")
    return (f"Content-Type: text/{kind}; charset=utf-8\r\n".encode() + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n"
            + body + (b"" if body.endswith(b"\r\n") else b"\r\n"))
