"""A frozen edition as bytes: everything that is the same is encoded once, a reader costs a join.

What is the same stands first in each part, so that its base64 (and later its DKIM body hash) is computed once for all.
"""

import binascii
import hashlib
import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.audience import list_id_of, newsletter_of
from publisher.db import Database
from publisher.deliver.dkim import body_hash, signer_of
from publisher.deliver.editions import edition_of
from publisher.deliver.headers import header_line, route, split_mailbox
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.links import BOUNCE, MESSAGE, leave_mint, leave_url, preferences_mint, preferences_url
from publisher.models import Delivery, Edition, Installation, Issue
from publisher.settings import Settings
from publisher.text.slots import split_slots
from publisher.tokens import Keys
from subscribers.addresses import NotAnAddress, parse_address
from subscribers.models import Subscriber

# 57 bytes make a line of 76 characters (RFC 2045 section 6.8): a prefix of whole lines can be encoded alone.
_LINE = 57
# These follow the reader's own in the mail and stay out of the shared block.
_PERSONAL = ("To", "Date", "Message-ID", "List-Unsubscribe")
# A mail that waited longer for its reader's hour says when it left: filters mistrust a Date of many hours ago (SpamAssassin, DATE_IN_PAST).
_SAME_DATE = timedelta(hours=1)
# What nearly every address looks like; all others take the long way. A line of 76 characters holds it (RFC 5322 section 2.1.1 wants at most 78).
_PLAIN_ADDRESS = re.compile(r"(?=.{1,70}$)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


@dataclass(slots=True, eq=False)
class Mail:
    """One mail to one reader: the envelope and the bytes, with CRLF line ends and without dot-stuffing.

    `is_plain`: no line of it begins with a dot, and its last line has its end.
    """

    sender: str
    recipient: str
    data: bytes
    is_plain: bool = False


NO_MAIL = Mail("", "", b"")


class Part:
    """One body, with the beginning that no slot touches encoded once; what follows it is kept in pieces, ready to be joined."""

    def __init__(self, content: str, escape: Callable[[str], str]) -> None:
        canonical = content.replace("\r\n", "\n").replace("\n", "\r\n")  # RFC 2046 section 4.1.1
        pieces = split_slots(canonical)
        shared = pieces[0][0].encode()
        whole = len(shared) // _LINE * _LINE
        self.prefix = _base64(shared[:whole])
        self._first, self._escape = shared[whole:], escape
        self._slots = [(name, fixed.encode()) for (_before, name), (fixed, _after) in pairwise(pieces) if name is not None]

    def tail(self, values: Mapping[str, str]) -> bytes:
        """What follows the prefix, as base64 lines, with `values` in its slots. Raises KeyError for a slot without a value."""
        parts = [self._first]
        for name, fixed in self._slots:
            parts += (self._escape(values[name]).encode(), fixed)
        return _base64(b"".join(parts))


def _base64(data: bytes) -> bytes:
    """Lines of 76 characters (RFC 2045 section 6.8): encoded as a whole and then cut, which takes half of the library's way line by line."""
    encoded = binascii.b2a_base64(data, newline=False)
    return b"".join([encoded[start:start + 76] + b"\r\n" for start in range(0, len(encoded), 76)])


def _is_plain(url: str) -> bool:
    """Whether addresses that begin with this one say the same in HTML: what we add to it is letters, digits and slashes."""
    return html.escape(url) == url


class Mailing:
    """An edition that can be written to any number of readers. Raises PublisherError when it cannot be signed as publisher.toml wants it."""

    def __init__(self, edition: Edition, issue: Issue, list_id: int, settings: Settings, keys: Keys) -> None:
        self._settings = settings
        self._leaves, self._preferences = leave_mint(keys, list_id, issue.id), preferences_mint(keys, list_id)
        self._messages, self._bounced = keys.mint(MESSAGE, (issue.id,)), keys.mint(BOUNCE, (issue.id,))
        self._sender = route(split_mailbox(edition.headers["From"])[1])
        self._domain = self._sender.rpartition("@")[2]
        inbound = settings.inbound
        self._leave_by_mail = settings.mail.bounce_domain or (inbound.domain if inbound.listen or inbound.imap else None)
        self._bounces = settings.mail.bounce_domain
        self._delimiter = inbound.delimiter
        self._started = issue.started_at or issue.approved_at or issue.created_at
        self._date = header_line("Date", self._dated(self._started))
        boundary = "=_" + hashlib.sha256(f"{edition.html}\0{edition.text}".encode()).hexdigest()[:32]
        head = {name: value for name, value in edition.headers.items() if name not in _PERSONAL}
        self._from = header_line("From", head.pop("From"))
        common = {"Subject": edition.subject, **head, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                  "MIME-Version": "1.0"}
        self._common = b"".join(header_line(name, value) for name, value in common.items())
        self._common += f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'.encode()
        self._text, self._html = Part(edition.text, str), Part(edition.html, str if _is_plain(settings.site.url) else html.escape)
        opening = f"--{boundary}\r\nContent-Type: text/{{}}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        self._open = opening.format("plain").encode() + self._text.prefix
        self._middle = opening.format("html").encode() + self._html.prefix
        self._close = f"--{boundary}--\r\n".encode()
        self._signer, self._shared = signer_of(settings, self._domain), hashlib.sha256(self._open)

    def to(self, subscriber_id: int, address: str, first_tried_at: datetime | None = None, *, signed: bool = True) -> Mail:
        """The mail of one reader, the same bytes each time it is asked for. Raises BadHeader for an address no mail can carry.

        `first_tried_at` is when it was tried first, which stays what it is when it is tried again. Without `signed` it carries no signature of ours.
        """
        plain = _PLAIN_ADDRESS.fullmatch(address) is not None
        recipient = address if plain else route(address)
        values = self.links(subscriber_id)
        to = f"To: {recipient}\r\n".encode() if plain else header_line("To", recipient)
        waited = first_tried_at is not None and first_tried_at - self._started > _SAME_DATE
        date = header_line("Date", self._dated(first_tried_at)) if waited and first_tried_at is not None else self._date
        own = f"Message-ID: <{self._messages.token(subscriber_id)}@{self._domain}>\r\n" + self._unsubscribe(values["leave_url"])
        headers = b"".join((self._from, to, date, own.encode("ascii"), self._common))
        rest = b"".join((self._text.tail(values), self._middle, self._html.tail(values), self._close))
        # All lines begin with a name, a blank, a letter of base64 or the boundary: with a dot none.
        parts = (headers, b"\r\n", self._open, rest)
        if self._signer is not None and signed:
            parts = (self._signer.sign(headers, body_hash(self._shared, rest)), *parts)  # type: ignore[assignment]
        return Mail(self._envelope_sender(subscriber_id), recipient, b"".join(parts), is_plain=True)

    def links(self, subscriber_id: int) -> dict[str, str]:
        """What stands in the slots of one reader."""
        site = self._settings.site.url
        return {"leave_url": leave_url(site, self._leaves.token(subscriber_id)),
                "preferences_url": preferences_url(site, self._preferences.token(subscriber_id))}

    def _dated(self, moment: datetime) -> str:
        return format_datetime(moment.astimezone(ZoneInfo(self._settings.site.timezone)))

    def _unsubscribe(self, leave: str) -> str:
        """One address of the web first (RFC 8058 section 3.1), then one for programs that only know mail. Folded between them, never inside."""
        if not self._leave_by_mail:
            return f"List-Unsubscribe: <{leave}>\r\n"
        token = leave.rpartition("/")[2]
        return f"List-Unsubscribe: <{leave}>,\r\n <mailto:u{self._delimiter}{token}@{self._leave_by_mail}?subject=unsubscribe>\r\n"

    def _envelope_sender(self, subscriber_id: int) -> str:
        if not self._bounces:
            return self._sender
        return f"b{self._delimiter}{self._bounced.token(subscriber_id)}@{self._bounces}"


def load_mailing(session: Session, settings: Settings, keys: Keys, issue_id: int, edition_id: int | None = None) -> Mailing:
    """The mailing of one edition of a composed issue, of the one for everybody unless another is named.

    Raises PublisherError when there is none, or when its newsletter is gone from publisher.toml.
    """
    issue = session.get(Issue, issue_id)
    editions = select(Edition).where(Edition.issue_id == issue_id).order_by(Edition.id)
    edition = session.scalars(editions if edition_id is None else editions.where(Edition.id == edition_id)).first()
    if issue is None or edition is None:
        raise PublisherError(_("issue %(id)s is not composed yet", id=issue_id), remedy=_("go on with: publisher issues resume %(id)s", id=issue_id))
    signing = session.get(Installation, signing_row(issue_id))
    return Mailing(edition, issue, list_of(session, settings, issue), settings, keys.signing_as(signing.value) if signing else keys)


class Mailings:
    """The mailings of an issue by the ids of their editions: each is made when its first reader comes, and kept.

    `are_signed`: a mail costs a signature, so that it is worth to write several at once.
    """

    def __init__(self, database: Database, settings: Settings, keys: Keys, issue_id: int) -> None:
        self._database, self._settings, self._keys, self._issue_id = database, settings, keys, issue_id
        self._made: dict[int, Mailing] = {}
        self.are_signed = settings.dkim.selector is not None

    def prepare(self, edition_ids: Iterable[int]) -> None:
        """Make those that are not made yet. Raises PublisherError for an edition that is not there."""
        absent = sorted(set(edition_ids) - set(self._made))
        for edition_id in absent:
            with self._database.reading() as session:
                made = load_mailing(session, self._settings, self._keys, self._issue_id, edition_id)
            self._made[edition_id] = made

    def of(self, edition_id: int) -> Mailing:
        """One that was prepared; any thread may ask."""
        return self._made[edition_id]


def signing_row(issue_id: int) -> str:
    """Where it stands by which key an issue is signed: a mail that is tried again after a rotation must be the same mail."""
    return f"issue-key:{issue_id}"


def list_of(session: Session, settings: Settings, issue: Issue) -> int:
    """The id of the list that receives the issue. Raises PublisherError when publisher.toml no longer names the newsletter."""
    return list_id_of(session, newsletter_of(session, settings, issue))


@dataclass(frozen=True, slots=True)
class Preview:
    """What one reader gets: the mail as bytes, its edition, and the links in its slots."""

    eml: bytes
    edition_id: int | None
    links: dict[str, str]


def preview(database: Database, settings: Settings, keys: Keys, issue_id: int, address: str) -> Preview:
    """Exactly what the reader of `address` gets; an address nobody has gets links that lead nowhere. Raises PublisherError."""
    try:
        reader = parse_address(address)
    except NotAnAddress as error:
        raise PublisherError(f"{address}: {_(str(error))}") from None
    with database.reading() as session:
        known = session.execute(select(Subscriber.id, Subscriber.address).where(Subscriber.address_key == reader.key)).one_or_none()
        subscriber_id, typed = known or (0, reader.typed)
        issue = session.get(Issue, issue_id)
        edition_id = edition_of(session, settings, issue, subscriber_id) if issue is not None and known else None
        mailing = load_mailing(session, settings, keys, issue_id, edition_id)
        tried = session.scalar(select(Delivery.first_tried_at).where(Delivery.issue_id == issue_id, Delivery.subscriber_id == subscriber_id))
    return Preview(mailing.to(subscriber_id, typed, tried).data, edition_id, mailing.links(subscriber_id))


def preview_eml(database: Database, settings: Settings, keys: Keys, issue_id: int, address: str) -> bytes:
    """The mail alone."""
    return preview(database, settings, keys, issue_id, address).eml
