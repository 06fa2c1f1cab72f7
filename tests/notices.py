"""A newsroom that writes to people between its issues, for tests of notices."""

import email
import email.policy
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import select

from publisher.compose.notice import Letters
from publisher.db import Database
from publisher.deliver.notices import NoticeCounts, send_notices
from publisher.models_mail import Notice
from publisher.notices import write_alert, write_notice
from publisher.settings import Settings
from subscribers.models import SignupRequest, Subscriber
from tests.composing import settings as usual_settings
from tests.mailing import Clock
from tests.readers import KEYS, ids_of, join, lists

INBOUND = {"listen": "lmtp://127.0.0.1:8024", "domain": "lists.example.jp"}
ALERT = {"number": 12, "newsletter": "morning", "share": "6.2 %", "limit": "5 %", "issue_id": 7}
KINDS = ("confirm", "already", "welcome", "goodbye", "leave", "help", "alert")


def settings(*, inbound: dict[str, Any] | None = None, daily: dict[str, Any] | None = None, root: Path | None = None, **more: Any) -> Settings:
    """The usual newsroom, with a list `daily` that is described, and a second list."""
    made = usual_settings(**more)
    made = Settings.model_validate(made.model_dump() | {
        "lists": [{"name": "daily", "title": "朝のAI", "description": "毎朝五分で読める。"} | (daily or {}), {"name": "weekly", "title": "週刊AI"}],
        "newsletters": [{"name": "morning", "list": "daily", "timetable": "0 7 * * mon-fri"}], "inbound": inbound or {}})
    if root:
        object.__setattr__(made, "_root", root)
    return made


@dataclass
class NoticeRoom:
    """Hanako and whoever else joined, and the mails to them."""

    database: Database
    settings: Settings
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        lists(self.database, "daily", "weekly")

    def reader(self, address: str, list_name: str = "daily") -> int:
        """Somebody who is on the list."""
        join(self.database, address, list_name)
        return ids_of(self.database, address, list_name)[1]

    def request(self, subscriber_id: int, *list_ids: int, **more: Any) -> int:
        """Somebody asks to join."""
        with self.database.writing() as session:
            row = SignupRequest(**({"subscriber_id": subscriber_id, "list_ids": list(list_ids) or [1], "door": "web", "language": "ja", "domain_hash": "x",
                                    "mailed": True, "created_at": self.clock(), "expires_at": self.clock() + timedelta(days=3)} | more))
            session.add(row)
            session.flush()
            return row.id

    def write(self, kind: str, subscriber_id: int, language: str = "ja", **more: Any) -> int:
        """A notice about the list `daily`, unless told otherwise."""
        if kind == "confirm" and "request_id" not in more:
            more["request_id"] = self.request(subscriber_id)
        with self.database.writing() as session:
            if kind == "alert":
                return write_alert(session, more.pop("code", "bounces_high"), {**ALERT, **more}, language, self.clock())
            return write_notice(session, kind, subscriber_id, language, self.clock(), **({"list_id": 1} | more))

    def letter(self, notice_id: int) -> Any:
        """The notice, rendered."""
        with self.database.reading() as session:
            return Letters(self.settings)(session, session.get_one(Notice, notice_id))

    def send(self, **more: Any) -> NoticeCounts:
        """Send what is due."""
        return send_notices(self.database, self.settings, KEYS, Letters(self.settings), clock=self.clock, **({"secrets": {}} | more))

    def row(self, notice_id: int) -> Notice:
        """What is known of a notice."""
        with self.database.reading() as session:
            return session.get_one(Notice, notice_id)

    def change(self, notice_id: int, **values: Any) -> None:
        """The row as something else would have left it."""
        with self.database.writing() as session:
            row = session.get_one(Notice, notice_id)
            for name, value in values.items():
                setattr(row, name, value)

    def id_of(self, address: str) -> int:
        """The number of a person."""
        with self.database.reading() as session:
            return session.scalars(select(Subscriber.id).where(Subscriber.address_key == address)).one()


def notice_room(database: Database, folder: Path, relay: str, **more: Any) -> NoticeRoom:
    """A newsroom whose relay is that of the test."""
    mail = {"relay": relay, "timeout": "3s"} | more.pop("mail", {})
    return NoticeRoom(database, settings(root=folder, site={"url": "http://127.0.0.1:8000"} | more.pop("site", {}), mail=mail, **more))


def parsed(data: bytes) -> EmailMessage:
    """A mail as a mail program reads it."""
    found = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def parts(data: bytes) -> tuple[str, str]:
    """The text part and the HTML part."""
    text, html = parsed(data).iter_parts()
    return text.get_content(), html.get_content()
