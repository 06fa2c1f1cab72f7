"""The tables of readers. An address stands in one table only; everything else holds ids and keyed hashes."""

from datetime import date, datetime

from sqlalchemy import JSON, Boolean, Date, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.db import Base

# A subscription: only `subscribed` is mailed; `unconfirmed` has asked and not yet agreed.
SUBSCRIPTION_STATES = ("unconfirmed", "subscribed", "left")
# How often a reader is mailed: each issue, or what was missed gathered once a day or once a week.
RHYTHMS = ("each", "daily", "weekly")
# The key of readers who take every section.
EVERY_SECTION = "all"


class ReaderListRow(Base):
    """A list by name; start-up writes it from publisher.toml and never deletes."""

    __tablename__ = "lists"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    present: Mapped[bool] = mapped_column(Boolean, default=True)


class Subscriber(Base):
    """A person: one address. `address` is as typed and mailed; `address_key` is what makes it the same person."""

    __tablename__ = "subscribers"
    # SQLite would give the number of somebody who was erased to the next person, and the links in old mails with it.
    __table_args__ = {"sqlite_autoincrement": True}
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(Text)
    address_key: Mapped[str] = mapped_column(Text, unique=True)
    address_hash: Mapped[str] = mapped_column(String(40), index=True)  # keyed: what a suppression is compared with
    name: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(String(8))  # of the mails that are no issue; empty: the list's own
    timezone: Mapped[str | None] = mapped_column(String(64))  # in which `Subscription.hour` is meant; empty: the newsletter's
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
    rhythm: Mapped[str] = mapped_column(String(8), default="each", server_default=text("'each'"))
    rhythm_since: Mapped[datetime | None]  # empty: since they joined
    sections: Mapped[list[str] | None] = mapped_column(JSON)  # names in alphabetical order; empty: every section
    sections_key: Mapped[str] = mapped_column(String(64), default=EVERY_SECTION, server_default=text("'all'"))
    hour: Mapped[int | None] = mapped_column(Integer)  # 0 to 23, local: not mailed before it; empty: when the issue leaves


class Consent(Base):
    """How a person agreed or left: append-only (a trigger refuses changes), by id. What they were shown stands in `wordings`."""

    __tablename__ = "consents"
    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(index=True)
    list_id: Mapped[int]
    action: Mapped[str] = mapped_column(String(16))  # the words of consent.py
    wording: Mapped[str] = mapped_column(Text)  # how, in a sentence: what an operator wrote, or what the door says of itself
    at: Mapped[datetime] = mapped_column(index=True)
    door: Mapped[str | None] = mapped_column(String(16))  # web, embed, mail, one-click, command, import, provider
    wording_id: Mapped[int | None] = mapped_column(Integer)  # the text they saw
    origin: Mapped[str | None] = mapped_column(Text)  # the page or the mail address of ours at which they asked
    client_hash: Mapped[str | None] = mapped_column(String(40))  # keyed, of the network address
    request_id: Mapped[int | None] = mapped_column(Integer)


class Wording(Base):
    """A text that was shown to people when they agreed, kept by its hash: which version somebody saw can be proved later."""

    __tablename__ = "wordings"
    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256 of language and text
    kind: Mapped[str] = mapped_column(String(16))  # form, mail
    language: Mapped[str] = mapped_column(String(8))
    text: Mapped[str] = mapped_column(Text)
    first_used_at: Mapped[datetime]


class SignupRequest(Base):
    """One request to join lists. Its token confirms once, within `signup.confirm_within`; `notice` says which mail answered it."""

    __tablename__ = "signup_requests"
    __table_args__ = (Index("ix_signup_requests_person", "subscriber_id", "created_at"),
                      Index("ix_signup_requests_client", "client_hash", "created_at"),
                      Index("ix_signup_requests_domain", "domain_hash", "created_at"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int]
    list_ids: Mapped[list[int]] = mapped_column(JSON)
    door: Mapped[str] = mapped_column(String(16))  # web, embed, mail
    language: Mapped[str] = mapped_column(String(8))
    wording_id: Mapped[int | None] = mapped_column(Integer)
    origin: Mapped[str | None] = mapped_column(Text)
    client_hash: Mapped[str | None] = mapped_column(String(40))
    domain_hash: Mapped[str] = mapped_column(String(40))
    mailed: Mapped[bool] = mapped_column(Boolean)  # whether a mail answered it: counted by the limits
    created_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class BounceScore(Base):
    """How often mail to a person came back lately. One increment a day at most; stale after a week (Mailman's figures)."""

    __tablename__ = "bounce_scores"
    subscriber_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    score: Mapped[float] = mapped_column(Float)
    last_day: Mapped[date] = mapped_column(Date)
    last_reason: Mapped[str] = mapped_column(Text, default="")  # without any address


class Suppression(Base):
    """An address that is never mailed again, by keyed hash, so that it outlives the person's erasure."""

    __tablename__ = "suppressions"
    address_hash: Mapped[str] = mapped_column(String(40), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
