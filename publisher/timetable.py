"""The slots of the timetables: each moment is taken once, whoever looks first, and what is late is held for a person.

A newsletter keeps up to three: its own, and one for each digest that it offers.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from publisher.audience import EACH, takers
from publisher.cron import moments
from publisher.db import Database
from publisher.models import Installation, Issue, NewsletterRow, Slot
from publisher.settings import Newsletter, Settings

log = structlog.get_logger("publisher")
# After a year without power only the last of the missed moments are noted, each in a row of its own.
_NOTED = 100


def timetables(newsletter: Newsletter) -> dict[str, str]:
    """The cron line of each rhythm that a newsletter keeps: `each` where it has a timetable, and the digests that it offers."""
    digests = {"daily": newsletter.daily_digest, "weekly": newsletter.weekly_digest}
    kept = {EACH: newsletter.timetable} | {rhythm: line for rhythm, line in digests.items() if rhythm in newsletter.rhythms}
    return {rhythm: line for rhythm, line in kept.items() if line}


def due_slot(database: Database, settings: Settings, newsletter: Newsletter, now: datetime, rhythm: str = EACH) -> Slot | None:
    """Take the moment that is due at `now`, if there is one and nobody else took it; note what was missed. Unique by newsletter, rhythm and time.

    A digest that nobody takes has no moments: the last one is noted as skipped.
    """
    seen = _first_seen(database, settings, newsletter, rhythm, now)
    with database.reading() as session:
        row = _row(session, newsletter)
        passed = _passed(session, settings, newsletter, row, now, rhythm, seen)
        wanted = not passed or rhythm == EACH or takers(session, newsletter, row.id, rhythm, now).any
    taken = None
    for at in passed if wanted else passed[-1:]:
        state, reason = _judge(at, now, newsletter, latest=at == passed[-1], paused=row.paused_at is not None)
        if not wanted:
            state, reason = "skipped", {"code": "slot_no_readers"}
        slot = _insert(database, Slot(newsletter_id=row.id, rhythm=rhythm, at=at, state=state, reason=reason, decided_at=now))
        if slot is not None and state == "taken":
            taken = slot
        elif slot is not None and wanted:
            log.warning("slot_" + state, newsletter=newsletter.name, rhythm=rhythm, at=at.isoformat(), reason=reason)
    return taken


def _row(session: Session, newsletter: Newsletter) -> NewsletterRow:
    return session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()


def _first_seen(database: Database, settings: Settings, newsletter: Newsletter, rhythm: str, now: datetime) -> datetime | None:
    """When the present timetable of a digest was first looked at: what lies before it was never missed. (For the newsletter's own timetable, which
    start-up keeps in its row: None.)"""
    line = timetables(newsletter).get(rhythm)
    if rhythm == EACH or line is None:
        return None
    wanted = f"{line} {settings.zone_of(newsletter)}"
    with database.reading() as session:
        key = _seen_key(_row(session, newsletter).id, rhythm)
        known = session.get(Installation, key)
    if known is not None and known.value == wanted:
        return known.noted_at
    try:
        with database.writing() as session:
            session.merge(Installation(key=key, value=wanted, noted_at=now))
    except IntegrityError:
        log.debug("digest_seen_by_another", newsletter=newsletter.name, rhythm=rhythm)
    return now


def _passed(session: Session, settings: Settings, newsletter: Newsletter, row: NewsletterRow, now: datetime, rhythm: str,
            seen: datetime | None) -> list[datetime]:
    """The moments up to `now` that are in no row yet. What lies before the timetable was first seen was never missed."""
    line = timetables(newsletter).get(rhythm)
    if line is None:
        return []
    last = session.scalar(select(func.max(Slot.at)).where(Slot.newsletter_id == row.id, Slot.rhythm == rhythm))
    begin = max(moment for moment in (last, seen or row.first_seen_at or now) if moment is not None)
    # Looking back step by step: a timetable of every minute must not be counted through a year to find its last hour.
    found: list[datetime] = []
    step = timedelta(days=1)
    while begin < now:
        start = max(begin, now - step)
        found = list(moments(line, settings.zone_of(newsletter), start, now))
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


def hold_passed(database: Database, settings: Settings, now: datetime) -> int:
    """Note every moment that has passed, and is in no row, as held: this database does not know what left at it. Returns how many."""
    made = 0
    for newsletter in settings.newsletters:
        for rhythm in timetables(newsletter):
            with database.reading() as session:
                row = _row(session, newsletter)
                passed = _passed(session, settings, newsletter, row, now, rhythm, _seen(session, row, rhythm, now))
            made += sum(_insert(database, Slot(newsletter_id=row.id, rhythm=rhythm, at=at, state="held", reason={"code": "slot_claimed"},
                                               decided_at=now)) is not None for at in passed)
    return made


def _seen(session: Session, row: NewsletterRow, rhythm: str, now: datetime) -> datetime | None:
    """The same as `_first_seen`, without noting anything: a digest's timetable that no service has looked at yet has missed nothing."""
    if rhythm == EACH:
        return None
    known = session.get(Installation, _seen_key(row.id, rhythm))
    return known.noted_at if known is not None else now


def held_slots(session: Session, newsletter_id: int | None = None, rhythm: str | None = None) -> list[datetime]:
    """Moments that are held and wait for a person: no issue of their newsletter and rhythm has left since."""
    query = select(Slot.at).where(Slot.state == "held", ~exists().where(
        Issue.newsletter_id == Slot.newsletter_id, Issue.rhythm == Slot.rhythm, Issue.started_at.is_not(None),
        Issue.created_at >= Slot.at)).order_by(Slot.at)
    if newsletter_id is not None:
        query = query.where(Slot.newsletter_id == newsletter_id)
    return list(session.scalars(query if rhythm is None else query.where(Slot.rhythm == rhythm)))


def pending_slots(database: Database, settings: Settings, newsletter: Newsletter, now: datetime, rhythm: str = EACH) -> list[tuple[datetime, str]]:
    """Moments that wait: `held` ones, `taken` ones whose issue is being made, and `due` ones that have come and nobody took yet."""
    with database.reading() as session:
        row = _row(session, newsletter)
        held = [(at, "held") for at in held_slots(session, row.id, rhythm)]
        taken = [(at, "due") for at in session.scalars(
            select(Slot.at).where(Slot.newsletter_id == row.id, Slot.rhythm == rhythm, Slot.state == "taken"))]
        passed = [] if row.paused_at else _passed(session, settings, newsletter, row, now, rhythm, _seen(session, row, rhythm, now))
    return held + taken + [(at, "due") for at in passed if now - at <= newsletter.grace]


def _seen_key(newsletter_id: int, rhythm: str) -> str:
    return f"digest:{newsletter_id}:{rhythm}"
