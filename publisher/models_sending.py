"""The tables of the sending engine: slices of issues, what each relay was given, and what is held back until when."""

from datetime import datetime

from sqlalchemy import Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.db import Base
from publisher.models import Identity


class Slice(Base):
    """A part of an issue that one process sends: the deliveries of the issue with ids from `first_id` to `last_id`.

    `holder` is who took it last: whoever finds another name there has lost it, and stops.
    """

    __tablename__ = "slices"
    issue_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # from 1
    first_id: Mapped[int] = mapped_column(Identity)
    last_id: Mapped[int] = mapped_column(Identity)
    holder: Mapped[str | None] = mapped_column(String(32))
    taken_at: Mapped[datetime | None]


class RelayDay(Base):
    """How many mails a relay was given on a day (UTC): its history, by which it is warmed up."""

    __tablename__ = "relay_days"
    relay: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)  # ISO
    given: Mapped[int] = mapped_column(Integer, default=0)


class Pace(Base):
    """How fast a relay, or the receivers of a group, may be given mail: shared by every process, and kept over a restart.

    `free_at` is when the next mail may leave, `booked_to` how far the moments reach that waiting mails were given. The rest is what the other side
    made of our pace: after a 421 or 4.7.x nothing until `paused_until`, then one connection, and from `passed_at`, when the first mail passed, one
    more after each quiet minute.
    """

    __tablename__ = "paces"
    key: Mapped[str] = mapped_column(String(160), primary_key=True)  # relay:NAME, limit:NAME, to:DOMAIN
    free_at: Mapped[datetime | None]
    booked_to: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    passed_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(Integer, default=0)  # pauses since it was last given mail at full pace
    reason: Mapped[str | None] = mapped_column(Text)  # what the other side said, without an address


class MailHost(Base):
    """Which host takes the mail of a recipient domain, as the DNS said when it was last asked; `host` is empty where it said nothing."""

    __tablename__ = "mail_hosts"
    domain: Mapped[str] = mapped_column(String(255), primary_key=True)
    host: Mapped[str] = mapped_column(String(255), default="")
    asked_at: Mapped[datetime]
