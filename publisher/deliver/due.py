"""Which deliveries may be tried now."""

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement
from sqlalchemy.orm import Session

from publisher.audience import newsletter_of
from publisher.models import Delivery, Issue
from publisher.settings import Settings


def resends(session: Session, settings: Settings, issue_id: int) -> bool:
    """Whether mails of the issue whose answer was lost are sent again, or left to a person."""
    return newsletter_of(session, settings, session.get_one(Issue, issue_id)).resends


def is_due(now: datetime | BindParameter[Any]) -> ColumnElement[bool]:
    """The condition for rows that may be tried now."""
    return (Delivery.not_before.is_(None)) | (Delivery.not_before <= now)


def states_tried(*, resend: bool) -> tuple[str, ...]:
    """The states of rows that are tried, in order: what was left on the wire first. Without `resend` a person says what becomes of that."""
    return ("unknown", "queued", "deferred") if resend else ("queued", "deferred")
