"""What several processes that share an issue ask the database: which slices have something to do, in one question, however many there are."""

from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from publisher.deliver.due import is_due, states_tried
from publisher.models import Delivery, Issue
from publisher.models_sending import Slice


def due_slices(session: Session, issue_id: int, now: datetime, *, resend: bool = True) -> list[int]:
    """The numbers of the slices with a mail that is due, or one that a dead process may have left on the wire. The same rule as `slices.has_work`."""
    def there(state: str, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(Delivery.issue_id == Slice.issue_id, Delivery.id.between(Slice.first_id, Slice.last_id),
                              Delivery.state == state, *conditions)

    found = select(Slice.number).where(Slice.issue_id == issue_id, or_(
        there("sending"), *(there(state, is_due(now)) for state in states_tried(resend=resend)))).order_by(Slice.number)
    return list(session.scalars(found))


def is_being_sent(session: Session, issue_id: int) -> bool:
    """Whether the issue is neither paused nor at its end."""
    return session.scalar(select(Issue.state).where(Issue.id == issue_id)) == "sending"
