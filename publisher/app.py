"""The composition root: settings become an open publisher. Nothing below this file knows where its parts come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.channels.registry import channel_for
from publisher.db import Database
from publisher.errors import PublisherError
from publisher.jobs import Press
from publisher.keyring import open_keys
from publisher.locks import hold
from publisher.models import AccountRow, Installation, NewsletterRow, SourceRow
from publisher.settings import Newsletter, Settings
from publisher.settings_secrets import relay_secrets
from publisher.tokens import Keys
from subscribers.registry.lists import sync_lists

T = TypeVar("T", SourceRow, NewsletterRow, AccountRow)


class Named(Protocol):
    """An entry of publisher.toml that has a row in the database."""

    @property
    def name(self) -> str:
        """Its name, in both."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """One open publisher: the database is up to date and knows the names of publisher.toml."""

    settings: Settings
    database: Database
    keys: Keys

    def press(self) -> Press:
        """What sending needs: the relay's password, and a channel for each account that has its credentials. Raises PublisherError."""
        channels, closed = {}, {}
        for account in self.settings.accounts:
            try:
                channels[account.name] = channel_for(account, self.settings, self.database)
            except PublisherError as error:
                closed[account.name] = error
        return Press(self.settings, self.database, self.keys, channels, relay_secrets(self.settings), closed)

    def close(self) -> None:
        """Give the database connections back."""
        self.database.close()


def open_publisher(settings: Settings, now: datetime) -> Publisher:
    """Bring the database up to date, under a lock, and write the names of the file into it. Raises PublisherError."""
    database = Database(settings.database_url)
    database.migrate()
    keys = open_keys(settings, database, now)
    _sync(database, settings, now)
    return Publisher(settings, database, keys)


def _sync(database: Database, settings: Settings, now: datetime) -> None:
    """The file is the truth about names; rows are added and marked, never deleted, because history hangs on them."""
    if _in_step(database, settings):
        return
    with hold(database.engine, "configuration", wait=True), database.writing() as session:
        for source in settings.sources:
            _row(session, SourceRow, source.name).kind = source.kind
        for newsletter in settings.newsletters:
            _keep_timetable(_row(session, NewsletterRow, newsletter.name), settings, newsletter, now)
        for account in settings.accounts:
            _row(session, AccountRow, account.name).kind = account.kind
        _mark(session, SourceRow, settings.sources)
        _mark(session, NewsletterRow, settings.newsletters)
        _mark(session, AccountRow, settings.accounts)
        sync_lists(session, settings.lists)
        session.merge(Installation(key="configuration", value=settings.fingerprint, noted_at=now))


def _in_step(database: Database, settings: Settings) -> bool:
    with database.reading() as session:
        stored = session.get(Installation, "configuration")
        return stored is not None and stored.value == settings.fingerprint


def _keep_timetable(row: NewsletterRow, settings: Settings, newsletter: Newsletter, now: datetime) -> None:
    """A new or changed timetable begins now: its moments before that are not missed ones. A newsletter that was away begins anew."""
    wanted = f"{newsletter.timetable} {settings.zone_of(newsletter)}" if newsletter.timetable else None
    if row.timetable != wanted or not row.present or row.first_seen_at is None:
        row.timetable, row.first_seen_at = wanted, now


def _mark(session: Session, model: type[T], entries: Sequence[Named]) -> None:
    names = {entry.name for entry in entries}
    for row in session.scalars(select(model)):
        row.present = row.name in names


def _row(session: Session, model: type[T], name: str) -> T:
    found = session.scalar(select(model).where(model.name == name))
    if found is None:
        found = model(name=name, present=True)
        session.add(found)
    return found
