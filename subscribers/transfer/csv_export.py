"""Readers out to a file, the mirror image of the import: the same file brought in elsewhere gives the same readers, states, dates and choices."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TextIO

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from subscribers.consent import ADDED, CONFIRMED, IMPORTED, REJOINED, UNDONE
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.registry.lists import list_id
from subscribers.transfer.columns import EXPORTED
from subscribers.transfer.formulas import guarded

FORMATS = ("csv", "jsonl")
_AT_ONCE = 2000
_AGREED = (CONFIRMED, IMPORTED, ADDED, REJOINED, UNDONE)


def exported(session: Session, list_name: str, states: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Each reader of the list by address, in one of `states` if any are named, a few thousand in memory at a time.

    `suppressed` is the reason why an address is never mailed again, `consent` how its owner agreed last. Raises PublisherError when there is no such
    list.
    """
    wanted = list_id(session, list_name)
    reason = select(Suppression.reason).where(Suppression.address_hash == Subscriber.address_hash).scalar_subquery()
    agreed = (select(Consent.wording).where(Consent.subscriber_id == Subscriber.id, Consent.list_id == wanted, Consent.action.in_(_AGREED))
              .order_by(Consent.id.desc()).limit(1).scalar_subquery())
    query = (select(Subscriber.address, Subscriber.name, Subscriber.language, Subscriber.timezone, Subscription.state, Subscription.created_at,
                    Subscription.confirmed_at, Subscription.left_at, Subscription.rhythm, Subscription.sections, Subscription.hour, reason, agreed)
             .join(Subscription, Subscription.subscriber_id == Subscriber.id).where(Subscription.list_id == wanted).order_by(Subscriber.address_key))
    if states:
        query = query.where(Subscription.state.in_(states))
    for row in session.execute(query, execution_options={"yield_per": _AT_ONCE}):
        yield dict(zip(EXPORTED, row, strict=True))


def count(session: Session, list_name: str, states: Sequence[str] = ()) -> int:
    """How many readers `exported` gives."""
    query = select(func.count()).select_from(Subscription).where(Subscription.list_id == list_id(session, list_name))
    return session.scalar(query.where(Subscription.state.in_(states)) if states else query) or 0


def write_rows(rows: Iterator[dict[str, Any]], out: TextIO, form: str) -> Iterator[int]:
    """Write `rows` to `out` as `csv` (RFC 4180, no cell that a spreadsheet would run) or `jsonl`; yields how many are written, every few thousand."""
    done, waiting = 0, io.StringIO()
    table = csv.writer(waiting)
    if form == "csv":
        table.writerow(EXPORTED)
    for row in rows:
        if form == "csv":
            table.writerow([guarded(_cell(value)) for value in row.values()])
        else:
            waiting.write(json.dumps(row, ensure_ascii=False, default=datetime.isoformat) + "\n")
        done += 1
        if done % _AT_ONCE == 0:
            out.write(waiting.getvalue())
            waiting.seek(0)
            waiting.truncate()
            yield done
    out.write(waiting.getvalue())
    yield done


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
