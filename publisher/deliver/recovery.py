"""What a dead process knew is brought to the database before anything is sent."""

from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import select

from publisher.db import Database
from publisher.deliver.claim import Claimed, Settled, decide_row
from publisher.deliver.journal import Entry, Journal
from publisher.deliver.slices import Span
from publisher.models import Delivery

_AT_ONCE = 500


def recover(database: Database, journal: Journal, span: Span, retry_for: timedelta, now: datetime) -> int:
    """Bring the rows up to what a dead process knew; returns how many of its mails have an unknown outcome.

    A claimed mail without an intent never left: it is queued again. One with an intent and no outcome was on the wire: `unknown`, and due at
    once, because plain SMTP can be asked nothing and the same Message-ID tells a repeat from a second mail. Without any journal
    (another machine takes over) every claimed mail may have left.
    """
    with database.reading() as session:
        # As many as a process has in hand, however long the journal is.
        open_rows = set(session.scalars(select(Delivery.id).where(span.rows(), Delivery.state == "sending")))
    known = {entry.delivery_id: entry for entry in journal.entries() if entry.delivery_id in open_rows}
    unknown = 0
    while True:
        with database.writing() as session:
            rows = session.scalars(select(Delivery).where(span.rows(), Delivery.state == "sending")
                                   .order_by(Delivery.id).limit(_AT_ONCE)).all()
            for row in rows:
                unknown += _recover_row(row, known.get(row.id), retry_for, now, foreign=journal.is_new)
        if not rows:
            break
    _believe(database, span.issue_id, journal)
    journal.clear()
    return unknown


def _recover_row(row: Delivery, entry: Entry | None, retry_for: timedelta, now: datetime, *, foreign: bool) -> int:
    if (entry is None and not foreign) or (entry is not None and entry.forgotten):
        row.state, row.attempts = "queued", max(0, row.attempts - 1)
        if not row.attempts:
            row.first_tried_at = None  # the time for trying again begins with its first attempt
        return 0
    if entry is None or entry.verdict is None:
        row.state, row.not_before, row.reason = "unknown", None, "the process ended before the relay had answered"
        return 1
    mail = Claimed(row.id, row.subscriber_id, "", row.attempts, row.first_tried_at or now, row.edition_id)
    row.state, row.reason, row.not_before = decide_row(Settled(mail, entry.verdict, entry.at), retry_for)
    row.settled_at = entry.at
    return 0


def _believe(database: Database, issue_id: int, journal: Journal) -> None:
    """A row that is older than the journal (the database came from a backup) and whose mail the relay took: it has left."""
    accepted = (entry for entry in journal.entries() if entry.verdict is not None and entry.verdict.state == "accepted")
    while batch := {entry.delivery_id: entry for entry in islice(accepted, _AT_ONCE)}:
        older = select(Delivery).where(Delivery.id.in_(list(batch)), Delivery.issue_id == issue_id, Delivery.state == "queued")
        with database.reading() as session:
            if session.scalars(older.limit(1)).first() is None:
                continue
        with database.writing() as session:
            for row in session.scalars(older):
                entry = batch[row.id]
                row.state, row.reason, row.settled_at = "accepted", entry.verdict.reason if entry.verdict else "", entry.at
                row.attempts += 1
