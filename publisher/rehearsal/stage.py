"""The scratch newsroom: our tables, a copy of the operator's readers without their addresses, a copy of the latest issue, and the evil relay.

Nothing of the real newsroom is written to. What is copied is what sending reads: readers' ids and groups, the editions, how the settings look.
"""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import exists, insert, select, update

from publisher.approval import content_hash
from publisher.audience import EACH
from publisher.compose.drafting import compose_draft
from publisher.curate.desk import approve_issue
from publisher.curate.picking import pick
from publisher.db import Database
from publisher.deliver.start import start_issue
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.ingest.reading import read_sources
from publisher.models import Delivery, Edition, EditionGroup, Issue, NewsletterRow
from publisher.rehearsal.child import KEY_FILE
from publisher.rehearsal.people import People, copy_people, count_people
from publisher.rehearsal.relay import address_of
from publisher.rehearsal.scratch import Scratch, scratch
from publisher.settings import Newsletter, Settings
from publisher.shipped import shipped
from publisher.tokens import Keys, make_key_file
from subscribers.models import Subscriber, Subscription, Suppression
from subscribers.registry.lists import sync_lists

# A small list is filled up to this: with three readers no kill finds anything on its way.
LEAST = 300
# The morning after the week that the samples are dated in (samples/README.md).
_SAMPLE_MORNING = datetime(2026, 3, 6, 22, 0, tzinfo=UTC)
# How long an answer of the relay and the lock of SQLite are waited for: a real newsroom has more patience with both.
TIMEOUT, PATIENCE = "4s", 1.0
_MOST_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Stage:
    """A scratch newsroom in mid-morning: the issue is started. `raw` are its settings as a file would hold them, for the sender."""

    place: Scratch
    database: Database
    settings: Settings
    raw: dict[str, Any]
    issue_id: int
    people: People
    copied: bool
    began: datetime
    connections: int
    holds: bool

    @property
    def rows(self) -> int:
        """How many mails the issue has."""
        return len(self.people.readers)

    @property
    def bound(self) -> int:
        """How many mails one kill or one cut may repeat: one on each connection; none where a person decides about them."""
        return 0 if self.holds else self.connections

    def leave(self, readers: tuple[int, ...], now: datetime) -> None:
        """These readers leave now."""
        with self.database.writing() as session:
            session.execute(update(Subscription).where(Subscription.subscriber_id.in_(readers)).values(state="left", left_at=now))

    def suppress(self, readers: tuple[int, ...], now: datetime) -> None:
        """These addresses are never mailed again from now on."""
        with self.database.writing() as session:
            hashes = session.scalars(select(Subscriber.address_hash).where(Subscriber.id.in_(readers))).all()
            session.execute(insert(Suppression), [{"address_hash": one, "reason": "rehearsal", "at": now} for one in hashes])


@contextmanager
def staged(config: Path, settings: Settings, real: Database, relay: str, wanted: int | None, now: datetime) -> Iterator[Stage]:
    """A scratch newsroom whose relay is `relay`, with `wanted` readers (None: as many as there are). It is gone after the block."""
    with scratch(real) as place:
        issue = _latest(real, settings)
        newsletter = _newsletter(real, settings, issue)
        raw = _raw(config, settings, newsletter, place, relay, samples=issue is None)
        made = Settings.model_validate(raw)
        keys = Keys(make_key_file(place.folder / KEY_FILE))
        database = Database(made.database_url)
        try:
            database.migrate()
            _names(database, made)
            people = copy_people(real, database, newsletter, keys, wanted, LEAST, now)
            issue_id = _copy_issue(real, database, issue) if issue is not None else _compose_samples(database, made)
            raw["database"]["url"] = place.sender_url
            approve_issue(database, issue_id, "rehearsal", now)
            start_issue(database, made, issue_id, now)
            yield Stage(place, database, made, raw, issue_id, people, issue is not None, now, made.relays[0].connections,
                        not newsletter.resends)
        finally:
            database.close()


def expected(settings: Settings, real: Database, wanted: int | None) -> int:
    """About how many readers a rehearsal would have."""
    return wanted if wanted is not None else max(LEAST, count_people(real, _newsletter(real, settings, _latest(real, settings))))


def _latest(real: Database, settings: Settings) -> Issue | None:
    """The latest issue that has its texts; digests are left out, because what is in them for whom hangs on months of the ledger."""
    with real.reading() as session:
        return session.scalars(
            select(Issue).join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id)
            .where(NewsletterRow.name.in_([entry.name for entry in settings.newsletters]), Issue.rhythm == EACH, Issue.kind != "digest",
                   Issue.content_hash != "", exists().where(Edition.issue_id == Issue.id))
            .order_by(Issue.id.desc()).limit(1)).first()


