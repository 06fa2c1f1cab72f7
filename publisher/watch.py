"""Pauses a newsletter whose bounces or complaints pass their limit while it is being sent, or soon after, and tells the operator once."""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.control import pause_in
from publisher.jobs import Press
from publisher.models import Delivery, Installation, Issue, NewsletterRow
from publisher.models_mail import Event
from publisher.notices import write_alert
from publisher.settings import Newsletter
from publisher.track.refusals import apply_refusals

log = structlog.get_logger("publisher")
# How long after its last mail an issue is looked at: most bounces come within minutes, most complaints within two days.
_AFTERWARDS = timedelta(hours=48)
# Before so many mails have left, or so many have come back, a share says nothing: one of three is a third. One reader alone is no share of anything.
_LEAST_MAILS, _LEAST_EVENTS, _LEAST_READERS = 50, 20, 2
# Somebody looked at the figures and said "go on": the same figures pause nothing, these times as bad do.
_WORSE = 1.5


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of an issue: mails the relay took or refused, and how many different readers' came back, complained, were refused as spam."""

    mails: int
    bounces: int
    complaints: int
    blocked: int

    def share(self, number: int) -> float:
        """`number` of the mails, from 0 to 1."""
        return min(1.0, number / self.mails) if self.mails else 0.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What was done about an issue: at which shares it was paused, when, and of what the operator was told."""

    bounces: float = 0.0
    complaints: float = 0.0
    paused_at: str | None = None
    told: tuple[str, ...] = ()


class Watch:
    """The duty: looks at every issue that is being sent or was sent lately. One that has ended is counted again only when something came in."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def keep(self, press: Press, clock: Callable[[], datetime], stop: threading.Event) -> None:
        """One round."""
        with press.database.reading() as session:
            issues = _watched(session, clock())
        for issue_id, state, events in issues:
            if stop.is_set():
                return
            if state == "sending" or self._seen.get(issue_id) != events:
                look_at(press, issue_id, clock(), stop)
        self._seen = {issue_id: events for issue_id, state, events in issues if state != "sending"}


def _watched(session: Session, now: datetime) -> list[tuple[int, str, int]]:
    """Each issue with its state and the number of its events."""
    lately = Issue.state.in_(("sent", "cancelled")) & (Issue.finished_at > now - _AFTERWARDS)
    found = select(Issue.id, Issue.state).where(or_(Issue.state.in_(("sending", "paused")), lately)).order_by(Issue.id)
    return [(issue_id, state, session.scalar(select(func.count()).select_from(Event).where(Event.issue_id == issue_id)) or 0)
            for issue_id, state in session.execute(found).all()]


def look_at(press: Press, issue_id: int, now: datetime, stop: threading.Event | None = None) -> dict[str, Any] | None:
    """Apply what the relay refused, then judge the issue; what was found for the first time, if anything was, as reasons.py makes it a sentence."""
    apply_refusals(press.database, press.settings, press.keys, issue_id, now, stop)
    with press.database.reading() as session:
        issue = session.get_one(Issue, issue_id)
        newsletter = press.settings.newsletter(session.get_one(NewsletterRow, issue.newsletter_id).name)
        memory = _remembered(session, issue_id)
        figures = figures_of(session, issue_id) if newsletter is not None else None
    if issue.state == "sending" and memory.paused_at is not None:
        let_go_on(press.database, issue_id)
    if newsletter is None or figures is None:
        return None
    code = judge(figures, newsletter, memory, canary=_in_canary(issue, newsletter, now))
    return _act(press, issue, newsletter, code, figures, memory, now) if code is not None else None


def figures_of(session: Session, issue_id: int) -> Figures | None:
    """The figures of an issue; None, at little cost, when too little came back to say anything."""
    bounce = Event.kind == "bounce"
    # What the relay itself refused counts whatever it said: it never left.
    came_back = bounce & or_(Event.strength == "hard", (Event.source == "smtp") & (Event.strength == "blocked"))
    bounces, complaints, blocked = session.execute(
        select(_readers(came_back), _readers(Event.kind == "complaint"), _readers(bounce & (Event.strength == "blocked")))
        .where(Event.issue_id == issue_id, Event.kind.in_(("bounce", "complaint")))).one()
    if max(bounces, complaints, blocked) < _LEAST_READERS:
        return None
    left = select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue_id, Delivery.state.in_(("accepted", "refused")))
    return Figures(session.scalar(left) or 0, bounces, complaints, blocked)


