"""A reader's rights: everything known of them, for them to have, and to be forgotten. Afterwards the address is nowhere, and still suppressed."""

import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from publisher.db import BUSY_SECONDS, Base, Database
from publisher.models import Delivery, Issue, NewsletterRow
from publisher.models_mail import Event, Notice
from publisher.tokens import Keys
from subscribers.addresses import Address
from subscribers.consent import ERASED, Evidence, record
from subscribers.models import BounceScore, Consent, ReaderListRow, SignupRequest, Subscriber, Subscription, Suppression, Wording
from subscribers.registry.writing import insert_absent, lock_person

ERASED_REASON = "erased"
_STRUCK = "…"
_TRIES, _PAUSE, _WAIT_MS = 4, 0.1, 300


def everything_known(session: Session, keys: Keys, address: Address) -> dict[str, Any]:
    """All that is kept of an address, ready for JSON: moments are ISO 8601 in UTC, texts that were shown stand in full."""
    person = session.scalar(select(Subscriber).where(Subscriber.address_key == address.key))
    hashes = {*address.digests(keys), *([person.address_hash] if person else [])}
    suppressions = [{"reason": row.reason, "at": row.at.isoformat()} for row in session.scalars(
        select(Suppression).where(Suppression.address_hash.in_(hashes)).order_by(Suppression.at))]
    # One suppression may stand under two keys.
    known: dict[str, Any] = {"address": person.address if person else address.typed, "known": person is not None,
                             "suppressions": list({tuple(one.items()): one for one in suppressions}.values())}
    if person is None:
        return known
    names = {row.id: row.name for row in session.scalars(select(ReaderListRow))}
    known |= _plain(person, "id", "name", "language", "timezone", "created_at")
    known["lists"] = [{"list": names.get(row.list_id)} | _plain(row, "state", "created_at", "confirmed_at", "left_at", "rhythm", "rhythm_since",
                                                               "sections", "hour")
                      for row in session.scalars(_of(Subscription, person.id))]
    known["consents"] = _consents(session, person.id, names)
    known["requests"] = [{"lists": [names.get(one) for one in row.list_ids]}
                         | _plain(row, "id", "door", "language", "origin", "client_hash", "mailed", "created_at", "expires_at", "used_at")
                         for row in session.scalars(_of(SignupRequest, person.id))]
    known["deliveries"] = _deliveries(session, person.id)
    known["notices"] = [{"list": names.get(row.list_id)}
                        | _plain(row, "kind", "language", "in_reply_to", "state", "created_at", "settled_at", "reason")
                        for row in session.scalars(_of(Notice, person.id))]
    known["events"] = [_plain(row, "kind", "strength", "source", "issue_id", "notice_id", "at", "reason")
                       for row in session.scalars(_of(Event, person.id))]
    score = session.get(BounceScore, person.id)
    known["bounce_score"] = _plain(score, "score", "last_day", "last_reason") if score else None
    return known


def _of(model: Any, subscriber_id: int) -> Any:
    return select(model).where(model.subscriber_id == subscriber_id).order_by(model.id)


def _plain(row: Base, *names: str) -> dict[str, Any]:
    """These columns of a row, moments and days as ISO 8601."""
    values = {name: getattr(row, name) for name in names}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}


def _consents(session: Session, subscriber_id: int, names: dict[int, str]) -> list[dict[str, Any]]:
    rows = session.execute(select(Consent, Wording).outerjoin(Wording, Wording.id == Consent.wording_id)
                           .where(Consent.subscriber_id == subscriber_id).order_by(Consent.at, Consent.id))
    return [{"list": names.get(row.list_id)} | _plain(row, "action", "at", "door", "wording", "origin", "client_hash", "request_id")
            | {"shown": _plain(shown, "kind", "language", "text", "first_used_at") if shown else None} for row, shown in rows]


