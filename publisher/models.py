"""The tables of stories, issues, sending and posting. States are the first lines; unique keys hold the promises."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.db import Base

# A story: `inbox` waits for an editor, `approved` may be picked, `rejected` and `archive` never are.
STORY_STATES = ("inbox", "approved", "rejected", "archive")
# An issue: `draft` waits for approval, `approved` may start, `sending` has its readers fixed.
ISSUE_STATES = ("draft", "approved", "sending", "paused", "sent", "cancelled")
# A delivery or a post. `deferred` is tried again at `not_before`; `unknown` was on the wire when its answer was lost.
OUTCOMES = ("queued", "sending", "accepted", "refused", "deferred", "unknown", "skipped")
UNFINISHED = ("queued", "sending", "deferred", "unknown")
# What an issue keeps of a story.
SNAPSHOT = ("id", "headline", "summary", "facts", "section", "tags", "author", "source_name", "source_url", "date", "language",
            "rights", "reading_minutes", "image_url", "image_alt")
# A moment of the timetable: `held` waits for a person because it was missed by more than its grace.
SLOT_STATES = ("taken", "done", "skipped", "held")

Identity = BigInteger().with_variant(Integer, "sqlite")


class Configured:
    """What publisher.toml names; start-up writes it by name and never deletes."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    present: Mapped[bool] = mapped_column(Boolean, default=True)


class SourceRow(Configured, Base):
    """A source and what is remembered of its last reading. `etag` and `last_modified` are sent back to the server (RFC 9110 section 13)."""

    __tablename__ = "sources"
    kind: Mapped[str] = mapped_column(String(16))
    first_read_at: Mapped[datetime | None]
    last_read_at: Mapped[datetime | None]
    etag: Mapped[str | None] = mapped_column(Text)
    last_modified: Mapped[str | None] = mapped_column(Text)
    content_hash: Mapped[str | None] = mapped_column(String(64))
    last_problem: Mapped[str | None] = mapped_column(Text)


class SourceFile(Base):
    """A file as it was when last read: an unchanged one costs one look at the folder."""

    __tablename__ = "source_files"
    path: Mapped[str] = mapped_column(Text, primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    content_hash: Mapped[str] = mapped_column(String(64))
    read_at: Mapped[datetime]
    problem: Mapped[str | None] = mapped_column(Text)


class Story(Base):
    """One news item. `duplicate_group` is the id of the first story known to tell the same thing (its own, mostly)."""

    __tablename__ = "stories"
    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id"), index=True)
    container: Mapped[str] = mapped_column(Text, index=True)  # the file, feed or page it stood in
    position: Mapped[int] = mapped_column(Integer, default=1)  # its place there, from 1
    origin: Mapped[str] = mapped_column(Text, unique=True)  # PATH#n, or the feed entry's own id behind the feed's address
    headline: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text, default="")
    body: Mapped[str] = mapped_column(Text, default="")  # Markdown without raw HTML
    facts: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    section: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    author: Mapped[str | None] = mapped_column(Text)
    source_name: Mapped[str | None] = mapped_column(Text)
    source_url: Mapped[str | None] = mapped_column(Text)
    canonical_url: Mapped[str | None] = mapped_column(Text, index=True)
    image_url: Mapped[str | None] = mapped_column(Text)
    image_alt: Mapped[str | None] = mapped_column(Text)
    date: Mapped[str | None] = mapped_column(String(32))  # ISO: a day, or a moment with its zone
    language: Mapped[str] = mapped_column(String(8), default="ja")
    rights: Mapped[str] = mapped_column(String(16), default="own")
    status: Mapped[str] = mapped_column(String(16), index=True)
    reading_minutes: Mapped[int] = mapped_column(Integer, default=1)
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)  # of the text, for "the same text"
    content_hash: Mapped[str] = mapped_column(String(64))  # of everything, for "nothing changed"
    excerpt_hash: Mapped[str | None] = mapped_column(String(64), index=True)  # of a post's own excerpt: shared by two, it says nothing
    duplicate_group: Mapped[int | None] = mapped_column(Integer, index=True)
    pinned: Mapped[int] = mapped_column(Integer, default=0)  # an editor's pin: the higher, the earlier
    weight: Mapped[float] = mapped_column(Float, default=0.0)
    approved_at: Mapped[datetime | None] = mapped_column(index=True)
    approved_by: Mapped[str | None] = mapped_column(Text)
    withdrawn_at: Mapped[datetime | None]  # its file no longer holds it
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    def snapshot(self) -> dict[str, Any]:
        """What an issue keeps of the story as it is now. The body stays out where we only have the right to a summary."""
        kept = {name: getattr(self, name) for name in SNAPSHOT}
        return kept | {"body": self.body if self.rights == "own" else ""}


