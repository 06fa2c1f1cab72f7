"""The tables of the public pages: pictures that are served from here, and addresses that moved."""

from datetime import datetime

from sqlalchemy import Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.db import Base


class Picture(Base):
    """A copy of a picture, small enough for mail and page; without `data` it could not be had, and `problem` says why."""

    __tablename__ = "pictures"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)  # SHA-256 of the address, shortened; the name under /pictures/
    url: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(String(32), default="")
    width: Mapped[int] = mapped_column(Integer, default=0)
    height: Mapped[int] = mapped_column(Integer, default=0)
    data: Mapped[bytes | None] = mapped_column(LargeBinary)
    fetched_at: Mapped[datetime]
    problem: Mapped[str | None] = mapped_column(Text)


class Redirect(Base):
    """An address that readers know from before: the path at the old place, and the issue it shows here."""

    __tablename__ = "redirects"
    path: Mapped[str] = mapped_column(String(500), primary_key=True)
    issue_id: Mapped[int] = mapped_column(Integer)
