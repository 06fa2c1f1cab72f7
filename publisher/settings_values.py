"""The kinds of values that publisher.toml may hold; a wrong one becomes a Fault that says what it should look like."""

import ipaddress
import re
from datetime import timedelta
from email.utils import getaddresses
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from publisher.clock import parse_span
from publisher.cron import parse_cron
from publisher.i18n import N_


class Fault(ValueError):
    """A wrong value; the text is a catalogue message, so that the person reads it in their language."""


class Section(BaseModel):
    """A part of publisher.toml: unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _database(value: str) -> str:
    if not re.match(r"sqlite:///.|postgresql(?:\+psycopg)?://.", value):
        raise Fault(N_("is not a database such as \"sqlite:///publisher.db\" or \"postgresql+psycopg://user@host/name\""))
    return value


def _span(value: object) -> object:
    # A bare number would be read as seconds, and who writes grace = 2 means hours.
    if isinstance(value, timedelta):
        return value
    try:
        return parse_span(value if isinstance(value, str) else "")
    except ValueError:
        raise Fault(N_("is not a span of time such as \"30m\", \"24h\" or \"3d\"")) from None


def _window(value: object) -> object:
    if value == "since-last":
        return value
    try:
        return _span(value)
    except Fault:
        raise Fault(N_("is neither \"since-last\" nor a span of time such as \"24h\"")) from None


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise Fault(N_("is not a time zone such as \"Asia/Tokyo\"")) from None
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", value):
        raise Fault(N_("is not a name: use letters, digits, - and _, at most 63"))
    return value


def _colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", value):
        raise Fault(N_("is not a colour such as \"#B5341A\""))
    return value


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  (an impossible port is found here only)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s<>\"]", value):
        raise Fault(N_("is not a web address that begins with https:// or http://"))
    if parts.password:
        raise Fault(N_("holds a password, and this file is no place for one"))
    return parts


def _web_address(value: str) -> str:
    _split(value)
    return value


def _base_address(value: str) -> str:
    parts = _split(value)
    if parts.query or parts.fragment:
        raise Fault(N_("has a ? or # part, and addresses of pages are made by adding to it"))
    return value.rstrip("/")


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536) or not re.fullmatch(r"\[[0-9A-Fa-f:]+\]|[\w.-]*", host, re.ASCII):
        raise Fault(N_("is not an address to listen at such as \"127.0.0.1:8000\""))
    return value


def _domain(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", value):
        raise Fault(N_("is not a domain such as \"bounces.example.jp\""))
    return value.lower()


def _door(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if scheme not in ("lmtp", "smtp") or not separator:
        raise Fault(N_("is not a place to receive mail at such as \"lmtp://127.0.0.1:8024\""))
    _listen(rest)
    return value


def _mail_folder(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("imap", "imap+starttls", "imaps") or not parts.hostname or not parts.username:
        raise Fault(N_("is not a mailbox such as \"imaps://user@imap.example.jp/INBOX\""))
    if parts.password:
        raise Fault(N_("holds a password, and this file is no place for one"))
    return value


def _cron(value: str) -> str:
    try:
        parse_cron(value)
    except ValueError:
        raise Fault(N_("is not a timetable of five cron fields such as \"0 7 * * mon-fri\"")) from None
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise Fault(N_("is not a network such as \"10.0.0.0/8\"")) from None
    return value


def _one_line(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", value):
        raise Fault(N_("holds a line break or a control character"))
    return value


def _mailbox(value: str) -> str:
    found = getaddresses([_one_line(value)])
    address = found[0][1] if len(found) == 1 else ""
    if not re.fullmatch(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+", address):
        raise Fault(N_("is not a mail address such as \"Name <news@example.jp>\""))
    return value


Span = Annotated[timedelta, BeforeValidator(_span)]
LongSpan = Annotated[Span, Field(gt=timedelta(0))]
Window = BeforeValidator(_window)
Name = Annotated[str, AfterValidator(_name)]
Line = Annotated[str, AfterValidator(_one_line)]
DatabaseAddress = Annotated[str, AfterValidator(_database)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
BaseAddress = Annotated[str, AfterValidator(_base_address)]
Colour = Annotated[str, AfterValidator(_colour)]
Zone = Annotated[str, AfterValidator(_zone)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Timetable = Annotated[str, AfterValidator(_cron)]
Network = Annotated[str, AfterValidator(_network)]
Listen = Annotated[str, AfterValidator(_listen)]
Domain = Annotated[str, AfterValidator(_domain)]
MailDoor = Annotated[str, AfterValidator(_door)]
MailFolder = Annotated[str, AfterValidator(_mail_folder)]
