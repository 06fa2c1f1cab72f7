"""The tables of readers. An address stands in one table only; everything else holds ids and keyed hashes."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from publisher.db import Base

# A subscription: only `subscribed` is mailed; `unconfirmed` has asked and not yet agreed.
SUBSCRIPTION_STATES = ("unconfirmed", "subscribed", "left")


class ReaderListRow(Base):
    """A list by name; start-up writes it from publisher.toml and never deletes."""

    __tablename__ = "lists"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    present: Mapped[bool] = mapped_column(Boolean, default=True)


class Subscriber(Base):
    """A person: one address. `address` is as typed and mailed; `address_key` is what makes it the same person."""

    __tablename__ = "subscribers"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(Text)
    address_key: Mapped[str] = mapped_column(Text, unique=True)
    address_hash: Mapped[str] = mapped_column(String(40), index=True)  # keyed: what a suppression is compared with
    name: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class Subscription(Base):
    """One person's membership of one list."""

    __tablename__ = "subscriptions"
    __table_args__ = (UniqueConstraint("list_id", "subscriber_id"), Index("ix_subscriptions_state", "list_id", "state", "subscriber_id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id"))
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]


class Consent(Base):
    """How a person agreed or left: append-only, by id."""

    __tablename__ = "consents"
    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(index=True)
    list_id: Mapped[int]
    action: Mapped[str] = mapped_column(String(16))  # imported, added, left, removed, rejoined
    wording: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class Suppression(Base):
    """An address that is never mailed again, by keyed hash, so that it outlives the person's erasure."""

    __tablename__ = "suppressions"
    address_hash: Mapped[str] = mapped_column(String(40), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
