"""publisher.toml and the environment, validated once; nothing else reads either.

Unknown keys are errors with a suggestion, because a misspelt `max_stories` must not be silently ignored.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from publisher.i18n import N_
from publisher.settings_readers import Hooks, Inbound, ReaderList, Retention, Signup
from publisher.settings_sending import SINGLE, Dkim, Limit, Mail, RelayEntry, WarmUp, is_loopback
from publisher.settings_values import (
    BaseAddress,
    Colour,
    DatabaseAddress,
    Fault,
    Line,
    Listen,
    LongSpan,
    Name,
    Network,
    Section,
    Span,
    Timetable,
    WebAddress,
    Window,
    Zone,
)


class Site(Section):
    """Who speaks: the newsroom and what the law wants under every mail."""

    name: Line = ""
    url: BaseAddress
    language: Literal["ja", "en"] = "ja"
    timezone: Zone = "Asia/Tokyo"
    postal_address: Line = ""
    contact: Line = ""
    logo: WebAddress | None = None
    logo_alt: Line = ""
    accent: Colour = "#B5341A"
    accent_dark: Colour = "#FF8A6B"


class DatabaseSettings(Section):
    """Where everything is kept."""

    url: DatabaseAddress = "sqlite:///publisher.db"


class Web(Section):
    """Where the service listens; by default at the host and port of `site.url` when that is loopback.

    `client_header` is believed only when the peer is one of `trusted_proxies`.
    """

    listen: Listen | None = None
    trusted_proxies: tuple[Network, ...] = ()
    client_header: Line = "X-Forwarded-For"
    embed_origins: tuple[BaseAddress, ...] = ()


class Fetch(Section):
    """What may be fetched. Private networks are closed unless they are listed."""

    allow: tuple[Network, ...] = ()
    timeout: LongSpan = timedelta(seconds=20)
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
    poll: LongSpan = timedelta(minutes=10)

    @model_validator(mode="after")
    def _has_its_place(self) -> Self:
        if self.kind == "folder" and not self.path:
            raise Fault(N_("needs path, because it is a folder"))
        if self.kind != "folder" and not self.url:
            raise Fault(N_("needs url, because it is a feed or a page"))
        return self

    @property
    def effective_rights(self) -> str:
        """`own` for folders and `summary` for what others wrote, unless the source says otherwise."""
        return self.rights or ("own" if self.kind == "folder" else "summary")


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
    timetable: Timetable | None = None
    timezone: Zone | None = None
    language: Literal["ja", "en"] | None = None
    window: Annotated[Literal["since-last"] | timedelta, Window] = "since-last"
    first_window: LongSpan = timedelta(days=7)
    carry_over: Span = timedelta(days=3)
    sections: tuple[Annotated[NewsletterSection, BeforeValidator(_section)], ...] = ()
    only_sections: bool = False
    tags: tuple[Line, ...] = ()
    without_tags: tuple[Line, ...] = ()
    languages: tuple[Line, ...] = ()
    max_stories: int = Field(default=12, ge=1, le=200)
    min_stories: int = Field(default=3, ge=1)
    grace: Span = timedelta(hours=2)
    approval: Literal["auto", "required"] = "auto"
    rhythms: tuple[Literal["each", "daily", "weekly"], ...] = ("each", "daily", "weekly")
    daily_digest: Timetable = "0 18 * * *"
    weekly_digest: Timetable = "0 9 * * sun"
    bounce_limit: float = Field(default=0.05, gt=0, le=1)
    complaint_limit: float = Field(default=0.003, gt=0, le=1)
    canary: int = Field(default=0, ge=0)
    canary_wait: LongSpan = timedelta(minutes=30)
    on_unknown: Literal["resend", "hold"] = "resend"

    @property
    def resends(self) -> bool:
        """Whether a mail whose answer was lost is sent again."""
        return self.on_unknown == "resend"

    @model_validator(mode="after")
    def _least_is_not_over_most(self) -> Self:
        if self.min_stories > self.max_stories:
            raise Fault(N_("has a min_stories over its max_stories"))
        return self


class Account(Section):
    """One social account on one network."""

    name: Name
    kind: Literal["outbox", "x"]
    newsletter: Name
    max_posts: int = Field(default=3, ge=0, le=100)
    posts: Literal["stories", "issue", "both"] = "stories"
    language: Literal["ja", "en"] | None = None
    oauth: Literal["1.0a", "2.0"] = "1.0a"
    api: BaseAddress | None = None
    network: Line | None = None


class Settings(Section):
    """Everything publisher.toml may say."""

    site: Site
    database: DatabaseSettings = DatabaseSettings()
    web: Web = Web()
    mail: Mail
    relays: tuple[RelayEntry, ...] = ()
    limits: tuple[Limit, ...] = ()
    warm_up: WarmUp = WarmUp()
    dkim: Dkim = Dkim()
    fetch: Fetch = Fetch()
    paths: Paths = Paths()
    sources: tuple[Source, ...] = ()
    lists: tuple[ReaderList, ...] = ()
    newsletters: tuple[Newsletter, ...] = ()
    accounts: tuple[Account, ...] = ()
    signup: Signup = Signup()
    inbound: Inbound = Inbound()
    hooks: Hooks = Hooks()
    retention: Retention = Retention()

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

    def reader_list(self, name: str) -> ReaderList | None:
        """The list called `name`."""
        return next((entry for entry in self.lists if entry.name == name), None)

    def newsletters_of(self, list_name: str) -> list[Newsletter]:
        """The newsletters that the readers of a list get."""
        return [entry for entry in self.newsletters if entry.list == list_name]

    def all_relays(self) -> tuple[RelayEntry, ...]:
        """Every relay: the entries of `relays`, else the one of `mail.relay`."""
        return self.relays or (RelayEntry(name=SINGLE, url=self.mail.relay, connections=self.mail.connections),)

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
            # RFC 6761 section 6.3: names under localhost are this machine, but few resolvers know it.
            host = parts.hostname or ""
            return "127.0.0.1" if host.endswith(".localhost") else host, parts.port or (443 if parts.scheme == "https" else 80)
        return None
