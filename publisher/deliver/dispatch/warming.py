"""A relay without history is given more each day: how much today, and what an older installation gave its relay before days were counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.deliver.dispatch.rows import add_days
from publisher.models import Delivery, Issue
from publisher.models_sending import RelayDay
from publisher.settings_sending import RelayEntry, WarmUp

# Enough for any plan that grows; older issues of an old installation need not be counted.
_ISSUES_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class History:
    """What a relay was given on the days before today: on how many of them anything, and the most on one."""

    days: int = 0
    best: int = 0


def day_of(now: datetime) -> str:
    """The day of `now` as relay_days writes it (UTC)."""
    return now.astimezone(UTC).date().isoformat()


def tomorrow(now: datetime) -> datetime:
    """The start of the next day (UTC)."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def allowance(plan: WarmUp, history: History) -> int | None:
    """How many mails a relay may be given today; None for as many as there are, because it was given `ceiling` on an earlier day."""
    if history.best >= plan.ceiling:
        return None
    may = float(plan.start)
    for _day in range(history.days):
        may *= plan.growth
        if may >= plan.ceiling:
            break
    return min(int(may), plan.ceiling)


def histories(session: Session, relays: Sequence[RelayEntry], now: datetime) -> dict[str, History]:
    """The history of each relay: what relay_days knows, and what was sent before days were counted."""
    names = [entry.name for entry in relays]
    rows = session.execute(select(RelayDay.relay, func.count(), func.max(RelayDay.given))
                           .where(RelayDay.relay.in_(names), RelayDay.day < day_of(now), RelayDay.given > 0).group_by(RelayDay.relay))
    known = {relay: History(days, best) for relay, days, best in rows}
    if before := _uncounted(session, relays, now):
        known[names[0]] = History(len(before), max(before.values()))
    return {name: known.get(name, History()) for name in names}


def adopt_history(session: Session, relays: Sequence[RelayEntry], now: datetime) -> int:
    """Count the mails of days before relays were counted as those of the one relay there was; returns on how many days it was used.

    That is done once, for an installation with a single relay that has no row yet: of several nobody knows which it was (`warm_up = false` says so).
    """
    before = _uncounted(session, relays, now)
    add_days(session, [(relays[0].name, day, given) for day, given in before.items()])
    return len(before)


def _uncounted(session: Session, relays: Sequence[RelayEntry], now: datetime) -> dict[str, int]:
    if len(relays) != 1 or session.scalar(select(RelayDay.day).where(RelayDay.relay == relays[0].name).limit(1)) is not None:
        return {}
    return _before_counting(session, now)


def _before_counting(session: Session, now: datetime) -> dict[str, int]:
    """Mails that were accepted on earlier days and name no relay, by the day on which their issue began."""
    today = tomorrow(now) - timedelta(days=1)
    issues = select(Issue.id, Issue.started_at).where(Issue.started_at < today).order_by(Issue.started_at.desc()).limit(_ISSUES_LOOKED_AT).subquery()
    rows = session.execute(select(issues.c.started_at, func.count()).join(Delivery, Delivery.issue_id == issues.c.id)
                           .where(Delivery.state == "accepted", Delivery.relay.is_(None)).group_by(issues.c.id, issues.c.started_at))
    found: dict[str, int] = {}
    for started, count in rows:
        found[day_of(started)] = found.get(day_of(started), 0) + count
    return found
