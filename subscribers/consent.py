"""How a person agreed or left: rows that are only ever added. They hold ids and words, never an address."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from subscribers.models import Consent

IMPORTED, ADDED, REJOINED, LEFT, REMOVED = "imported", "added", "rejoined", "left", "removed"


def record(session: Session, list_id: int, subscriber_ids: list[int], action: str, wording: str, now: datetime) -> None:
    """Write down that each of these persons agreed or left, in these words."""
    if subscriber_ids:
        row: dict[str, Any] = {"list_id": list_id, "action": action, "wording": wording, "at": now}
        session.execute(insert(Consent), [row | {"subscriber_id": subscriber_id} for subscriber_id in subscriber_ids])
