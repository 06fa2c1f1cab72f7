"""Which deliveries may be tried now."""

from datetime import datetime

from sqlalchemy import ColumnElement

from publisher.models import Delivery


def is_due(now: datetime) -> ColumnElement[bool]:
    """The condition for rows that may be tried now."""
    return (Delivery.not_before.is_(None)) | (Delivery.not_before <= now)


def states_tried(*, resend: bool) -> tuple[str, ...]:
    """The states of rows that are tried, in order: what was left on the wire first. Without `resend` a person says what becomes of that."""
    return ("unknown", "queued", "deferred") if resend else ("queued", "deferred")