def _readers(kind: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((kind, Event.subscriber_id)).distinct())


def judge(figures: Figures, newsletter: Newsletter, memory: Memory, *, canary: bool) -> str | None:
    """What the figures say: `canary_held`, `bounces_high`, `complaints_high`, `blocked_high`, or nothing that was not said before."""
    least = min(_LEAST_MAILS, newsletter.canary) if canary else _LEAST_MAILS

    def over(number: int, limit: float, before: float) -> bool:
        enough = number >= _LEAST_READERS and (figures.mails >= least or number >= _LEAST_EVENTS)
        return enough and figures.share(number) > max(limit, before * _WORSE)

    if over(figures.bounces, newsletter.bounce_limit, memory.bounces):
        return "canary_held" if canary else "bounces_high"
    if over(figures.complaints, newsletter.complaint_limit, memory.complaints):
        return "canary_held" if canary else "complaints_high"
    return "blocked_high" if "blocked_high" not in memory.told and over(figures.blocked, newsletter.bounce_limit, 0.0) else None


def _in_canary(issue: Issue, newsletter: Newsletter, now: datetime) -> bool:
    return newsletter.canary > 0 and issue.started_at is not None and issue.state == "sending" and now < issue.started_at + newsletter.canary_wait


def _act(press: Press, issue: Issue, newsletter: Newsletter, code: str, figures: Figures, memory: Memory,
         now: datetime) -> dict[str, Any]:
    """Pause, remember, tell."""
    pauses = code != "blocked_high"
    of_complaints = code == "complaints_high" or (code == "canary_held" and figures.share(figures.bounces) <= newsletter.bounce_limit)
    number, limit = ((figures.complaints, newsletter.complaint_limit) if of_complaints
                     else (figures.bounces if pauses else figures.blocked, newsletter.bounce_limit))
    values = {"issue_id": issue.id, "number": issue.number, "newsletter": newsletter.title or newsletter.name,
              "share": percent(figures.share(number)), "limit": percent(limit), "mails": figures.mails}
    told = tuple(dict.fromkeys((*memory.told, code)))
    remembered = Memory(max(memory.bounces, figures.share(figures.bounces)), max(memory.complaints, figures.share(figures.complaints)),
                        now.isoformat(), told) if pauses else replace(memory, told=told)
    with press.database.writing() as session:
        if pauses:
            # Of an issue that has ended there is nothing to stop; the next ones wait all the same.
            pause_in(session, issue.id)
            session.execute(update(NewsletterRow).where(NewsletterRow.id == issue.newsletter_id, NewsletterRow.paused_at.is_(None))
                            .values(paused_at=now))
        session.merge(Installation(key=_key(issue.id), value=json.dumps(asdict(remembered)), noted_at=now))
        write_alert(session, code, values, press.settings.site.language, now)
    log.warning(code, issue=issue.id, newsletter=newsletter.name, mails=figures.mails, bounces=figures.bounces, complaints=figures.complaints,
                blocked=figures.blocked)
    return {"code": code, **values}


def let_go_on(database: Database, issue_id: int) -> bool:
    """A person said that it goes on: the newsletter is paused no more, if it was for this issue. Whether it was."""
    with database.writing() as session:
        memory = _remembered(session, issue_id)
        if memory.paused_at is None:
            return False
        issue = session.get_one(Issue, issue_id)
        lifted = session.scalars(update(NewsletterRow).where(NewsletterRow.id == issue.newsletter_id,
                                                             NewsletterRow.paused_at == datetime.fromisoformat(memory.paused_at))
                                 .values(paused_at=None).returning(NewsletterRow.id), execution_options={"synchronize_session": False}).all()
        row = session.get_one(Installation, _key(issue_id))
        row.value = json.dumps(asdict(memory) | {"paused_at": None})
        return bool(lifted)


def percent(share: float) -> str:
    """A share as people read it: 6.2 %, 0.35 %."""
    number = share * 100
    return f"{number:.2g} %" if number < 1 else f"{number:.1f}".removesuffix(".0") + " %"


def _key(issue_id: int) -> str:
    return f"watch:{issue_id}"


def _remembered(session: Session, issue_id: int) -> Memory:
    row = session.get(Installation, _key(issue_id))
    if row is None:
        return Memory()
    stored: dict[str, Any] = json.loads(row.value)
    return Memory(stored["bounces"], stored["complaints"], stored["paused_at"], tuple(stored["told"]))
