"""Refusals of the relay during sending ("550 5.1.1 no such user") are applied like bounces: each once, by issue, without any address."""

import re
import threading
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.models import Delivery, Installation
from publisher.models_mail import Event
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.track.apply import apply_in
from publisher.track.report import Report, Strength, evidence_of_mail
from subscribers.mailbox.classify import classify

# A tenth of a second of writing: whoever sends or signs up waits no longer.
_AT_ONCE = 50
# What `deliver` writes: the relay's answer, or the last one when it gave up. Anything else is a fault of ours and says nothing of the reader.
_ANSWER = re.compile(r"(?:gave up: )?([45]\d\d .*)", re.DOTALL)
# A relay that is set up wrongly says "no such user" to everybody. So many are believed in any case; of more only where four times as many were taken.
_BELIEVED = 4
_TAKEN_FOR_EACH = 4


def apply_refusals(database: Database, settings: Settings, keys: Keys, issue_id: int, now: datetime, stop: threading.Event | None = None) -> int:
    """Apply what the relay refused of this issue since the last look; returns how many refusals were new.

    Hard ones suppress; where there are too many to be believed they are kept as `blocked`, which costs no reader anything, and the watch sees them.
    """
    marker = f"refusals:{issue_id}"
    with database.reading() as session:
        refused = _count(session, issue_id, "refused")
        row = session.get(Installation, marker)
        if refused == (int(row.value) if row else 0):
            return 0
        accepted = _count(session, issue_id, "accepted")
        hard = session.scalar(select(func.count()).select_from(Event).where(
            Event.issue_id == issue_id, Event.kind == "bounce", Event.strength == "hard", Event.source == "smtp")) or 0
    applied = last = 0
    while page := _page(database, issue_id, last):
        if stop is not None and stop.is_set():
            return applied  # the rest at the next look
        last = page[-1].id
        judged = [(one, _judge(one.reason or "")) for one in page]
        hard += sum(strength == "hard" for _one, strength in judged)
        believed = hard <= _BELIEVED or accepted >= hard * _TAKEN_FOR_EACH
        with database.writing() as session:
            for delivery, strength in sorted(judged, key=lambda pair: pair[0].subscriber_id):
                if strength is not None:
                    report = _report(delivery, strength if believed or strength != "hard" else "blocked", now)
                    applied += apply_in(session, settings, keys, report, now) == "applied"
    with database.writing() as session:
        session.merge(Installation(key=marker, value=str(refused), noted_at=now))
    return applied


def _count(session: Session, issue_id: int, state: str) -> int:
    return session.scalar(select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue_id, Delivery.state == state)) or 0


def _page(database: Database, issue_id: int, after: int) -> Sequence[Delivery]:
    """The next refusals that no event tells of."""
    told = (select(Event.id).where(Event.subscriber_id == Delivery.subscriber_id, Event.issue_id == issue_id, Event.kind == "bounce",
                                   Event.source == "smtp").exists())
    with database.reading() as session:
        return session.scalars(select(Delivery).where(Delivery.issue_id == issue_id, Delivery.state == "refused", Delivery.id > after, ~told)
                               .order_by(Delivery.id).limit(_AT_ONCE)).all()


def _judge(reason: str) -> Strength | None:
    answer = _ANSWER.fullmatch(reason)
    return classify("", answer[1]) if answer else None


def _report(delivery: Delivery, strength: Strength, now: datetime) -> Report:
    evidence = evidence_of_mail("bounce", strength, issue_id=delivery.issue_id, notice_id=None, subscriber_id=delivery.subscriber_id)
    return Report("bounce", strength, "smtp", evidence, delivery.settled_at or now, delivery.reason or "", issue_id=delivery.issue_id,
                  subscriber_id=delivery.subscriber_id)
