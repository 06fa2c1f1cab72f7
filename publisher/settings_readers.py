"""The parts of publisher.toml that are about readers: lists, sign-up, mail that comes in, provider hooks, retention."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from publisher.settings_values import Domain, Line, LongSpan, Mailbox, MailDoor, MailFolder, Name, Section, WebAddress


class ReaderList(Section):
    """A list that readers join. Single opt-in is for lists that prove consent otherwise."""

    name: Name
    title: Line | None = None
    description: Line = ""
    opt_in: Literal["double", "single"] = "double"
    public: bool = True
    owner: Mailbox | None = None


class Signup(Section):
    """How readers may sign up. The limits are requests an hour: from one network address, for one mail domain, in all."""

    confirm_within: LongSpan = timedelta(days=3)
    per_client: int = Field(default=20, ge=1)
    per_domain: int = Field(default=500, ge=1)
    in_all: int = Field(default=3000, ge=1)
    refused_domains: str | None = None
    terms: WebAddress | None = None
    privacy: WebAddress | None = None


class Inbound(Section):
    """Mail that comes in: `listen` behind the newsroom's own server, or `imap` polled. `domain` is that of LIST-subscribe@ and its siblings."""

    domain: Domain | None = None
    listen: MailDoor | None = None
    imap: MailFolder | None = None
    done_folder: Line = "Publisher"
    poll: LongSpan = timedelta(minutes=1)
    delimiter: Literal["+", "-", "="] = "+"
    largest: int = Field(default=1_000_000, ge=10_000)
    authenticated_by: tuple[Line, ...] = ()


class Hooks(Section):
    """Events that providers send to /hooks/PROVIDER. Secrets come from the environment; a provider without its secret is closed."""

    ses_topics: tuple[Line, ...] = ()


class Retention(Section):
    """How long what is known of people is kept; the service applies it once a day."""

    unconfirmed: LongSpan = timedelta(days=30)
    consent: LongSpan = timedelta(days=3 * 365)
    events: LongSpan = timedelta(days=400)
    notices: LongSpan = timedelta(days=30)
