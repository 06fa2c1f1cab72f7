"""Mail that comes in, for tests: a newsroom that takes it, mails as people and machines write them, and what became of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import select

from publisher.db import Database
from publisher.links import confirm_token, leave_token
from publisher.models_mail import Notice, Received
from publisher.settings import Settings
from publisher.track.inbound import Envelope, handle
from subscribers.addresses import parse_address
from subscribers.models import Subscriber
from tests.mailing import Clock
from tests.readers import HANAKO, KEYS, ids_of, join, lists

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DOMAIN = "lists.example.jp"
SUBSCRIBE, UNSUBSCRIBE, HELP, REQUEST, OWNER = (f"daily-{what}@{DOMAIN}" for what in ("subscribe", "unsubscribe", "help", "request", "owner"))


def inbound_settings(root: Path | None = None, *, site: dict[str, Any] | None = None, mail: dict[str, Any] | None = None,
                     names: tuple[dict[str, Any], ...] = ({"name": "daily"}, {"name": "weekly"}), **inbound: Any) -> Settings:
    """The settings of a newsroom that takes mail in at lists.example.jp."""
    made = Settings.model_validate({
        "site": {"name": "Example Morning", "url": "https://news.example.jp", "language": "en", "postal_address": "1-1 Example, Tokyo",
                 "contact": "desk@news.example.jp"} | (site or {}),
        "mail": {"sender": "Example Morning <news@news.example.jp>"} | (mail or {}),
        "inbound": {"domain": DOMAIN, "listen": "lmtp://127.0.0.1:8024"} | inbound,
        "lists": list(names), "newsletters": [{"name": "morning", "list": "daily"}]})
    if root:
        object.__setattr__(made, "_root", root)
    return made


def written(sender: str = HANAKO, subject: str = "", body: str = "", **headers: str) -> bytes:
    """A mail as a person's program writes it; `in_reply_to` becomes the header In-Reply-To."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = SUBSCRIBE
    mail["Subject"] = subject
    mail["Message-ID"] = headers.pop("message_id", "<1@example.jp>")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(body)
    return mail.as_bytes()


@dataclass
class Inbox:
    """A newsroom's address book of lists, and everything that was brought to it."""

    database: Database
    settings: Settings = field(default_factory=inbound_settings)
    clock: Clock = field(default_factory=lambda: Clock(NOW))

    def __post_init__(self) -> None:
        lists(self.database, *(entry.name for entry in self.settings.lists))

    def bring(self, recipient: str, data: bytes, sender: str | None = HANAKO) -> str:
        """Hand a mail over; what became of it."""
        return handle(self.database, self.settings, KEYS, Envelope(sender, recipient), data, self.clock()).outcome

    def notices(self) -> list[Notice]:
        """Every mail that was asked for, in order."""
        with self.database.reading() as session:
            return list(session.scalars(select(Notice).order_by(Notice.id)))

    def kinds(self) -> list[str]:
        """Their kinds."""
        return [notice.kind for notice in self.notices()]

    def addressee(self, notice: Notice) -> str | None:
        """Whom it goes to."""
        with self.database.reading() as session:
            return session.scalar(select(Subscriber.address).where(Subscriber.id == notice.subscriber_id))

    def received(self) -> list[str]:
        """What is noted of every mail."""
        with self.database.reading() as session:
            return list(session.scalars(select(Received.outcome).order_by(Received.at)))

    def people(self) -> list[str]:
        """Every address that is stored."""
        with self.database.reading() as session:
            return list(session.scalars(select(Subscriber.address).order_by(Subscriber.id)))

    def confirm_address(self, list_name: str = "daily") -> str:
        """The address in the Reply-To of the last confirmation."""
        notice = [one for one in self.notices() if one.kind == "confirm"][-1]
        return f"{list_name}-confirm+{confirm_token(KEYS, notice.request_id or 0, notice.subscriber_id or 0)}@{DOMAIN}"

    def reader(self, address: str = HANAKO, list_name: str = "daily") -> str:
        """Somebody is on the list; the address by which they leave it."""
        join(self.database, address, list_name)
        return f"u+{leave_token(KEYS, *ids_of(self.database, address, list_name), 7)}@{DOMAIN}"

    def person_id(self, address: str) -> int:
        """The id of somebody known."""
        with self.database.reading() as session:
            return session.scalars(select(Subscriber.id).where(Subscriber.address_key == parse_address(address).key)).one()
