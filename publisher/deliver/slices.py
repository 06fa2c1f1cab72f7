"""Slices: the parts of an issue that are sent one by one, each by whoever holds its lock, so that any number of processes share an issue."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, insert, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.due import is_due, states_tried
from publisher.locks import hold
from publisher.models import Delivery
from publisher.models_sending import Slice


@dataclass(frozen=True, slots=True)
class Span:
    """The deliveries of a slice. `holder` is our name in its row: as long as it stands there, the slice is ours."""

    issue_id: int
    number: int
    first_id: int
    last_id: int
    holder: str | None = None

    def rows(self) -> ColumnElement[bool]:
        """The condition for its deliveries."""
        return (Delivery.issue_id == self.issue_id) & Delivery.id.between(self.first_id, self.last_id)


def lock_of(issue_id: int, number: int = 1) -> str:
    """The lock that whoever sends a slice holds: it dies with its process."""
    return f"issue-{issue_id}-{number}"


def make_slices(session: Session, issue_id: int, size: int) -> int:
    """Cut the deliveries of an issue into slices of about `size`, once; returns how many there are.

    They are ranges of ids: those of an issue were given in one statement, in the order in which they are due.
    """
    made = session.scalar(select(func.count()).select_from(Slice).where(Slice.issue_id == issue_id)) or 0
    if made:
        return made
    first, last = session.execute(select(func.min(Delivery.id), func.max(Delivery.id)).where(Delivery.issue_id == issue_id)).one()
    # An issue for nobody has a slice all the same: its end has to be written.
    borders = list(range(first, last + 1, size)) if first is not None else [0]
    session.execute(insert(Slice), [{"issue_id": issue_id, "number": number, "first_id": begin, "last_id": (begin + size - 1)}
                                    for number, begin in enumerate(borders, 1)])
    return len(borders)


def slices_of(database: Database, issue_id: int, size: int) -> list[Span]:
    """The slices of an issue in their order; one that was started before there were slices is cut now."""
    def known(session: Session) -> list[Span]:
        rows = session.execute(select(Slice.number, Slice.first_id, Slice.last_id).where(Slice.issue_id == issue_id).order_by(Slice.number))
        return [Span(issue_id, *row) for row in rows]

    with database.reading() as session:
        found = known(session)
    if found:
        return found
    with hold(database.engine, f"slices-{issue_id}", wait=True), database.writing() as session:
        make_slices(session, issue_id, size)
        return known(session)


def has_work(session: Session, span: Span, now: datetime, *, resend: bool = True) -> bool:
    """Whether a slice has a mail that is due, or one that a dead process may have left on the wire. `resend` as `claim_in` has it."""
    def there(*conditions: ColumnElement[bool]) -> bool:
        return bool(session.scalar(select(exists().where(span.rows(), *conditions))))

    return there(Delivery.state == "sending") or any(there(Delivery.state == state, is_due(now)) for state in states_tried(resend=resend))


def next_moment(session: Session, span: Span, *, resend: bool = True) -> datetime | None:
    """When the first of its waiting mails is due; None when none waits for a moment."""
    moments = [session.scalar(select(func.min(Delivery.not_before)).where(span.rows(), Delivery.state == state))
               for state in states_tried(resend=resend)]
    return min((moment for moment in moments if moment is not None), default=None)


@contextmanager
def holding(database: Database, span: Span, now: datetime) -> Iterator[Span]:
    """Hold a slice over the block. Raises Busy at once while another process holds it."""
    with hold(database.engine, lock_of(span.issue_id, span.number)):
        name = uuid.uuid4().hex
        with database.writing() as session:
            session.execute(update(Slice).where(Slice.issue_id == span.issue_id, Slice.number == span.number).values(holder=name, taken_at=now))
        yield Span(span.issue_id, span.number, span.first_id, span.last_id, name)


def is_ours(session: Session, span: Span) -> bool:
    """Whether nobody took the slice over since. Locks its row until the end of the transaction, where the server knows how."""
    holder = session.scalar(select(Slice.holder).where(Slice.issue_id == span.issue_id, Slice.number == span.number).with_for_update(read=True))
    return holder == span.holder