def _deliveries(session: Session, subscriber_id: int) -> list[dict[str, Any]]:
    """Each issue that was meant for the person. Looked up issue by issue, for which there is an index."""
    rows = session.execute(
        select(Delivery, Issue.number, Issue.subject, Issue.kind, NewsletterRow.name).select_from(Issue)
        .join(Delivery, (Delivery.issue_id == Issue.id) & (Delivery.subscriber_id == subscriber_id))
        .join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id).order_by(Issue.id))
    return [{"newsletter": newsletter, "number": number, "kind": kind, "subject": subject}
            | _plain(row, "issue_id", "state", "attempts", "first_tried_at", "settled_at", "reason")
            for row, number, subject, kind, newsletter in rows]


def erase(database: Database, keys: Keys, address: Address, now: datetime) -> bool:
    """Forget a person; whether there was one. What stays is ids, and the keyed hash that keeps the address from being mailed again.

    On SQLite no file holds the address afterwards, unless a reader kept the log of changes busy: `settle_files` says so, and retention tries
    again every day. On PostgreSQL dead rows go with VACUUM; backups of either turn over at the newsroom's own pace.
    """
    with database.writing() as session:
        known = session.scalar(select(Subscriber.id).where(Subscriber.address_key == address.key))
        person = lock_person(session, known, to_delete=True) if known is not None else None
        if person is None:
            return False
        hashes = dict.fromkeys([address.digest(keys), person.address_hash])
        insert_absent(session, Suppression, [{"address_hash": value, "reason": ERASED_REASON, "at": now} for value in hashes])
        for list_id in session.scalars(select(Subscription.list_id).where(Subscription.subscriber_id == person.id).order_by(Subscription.list_id)):
            record(session, list_id, [person.id], ERASED, Evidence("command"), now)
        for model in (Subscription, SignupRequest, Notice, BounceScore):
            session.execute(delete(model).where(model.subscriber_id == person.id), execution_options={"synchronize_session": False})
        _strike(session, person)
        session.execute(delete(Subscriber).where(Subscriber.id == person.id), execution_options={"synchronize_session": False})
    settle_files(database)
    return True


def _strike(session: Session, person: Subscriber) -> None:
    """Take the address out of the words that stay. None should stand there, but an operator may have typed it, and a server may have said it."""
    spelling = re.compile("|".join(re.escape(one) for one in {person.address, person.address_key}), re.IGNORECASE)
    for row in session.scalars(select(Consent).where(Consent.subscriber_id == person.id)).all():
        if spelling.search(row.wording) or spelling.search(row.origin or ""):
            values = {column.key: getattr(row, column.key) for column in Consent.__table__.columns}
            values |= {"wording": spelling.sub(_STRUCK, row.wording), "origin": row.origin and spelling.sub(_STRUCK, row.origin)}
            # Consents are never changed (a trigger refuses): the row makes way for one without the address.
            session.execute(delete(Consent).where(Consent.id == row.id), execution_options={"synchronize_session": False})
            session.execute(insert(Consent), [values])
    deliveries = select(Delivery).select_from(Issue).join(Delivery, (Delivery.issue_id == Issue.id) & (Delivery.subscriber_id == person.id))
    told: Sequence[Delivery | Event] = [*session.scalars(deliveries.where(Delivery.reason.is_not(None))),
                                        *session.scalars(select(Event).where(Event.subscriber_id == person.id))]
    for one in told:
        if spelling.search(one.reason or ""):
            one.reason = spelling.sub(_STRUCK, one.reason or "")
    session.flush()


def settle_files(database: Database) -> bool:
    """Write SQLite's log of changes back into its file and empty it: deleted rows stay readable there until then. Whether that is done.

    Nobody may be reading at that moment, and nobody can write while it waits for that: hence several short tries, some seconds together.
    """
    if not database.is_sqlite:
        return True
    for trial in range(_TRIES):
        time.sleep(_PAUSE * trial)
        with database.engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.execute(f"PRAGMA busy_timeout={_WAIT_MS}")
            try:
                busy, _pages, _moved = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        if not busy:
            return True
    return False
