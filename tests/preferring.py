"""Readers with wishes for tests: which sections, how often, at what hour, kept by the same door as everybody's."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update

from publisher.db import Database
from subscribers.consent import Evidence
from subscribers.models import Subscription
from subscribers.registry.preferences import Preferences, set_preferences
from tests.readers import NOW, ids_of, join


def prefer(database: Database, address: str, *, rhythm: str = "each", sections: Sequence[str] | None = None, hour: int | None = None,
           timezone: str | None = None, at: datetime = NOW) -> None:
    """The reader says what they want."""
    wanted = Preferences(rhythm, tuple(sections) if sections is not None else None, hour, timezone)
    set_preferences(database, *ids_of(database, address), wanted, Evidence("web"), at)


def joined(database: Database, address: str, at: datetime, **wishes: object) -> None:
    """Somebody who joined at a moment, and said at once what they want."""
    join(database, address)
    list_id, subscriber_id = ids_of(database, address)
    with database.writing() as session:
        session.execute(update(Subscription).where(Subscription.list_id == list_id, Subscription.subscriber_id == subscriber_id)
                        .values(confirmed_at=at, rhythm_since=at))
    if wishes:
        prefer(database, address, at=at, **wishes)  # type: ignore[arg-type]