class StoryChange(Base):
    """A change that came after the story was told: noted, never told by surprise."""

    __tablename__ = "story_changes"
    id: Mapped[int] = mapped_column(primary_key=True)
    story_id: Mapped[int] = mapped_column(ForeignKey("stories.id"), index=True)
    noted_at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))  # edited, withdrawn
    content: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class NewsletterRow(Configured, Base):
    """A newsletter by name; its rules stand in publisher.toml. `paused_at` is a person's word.

    `first_seen_at` is when its present timetable was first seen: what lies before it was never missed.
    """

    __tablename__ = "newsletters"
    paused_at: Mapped[datetime | None]
    timetable: Mapped[str | None] = mapped_column(Text)
    first_seen_at: Mapped[datetime | None]


class AccountRow(Configured, Base):
    """A social account by name. `retry_at` is when its network said we may come again."""

    __tablename__ = "accounts"
    kind: Mapped[str] = mapped_column(String(16))
    retry_at: Mapped[datetime | None]


class AccountSecret(Base):
    """The token pair of an OAuth 2.0 account: replaced before it is used, because a refresh token may serve once only."""

    __tablename__ = "account_secrets"
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    access_token: Mapped[str] = mapped_column(Text)
    refresh_token: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime | None]


class Slot(Base):
    """One moment of a newsletter's timetable: unique, so that two schedulers send once."""

    __tablename__ = "slots"
    __table_args__ = (UniqueConstraint("newsletter_id", "rhythm", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    rhythm: Mapped[str] = mapped_column(String(8), default="each", server_default=text("'each'"))
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    issue_id: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    decided_at: Mapped[datetime]


class Issue(Base):
    """One number of a newsletter. `content_hash` binds picks and editions; approval copies it into `approved_hash`."""

    __tablename__ = "issues"
    __table_args__ = (
        UniqueConstraint("newsletter_id", "rhythm", "number"),
        # One unfinished issue of a newsletter at a time (and one digest of each rhythm beside it), held by the database.
        Index("uq_issues_unfinished", "newsletter_id", "rhythm", unique=True,
              sqlite_where=text("state in ('draft','approved','sending','paused')"),
              postgresql_where=text("state in ('draft','approved','sending','paused')")))
    id: Mapped[int] = mapped_column(primary_key=True)
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(16), default="regular")  # regular, digest, correction
    rhythm: Mapped[str] = mapped_column(String(8), default="each", server_default=text("'each'"))  # whom it is for: each, daily, weekly
    state: Mapped[str] = mapped_column(String(16), index=True)
    slot_id: Mapped[int | None] = mapped_column(ForeignKey("slots.id"))
    subject: Mapped[str] = mapped_column(Text, default="")
    content_hash: Mapped[str] = mapped_column(String(64), default="")
    approved_hash: Mapped[str | None] = mapped_column(String(64))
    approved_by: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    approved_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(Text)


class Pick(Base):
    """One story in one issue, as it stood when the issue was composed."""

    __tablename__ = "picks"
    __table_args__ = (UniqueConstraint("issue_id", "position"), UniqueConstraint("issue_id", "story_id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id"))
    story_id: Mapped[int] = mapped_column(ForeignKey("stories.id"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    section: Mapped[str | None] = mapped_column(Text)
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSON)
    also: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)  # other copies of the same story: name and url


class Edition(Base):
    """One frozen body of an issue. Slots are written `[[name]]` and filled by reader."""

    __tablename__ = "editions"
    __table_args__ = (UniqueConstraint("issue_id", "audience"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id"))
    audience: Mapped[str] = mapped_column(String(64), default="all")
    language: Mapped[str] = mapped_column(String(8))
    subject: Mapped[str] = mapped_column(Text)
    preheader: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    page: Mapped[str] = mapped_column(Text, default="")  # the same without anything that is a reader's, for the web
    headers: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)  # sender block frozen with the words: from, list_id, language …


class EditionGroup(Base):
    """Which edition of an issue the readers of a preference group get; without an edition there is nothing in it for them.

    `had` says what of a digest is not for the group (again), a bit for each issue that it gathers, the oldest first: its readers joined, or changed
    their rhythm, in between.
    """

    __tablename__ = "edition_groups"
    issue_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sections_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    had: Mapped[int] = mapped_column(Integer, primary_key=True, default=0, autoincrement=False)
    edition_id: Mapped[int | None] = mapped_column(Integer)


class Decision(Base):
    """Why a story was not picked when the newsletter last looked at it."""

    __tablename__ = "decisions"
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"), primary_key=True)
    story_id: Mapped[int] = mapped_column(ForeignKey("stories.id"), primary_key=True)
    decided_at: Mapped[datetime]
    waits: Mapped[bool] = mapped_column(Boolean)  # whether it may still be picked another day
    reason: Mapped[dict[str, Any]] = mapped_column(JSON)


class Telling(Base):
    """One story told at one target. The unique key is the promise that nothing is told twice."""

    __tablename__ = "tellings"
    __table_args__ = (UniqueConstraint("target_kind", "target_id", "duplicate_group", "repeat"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    target_kind: Mapped[str] = mapped_column(String(16))  # newsletter, account
    target_id: Mapped[int] = mapped_column(Integer)
    duplicate_group: Mapped[int] = mapped_column(Integer)
    repeat: Mapped[int] = mapped_column(Integer, default=0)
    story_id: Mapped[int] = mapped_column(ForeignKey("stories.id"), index=True)
    issue_id: Mapped[int | None] = mapped_column(Integer, index=True)
    post_id: Mapped[int | None] = mapped_column(Integer, index=True)
    reserved_at: Mapped[datetime]
    told_at: Mapped[datetime | None]  # empty while the issue or post has not left


class Delivery(Base):
    """One issue to one reader. Narrow and without foreign keys: a million rows must appear in seconds."""

    __tablename__ = "deliveries"
    __table_args__ = (UniqueConstraint("issue_id", "subscriber_id"), Index("ix_deliveries_work", "issue_id", "state", "id"))
    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    issue_id: Mapped[int] = mapped_column(Integer)
    edition_id: Mapped[int] = mapped_column(Integer)
    subscriber_id: Mapped[int] = mapped_column(Identity)
    state: Mapped[str] = mapped_column(String(8), default="queued")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[datetime | None]
    first_tried_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    relay: Mapped[str | None] = mapped_column(String(63))  # which relay was asked last
    reason: Mapped[str | None] = mapped_column(Text)  # what the relay said, or why it was skipped; never an address


class Post(Base):
    """One short message for one account, frozen with its payload before the first attempt."""

    __tablename__ = "posts"
    __table_args__ = (UniqueConstraint("account_id", "about", "about_id", "repeat"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    about: Mapped[str] = mapped_column(String(8))  # story, issue
    about_id: Mapped[int] = mapped_column(Integer)  # the duplicate group of the story, or the issue
    repeat: Mapped[int] = mapped_column(Integer, default=0)
    issue_id: Mapped[int | None] = mapped_column(ForeignKey("issues.id"), index=True)
    story_id: Mapped[int | None] = mapped_column(ForeignKey("stories.id"), index=True)
    position: Mapped[int] = mapped_column(Integer, default=1)
    text: Mapped[str] = mapped_column(Text)
    link: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(8), index=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    external_id: Mapped[str | None] = mapped_column(Text)
    permalink: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)


class Installation(Base):
    """What is known of this installation: fingerprints of its keys, the hash of its configuration."""

    __tablename__ = "installation"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    noted_at: Mapped[datetime]