def _newsletter(real: Database, settings: Settings, issue: Issue | None) -> Newsletter:
    if issue is None:
        if not settings.newsletters:
            raise PublisherError(_("there is no newsletter to rehearse"), remedy=_("add one to publisher.toml"))
        return settings.newsletters[0]
    with real.reading() as session:
        name = session.get_one(NewsletterRow, issue.newsletter_id).name
    return next(entry for entry in settings.newsletters if entry.name == name)


def _raw(config: Path, settings: Settings, newsletter: Newsletter, place: Scratch, relay: str, *, samples: bool) -> dict[str, Any]:
    """The operator's own file with another database, another relay, and nothing that reaches anybody."""
    file = tomllib.loads(config.read_text("utf-8-sig"))
    mine = next(entry for entry in file["newsletters"] if entry["name"] == newsletter.name)
    if samples:
        # The samples are no news of this newsroom's: its rules of picking would pass them over.
        mine = {key: mine[key] for key in ("name", "list", "title", "language", "timezone", "on_unknown") if key in mine} | {
            "min_stories": 1, "first_window": "2w"}
    paths = {"state": str(place.folder / "state"), "outbox": str(place.folder / "outbox")}
    if settings.paths.templates:
        paths["templates"] = str(settings.place(settings.paths.templates))
    connections = min(_MOST_CONNECTIONS, sum(entry.connections for entry in settings.all_relays()))
    return {key: file[key] for key in ("site", "lists", "inbound") if key in file} | {
        "newsletters": [mine], "database": {"url": place.url}, "paths": paths,
        "mail": file["mail"] | {"relay": relay, "timeout": TIMEOUT, "connections": connections, "processes": 1},
        "relays": [{"name": "rehearsal", "url": relay, "connections": connections, "warm_up": False}],
        "sources": [{"name": "samples", "kind": "folder", "path": str(shipped("samples") / "stories"), "curated": True}] if samples else []}


def _names(database: Database, settings: Settings) -> None:
    with database.writing() as session:
        session.add_all(NewsletterRow(name=entry.name, present=True) for entry in settings.newsletters)
        sync_lists(session, settings.lists)


def _copy_issue(real: Database, database: Database, issue: Issue) -> int:
    """The issue with its editions and their groups, as a draft that was never sent."""
    with real.reading() as session:
        editions = session.scalars(select(Edition).where(Edition.issue_id == issue.id)).all()
        groups = session.scalars(select(EditionGroup).where(EditionGroup.issue_id == issue.id)).all()
    with database.writing() as session:
        newsletter_id = session.scalars(select(NewsletterRow.id)).one()
        session.add(Issue(id=issue.id, newsletter_id=newsletter_id, number=issue.number, kind=issue.kind, state="draft", subject=issue.subject,
                          created_at=issue.created_at))
        session.flush()
        for model, rows in ((Edition, editions), (EditionGroup, groups)):
            if rows:
                session.execute(insert(model), [{column.key: getattr(row, column.key) for column in model.__table__.columns} for row in rows])
        session.get_one(Issue, issue.id).content_hash = content_hash(session, issue.id)
    return issue.id


def _compose_samples(database: Database, settings: Settings) -> int:
    """An issue of the sample stories that come with the program."""
    report = read_sources(database, settings, _SAMPLE_MORNING)
    made = pick(database, settings, settings.newsletters[0], _SAMPLE_MORNING)
    if made.issue_id is None:
        raise PublisherError(_("the sample stories make no issue: %(found)s were found", found=made.choice.found),
                             remedy="; ".join(str(problem) for problem in report.problems))
    compose_draft(database, settings, made.issue_id, _SAMPLE_MORNING)
    return made.issue_id


def traces(stage: Stage) -> list[str]:
    """Where a reader's address stands although it must not: files of the state folder, reasons in the ledger (promise 11)."""
    mark = address_of(0).partition("@")[2].encode()
    state = stage.place.folder / "state"
    found = sorted({str(path.relative_to(state)) for path in state.rglob("*") if path.is_file() and mark in path.read_bytes()})
    with stage.database.reading() as session:
        if session.scalar(select(Delivery.id).where(Delivery.reason.contains(mark.decode())).limit(1)) is not None:
            found.append("deliveries.reason")
    return found
