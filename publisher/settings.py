"""publisher.toml and the environment, validated once; nothing else reads either.

Unknown keys are errors with a suggestion, because a misspelt `max_stories` must not be silently ignored.
"""

import ipaddress
import re
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from publisher.clock import parse_span
from publisher.cron import parse_cron
from publisher.i18n import LANGUAGES, N_


class Fault(ValueError):
    """A wrong value; the text is a catalogue message, so that the person reads it in their language."""


def _span(value: object) -> object:
    if isinstance(value, str):
        try:
            return parse_span(value)
        except ValueError:
            raise Fault(N_("is not a span of time such as \"30m\", \"24h\" or \"3d\"")) from None
    return value


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


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Fault(N_("is not a web address that begins with https:// or http://"))
    return value.rstrip("/")


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
    name, address = parseaddr(_one_line(value))
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address):
        raise Fault(N_("is not a mail address such as \"Name <news@example.jp>\""))
    return value


Span = Annotated[timedelta, BeforeValidator(_span)]
Name = Annotated[str, AfterValidator(_name)]
Line = Annotated[str, AfterValidator(_one_line)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Colour = Annotated[str, AfterValidator(_colour)]


class Section(BaseModel):
    """A part of publisher.toml: unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Site(Section):
    """Who speaks: the newsroom and what the law wants under every mail."""

    name: Line = ""
    url: WebAddress
    language: Literal["ja", "en"] = "ja"
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Tokyo"
    postal_address: Line = ""
    contact: Line = ""
    logo: WebAddress | None = None
    logo_alt: Line = ""
    accent: Colour = "#B5341A"
    accent_dark: Colour = "#FF8A6B"


class DatabaseSettings(Section):
    """Where everything is kept."""

    url: str = "sqlite:///publisher.db"


class Web(Section):
    """Where the service listens; by default at the host and port of `site.url` when that is loopback."""

    listen: str | None = None


class Mail(Section):
    """The relay and the sender."""

    relay: str = "smtp://127.0.0.1:25"
    sender: Annotated[str, AfterValidator(_mailbox)]
    connections: int = Field(4, ge=1, le=64)
    reply_to: Annotated[str, AfterValidator(_mailbox)] | None = None
    bounce_domain: Line | None = None
    sender_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{5,15}$")] | None = None
    timeout: Span = timedelta(seconds=60)
    retry_for: Span = timedelta(hours=24)

    @model_validator(mode="after")
    def _relay_is_usable(self) -> Self:
        Relay.parse(self.relay)
        return self


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
        if parts.scheme not in schemes or not parts.hostname:
            raise Fault(N_("is not a relay such as \"smtp+starttls://user@host:587\""))
        if parts.password:
            raise Fault(N_("holds a password: put it into PUBLISHER_RELAY_PASSWORD instead"))
        security, default = schemes[parts.scheme]
        return cls(host=parts.hostname, port=port or default, security=security, user=unquote(parts.username) if parts.username else None)

    @property
    def is_loopback(self) -> bool:
        """Whether mail given to this relay stays on this machine."""
        return is_loopback(self.host)


class Fetch(Section):
    """What may be fetched. Private networks are closed unless they are listed."""

    allow: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    timeout: Span = timedelta(seconds=20)
    user_agent: Line | None = None


class Paths(Section):
    """Folders, relative to publisher.toml."""

    templates: str | None = None
    state: str = "state"
    outbox: str = "outbox"


class Source(Section):
    """Where stories come from."""

    name: Name
    kind: Literal["folder", "feed", "page"]
    path: str | None = None
    url: WebAddress | None = None
    curated: bool = False
    rights: Literal["own", "summary"] | None = None
    section: Line | None = None
    language: Line | None = None
    weight: float = 0.0
    poll: Span = timedelta(minutes=10)

    @model_validator(mode="after")
    def _has_its_place(self) -> Self:
        if self.kind == "folder" and not self.path:
            raise Fault(N_("a folder source needs path"))
        if self.kind != "folder" and not self.url:
            raise Fault(N_("a feed or page source needs url"))
        return self

    @property
    def effective_rights(self) -> str:
        """`own` for folders and `summary` for what others wrote, unless the source says otherwise."""
        return self.rights or ("own" if self.kind == "folder" else "summary")


class ReaderList(Section):
    """A list that readers join."""

    name: Name
    title: Line | None = None


class NewsletterSection(Section):
    """A section of a newsletter in its order, with an optional quota of stories."""

    name: Line
    max: int | None = Field(None, ge=0)


def _section(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class Newsletter(Section):
    """A recurring publication: its list, timetable and picking rules."""

    name: Name
    list: Name
    title: Line | None = None
    timetable: Annotated[str, AfterValidator(_cron)] | None = None
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    language: Literal["ja", "en"] | None = None
    window: Literal["since-last"] | Span = "since-last"
    first_window: Span = timedelta(days=7)
    carry_over: Span = timedelta(days=3)
    sections: tuple[Annotated[NewsletterSection, BeforeValidator(_section)], ...] = ()
    only_sections: bool = False
    tags: tuple[Line, ...] = ()
    without_tags: tuple[Line, ...] = ()
    languages: tuple[Line, ...] = ()
    max_stories: int = Field(12, ge=1, le=200)
    min_stories: int = Field(3, ge=1)
    grace: Span = timedelta(hours=2)
    approval: Literal["auto", "required"] = "auto"

    @model_validator(mode="after")
    def _least_is_not_over_most(self) -> Self:
        if self.min_stories > self.max_stories:
            raise Fault(N_("min_stories is over max_stories"))
        return self


class Account(Section):
    """One social account on one network."""

    name: Name
    kind: Literal["outbox", "x"]
    newsletter: Name
    max_posts: int = Field(3, ge=0, le=100)
    posts: Literal["stories", "issue", "both"] = "stories"
    language: Literal["ja", "en"] | None = None
    oauth: Literal["1.0a", "2.0"] = "1.0a"
    api: WebAddress | None = None
    network: Line | None = None


class Settings(Section):
    """Everything publisher.toml may say."""

    site: Site
    database: DatabaseSettings = DatabaseSettings()
    web: Web = Web()
    mail: Mail
    fetch: Fetch = Fetch()
    paths: Paths = Paths()
    sources: tuple[Source, ...] = ()
    lists: tuple[ReaderList, ...] = ()
    newsletters: tuple[Newsletter, ...] = ()
    accounts: tuple[Account, ...] = ()

    _root: Path = Path(".")
    _fingerprint: str = ""

    @property
    def root(self) -> Path:
        """The folder of publisher.toml: paths in it are relative to this one."""
        return self._root

    @property
    def fingerprint(self) -> str:
        """A hash of the file: machines that share a database must share the file."""
        return self._fingerprint

    def place(self, path: str) -> Path:
        """`path` of the file, relative to the folder of publisher.toml."""
        return (self._root / path).resolve()

    @property
    def database_url(self) -> str:
        """The database address, with a relative SQLite path taken from the folder of publisher.toml."""
        url = self.database.url
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            return f"sqlite:///{self.place(url.removeprefix('sqlite:///'))}"
        return url

    def newsletter(self, name: str) -> Newsletter | None:
        """The newsletter called `name`."""
        return next((entry for entry in self.newsletters if entry.name == name), None)

    def zone_of(self, newsletter: Newsletter) -> str:
        """The zone in which the newsletter's day is decided."""
        return newsletter.timezone or self.site.timezone

    def language_of(self, newsletter: Newsletter) -> str:
        """The language of the newsletter's own words."""
        return newsletter.language or self.site.language

    def listen(self) -> tuple[str, int] | None:
        """Host and port of the service: `web.listen`, else those of a loopback `site.url`, else None."""
        if self.web.listen:
            host, _, port = self.web.listen.rpartition(":")
            return host.strip("[]") or "127.0.0.1", int(port)
        parts = urlsplit(self.site.url)
        if is_loopback(parts.hostname or ""):
            return parts.hostname or "127.0.0.1", parts.port or 80
        return None


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


__all__ = ["LANGUAGES", "Account", "Fault", "Mail", "Newsletter", "ReaderList", "Relay", "Settings", "Site", "Source"]
