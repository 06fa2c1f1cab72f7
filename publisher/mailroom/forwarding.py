"""Mail to an owner goes on to a person at once, over the relay, as an attachment of a mail of ours: taken only when the relay has taken it."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from publisher.db import Database
from publisher.deliver.headers import BadHeader, header_line, route, split_mailbox
from publisher.deliver.lines import lines_to, usual_relay
from publisher.deliver.message import Mail
from publisher.deliver.smtp import ConnectionLost, RelayTrouble
from publisher.errors import PublisherError
from publisher.i18n import _, in_language
from publisher.models_mail import Received
from publisher.settings import Settings
from subscribers.mailbox.reading import Incoming, read
from subscribers.mailbox.recipients import Recipient, recipient_of

# A person reads these; a flood is somebody else's program.
_MOST_AN_HOUR = 60
FORWARDED = "forwarded"
_LOOP = "X-Loop"
_ADDRESS = re.compile(r"[^\s@<>:/?&%,]+@[A-Za-z0-9.-]+")


class NotForwarded(PublisherError):
    """The mail waits with whoever brought it: the relay did not take it (`refused`: and never will), or there were too many."""

    refused = False


def forward(database: Database, settings: Settings, secrets: Mapping[str, str], address: str, recipient: Recipient, data: bytes,
            now: datetime) -> str:
    """Hand a mail to `address` (LIST-owner@… and its like) to its owner; what came of it. Raises NotForwarded, RelayTrouble.

    Silence is for answers: what a program sent is passed on as well, so long as it has not been here before (`silent:loop`).
    """
    mail = read(data)
    owner = owner_of(settings, recipient)
    if any(recipient_of(settings, value.strip()) for value in mail.all(_LOOP.lower())) or recipient_of(settings, owner) is not None:
        return "silent:loop"
    with database.reading() as session:
        lately = session.scalar(select(func.count()).select_from(Received).where(
            Received.outcome == FORWARDED, Received.at > now - timedelta(hours=1))) or 0
    if lately >= _MOST_AN_HOUR:
        raise NotForwarded(_("more than %(n)s mails to owners within the hour", n=_MOST_AN_HOUR))
    _hand_over(settings, secrets, _wrapped(settings, owner, address, mail, data, now))
    return FORWARDED


def owner_of(settings: Settings, recipient: Recipient) -> str:
    """Whom the address belongs to: the list's owner, else the operator, else the contact where it is a mail address, else the sender."""
    entry = settings.reader_list(recipient.list_name)
    contact = settings.site.contact.strip()
    named = (entry.owner if entry else None) or settings.mail.operator or (contact if _ADDRESS.fullmatch(contact) else settings.mail.sender)
    return route(split_mailbox(named)[1])


def _hand_over(settings: Settings, secrets: Mapping[str, str], mail: Mail) -> None:
    try:
        connection = lines_to(settings, secrets, usual_relay(settings, whole=True), 1).opener()
    except RelayTrouble:
        raise
    except PublisherError as error:
        raise NotForwarded(error.reason, remedy=error.remedy) from error  # a provider's key or library is missing
    try:
        verdict = connection.send(mail)
    except ConnectionLost as error:
        raise NotForwarded(_("the relay ended the connection")) from error
    finally:
        connection.close()
    if verdict.state != "accepted":
        trouble = NotForwarded(_("the relay did not take it: %(reason)s", reason=verdict.reason))
        trouble.refused = verdict.state == "refused"
        raise trouble


def _wrapped(settings: Settings, owner: str, address: str, mail: Incoming, data: bytes, now: datetime) -> Mail:
    """Our own mail with the stranger's inside it, untouched (RFC 2046 section 5.2.1): no header of theirs speaks for us."""
    content = re.sub(rb"(?<!\r)\n|\r(?!\n)", b"\r\n", data)
    sender = route(split_mailbox(settings.mail.sender)[1])
    identity = hashlib.sha256(f"{address}\0{now.isoformat()}\0".encode() + data).hexdigest()[:32]
    boundary = f"=_{identity}"
    with in_language(settings.site.language):
        subject = _("Mail to %(address)s", address=address)
        text = _("Attached is a mail to %(address)s. Your answer goes to its sender.", address=address)
    lines = [header_line("From", settings.mail.sender), header_line("To", owner), header_line("Subject", subject), *_reply_to(mail)]
    lines += [header_line(name, value) for name, value in (
        ("Date", format_datetime(now.astimezone(ZoneInfo(settings.site.timezone)))), ("Message-ID", f"<{identity}@{sender.rpartition('@')[2]}>"),
        ("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "OOF, AutoReply"), (_LOOP, address), ("MIME-Version", "1.0"))]
    lines.append(f'Content-Type: multipart/mixed;\r\n boundary="{boundary}"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n'
                 "Content-Transfer-Encoding: 8bit\r\n\r\n".encode() + text.encode() + b"\r\n")
    encoding = b"7bit" if content.isascii() else b"8bit"
    lines.append(f"--{boundary}\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n".encode()
                 + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + content + f"\r\n--{boundary}--\r\n".encode())
    return Mail(sender, owner, b"".join(lines))


def _reply_to(mail: Incoming) -> list[bytes]:
    """An answer goes to whoever wrote; where that cannot be told it comes to us, and the person reads the attachment."""
    try:
        return [header_line("Reply-To", mail.author.typed)] if mail.author is not None else []
    except BadHeader:
        return []
