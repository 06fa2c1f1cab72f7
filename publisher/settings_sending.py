"""The parts of publisher.toml that are about sending: the relays, what each may be given and when, the signature."""

import ipaddress
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, model_validator

from publisher.i18n import N_
from publisher.settings_values import BaseAddress, Domain, Fault, Line, LongSpan, Mailbox, Name, Section

# Providers whose API is a relay: what stands behind :// is the region, the sending domain, or the message stream.
PROVIDERS = ("ses", "mailgun", "postmark")
SINGLE = "mail"  # the name of the one relay of `mail.relay`


class Relay(Section):
    """One SMTP server. `security` is `none`, `starttls` or `tls`; the password comes from the environment."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str | None = None

    @classmethod
    def parse(cls, url: str) -> "Relay":
        """The relay of an address such as `smtp://HOST:25`, `smtp+starttls://USER@HOST:587` or `smtps://USER@HOST:465`. Raises Fault."""
        schemes: dict[str, tuple[Literal["none", "starttls", "tls"], int]] = {
            "smtp": ("none", 25), "smtp+starttls": ("starttls", 587), "smtps": ("tls", 465)}
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Fault(N_("is not a relay such as \"smtp+starttls://user@host:587\"")) from None
        if parts.scheme not in schemes or not parts.hostname or parts.path.strip("/") or parts.query:
            raise Fault(N_("is not a relay such as \"smtp+starttls://user@host:587\""))
        if parts.password:
            raise Fault(N_("holds a password: put it into PUBLISHER_RELAY_PASSWORD instead"))
        security, default = schemes[parts.scheme]
        return cls(host=parts.hostname, port=port or default, security=security, user=unquote(parts.username) if parts.username else None)

    @property
    def is_loopback(self) -> bool:
        """Whether mail given to this relay stays on this machine."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _relay(value: str) -> str:
    Relay.parse(value)
    return value


def _any_relay(value: str) -> str:
    scheme, _separator, rest = value.partition("://")
    if scheme not in PROVIDERS:
        return _relay(value)
    if not rest or "@" in rest or "/" in rest:
        raise Fault(N_("is not a provider such as \"ses://eu-west-1\", \"mailgun://mg.example.jp\" or \"postmark://broadcast\""))
    return value


class Mail(Section):
    """The relay and the sender. Every further relay is an entry of its own, and then `relay` is not used."""

    relay: Annotated[str, AfterValidator(_relay)] = "smtp://127.0.0.1:25"
    sender: Mailbox
    connections: int = Field(default=4, ge=1, le=64)
    processes: int = Field(default=1, ge=1, le=32)
    slice_size: int = Field(default=10_000, ge=1)
    reply_to: Mailbox | None = None
    bounce_domain: Domain | None = None
    sender_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{5,15}$")] | None = None
    timeout: LongSpan = timedelta(seconds=60)
    retry_for: LongSpan = timedelta(hours=24)
    operator: Mailbox | None = None


class RelayEntry(Section):
    """One relay of several. Without `domains` and `newsletters` it is for all of them; `weight` shares out what several may carry."""

    name: Name
    url: Annotated[str, AfterValidator(_any_relay)]
    weight: int = Field(default=1, ge=0)
    domains: tuple[Domain, ...] = ()
    newsletters: tuple[Name, ...] = ()
    connections: int = Field(default=4, ge=1, le=64)
    per_second: float | None = Field(default=None, gt=0)
    per_connection: int | None = Field(default=None, ge=1)
    warm_up: bool = True
    endpoint: BaseAddress | None = None

    @property
    def kind(self) -> str:
        """`smtp`, or the provider whose API it is."""
        scheme = self.url.partition("://")[0]
        return scheme if scheme in PROVIDERS else "smtp"

    @property
    def place(self) -> str:
        """What stands behind the provider's name: region, domain or stream."""
        return self.url.partition("://")[2]


class Limit(Section):
    """What the readers of some domains may be sent: mails a second, and mails on the wire at once, over all relays.

    `domains` names recipient domains, `mx` the hosts that take their mail (`*.google.com`), because some count by host and not by domain.
    """

    name: Name
    domains: tuple[Domain, ...] = ()
    mx: tuple[Line, ...] = ()
    per_second: float | None = Field(default=None, gt=0)
    connections: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Self:
        if not self.domains and not self.mx:
            raise Fault(N_("needs domains or mx, so that it is for somebody"))
        return self


class WarmUp(Section):
    """A relay without history is given more each day: `start` mails on the first, `growth` times as many on each day it is used, up to `ceiling`."""

    start: int = Field(default=500, ge=1)
    growth: float = Field(default=2.0, ge=1)
    ceiling: int = Field(default=50_000, ge=1)


class Dkim(Section):
    """The signature of the newsroom's own domain (RFC 6376); without `selector` mails leave unsigned, and the relay signs."""

    selector: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")] | None = None
    domain: Domain | None = None
    key_file: Line = "state/dkim.pem"
