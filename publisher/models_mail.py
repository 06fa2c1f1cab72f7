"""The tables of mails that are no issue, of mail that comes in, and of what came back after sending."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.db import Base
from publisher.models import Identity


class Notice(Base):
    """A mail that is no issue: a row written by whoever needs it, rendered when it is sent.

    It goes to a subscriber, or to the operator where `subscriber_id` is empty. `data` holds ids and words, never an address.
    """

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_work", "state", "not_before", "id"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # confirm, already, welcome, goodbye, help, leave, alert
    subscriber_id: Mapped[int | None] = mapped_column(Integer, index=True)
    list_id: Mapped[int | None] = mapped_column(Integer)
    request_id: Mapped[int | None] = mapped_column(Integer)
    language: Mapped[str] = mapped_column(String(8))
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    in_reply_to: Mapped[str | None] = mapped_column(Text)  # the Message-ID that is answered; may name its writer, and is erased with him
    state: Mapped[str] = mapped_column(String(8), default="queued")  # the states of a delivery
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[datetime | None]
    created_at: Mapped[datetime]
    first_tried_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)


class Event(Base):
    """What came back later: a bounce, a complaint, a delay, an unsubscription. `evidence` makes the same report count once."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_issue", "issue_id", "kind"),)
    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    evidence: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))  # bounce, complaint, delay, left, other
    strength: Mapped[str] = mapped_column(String(8), default="")  # of a bounce: hard, soft, blocked (not the reader's fault)
    source: Mapped[str] = mapped_column(String(16))  # dsn, arf, mail, ses, mailgun, postmark, sendgrid, resend, smtp
    issue_id: Mapped[int | None] = mapped_column(Integer)
    notice_id: Mapped[int | None] = mapped_column(Integer)
    subscriber_id: Mapped[int | None] = mapped_column(Integer, index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(Text, default="")  # without any address


class Received(Base):
    """Mail that came in, by its hash: the same mail handed over twice is handled once."""

    __tablename__ = "received"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(index=True)


class Mailbox(Base):
    """How far a polled folder was read: UIDs count only within one UIDVALIDITY (RFC 9051 section 2.3.1.1)."""

    __tablename__ = "mailboxes"
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    uid_validity: Mapped[int] = mapped_column(Identity)
    last_uid: Mapped[int] = mapped_column(Identity)
