"""The slots of the timetable: each moment is taken once, whoever looks first, and what is late is held for a person."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from publisher.cron import moments
from publisher.db import Database
from publisher.models import Issue, NewsletterRow, Slot
from publisher.settings import Newsletter, Settings

log = structlog.get_logger("publisher")
# After a year without power only the last of the missed moments are noted, each in a row of its own.
_NOTED = 100


def due_slot(database: Database, settings: Settings, newsletter: Newsletter, now: datetime) -> Slot | None:
    """Take the moment that is due at `now`, if there is one and nobody else took it; note what was missed. Unique by newsletter and time."""
    with database.reading() as session:
        row = _row(session, newsletter)
        passed = _passed(session, settings, newsletter, row, now)
    taken = None
    for at in passed:
        state, reason = _judge(at, now, newsletter, latest=at == passed[-1], paused=row.paused_at is not None)
        slot = _insert(database, Slot(newsletter_id=row.id, at=at, state=state, reason=reason, decided_at=now))
        if slot is not None and state == "taken":
            taken = slot
        elif slot is not None:
            log.warning("slot_" + state, newsletter=newsletter.name, at=at.isoformat(), reason=reason)
    return taken


def _row(session: Session, newsletter: Newsletter) -> NewsletterRow:
    return session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()


def _passed(session: Session, settings: Settings, newsletter: Newsletter, row: NewsletterRow, now: datetime) -> list[datetime]:
    """The moments up to `now` that are in no row yet. What lies before the timetable was first seen was never missed."""
    if newsletter.timetable is None:
        return []
    last = session.scalar(select(func.max(Slot.at)).where(Slot.newsletter_id == row.id))
    begin = max(moment for moment in (last, row.first_seen_at or now) if moment is not None)
    # Looking back step by step: a timetable of every minute must not be counted through a year to find its last hour.
    found: list[datetime] = []
    step = timedelta(days=1)
    while begin < now:
        start = max(begin, now - step)
        found = list(moments(newsletter.timetable, settings.zone_of(newsletter), start, now))
        if start == begin or len(found) >= _NOTED:
            break
        step *= 4
    return found[-_NOTED:]


def _judge(at: datetime, now: datetime, newsletter: Newsletter, *, latest: bool, paused: bool) -> tuple[str, dict[str, Any] | None]:
    if paused:
        return "skipped", {"code": "slot_paused"}
    if now - at > newsletter.grace:
        return "held", late_reason(now - at, newsletter)
    return ("taken", None) if latest else ("skipped", {"code": "slot_superseded"})


def late_reason(late: timedelta, newsletter: Newsletter) -> dict[str, Any]:
    """Why a moment is held that was missed by `late`."""
    return {"code": "slot_late", "late": _span(late), "grace": _span(newsletter.grace)}


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 1440}d" if minutes >= 2880 else f"{minutes // 60}h{minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m"


def _insert(database: Database, slot: Slot) -> Slot | None:
    try:
        with database.writing() as session:
            session.add(slot)
    except IntegrityError:
        return None  # another process was first: that is what the key is for
    return slot


def settle_slot(database: Database, slot_id: int, state: str, *, issue_id: int | None = None, reason: dict[str, Any] | None = None) -> None:
    """Write what became of a slot."""
    with database.writing() as session:
        session.execute(update(Slot).where(Slot.id == slot_id).values(state=state, issue_id=issue_id, reason=reason))


def held_slots(session: Session, newsletter_id: int | None = None) -> list[datetime]:
    """Moments that are held and wait for a person: no issue of their newsletter has left since."""
    query = select(Slot.at).where(Slot.state == "held", ~exists().where(
        Issue.newsletter_id == Slot.newsletter_id, Issue.started_at.is_not(None), Issue.created_at >= Slot.at)).order_by(Slot.at)
    return list(session.scalars(query if newsletter_id is None else query.where(Slot.newsletter_id == newsletter_id)))


def pending_slots(database: Database, settings: Settings, newsletter: Newsletter, now: datetime) -> list[tuple[datetime, str]]:
    """Moments that wait: `held` ones, `taken` ones whose issue is being made, and `due` ones that have come and nobody took yet."""
    with database.reading() as session:
        row = _row(session, newsletter)
        held = [(at, "held") for at in held_slots(session, row.id)]
        taken = [(at, "due") for at in session.scalars(select(Slot.at).where(Slot.newsletter_id == row.id, Slot.state == "taken"))]
        passed = [] if row.paused_at else _passed(session, settings, newsletter, row, now)
    return held + taken + [(at, "due") for at in passed if now - at <= newsletter.grace]
