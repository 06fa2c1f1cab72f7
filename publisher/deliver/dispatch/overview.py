"""What an operator sees of relays and receivers, and how the rest that they asked for is ended by hand."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from publisher.db import Database
from publisher.deliver.dispatch.groups import RELAY, Groups
from publisher.deliver.dispatch.known import Known, slowed_of
from publisher.deliver.dispatch.sitting import name_in, rest_reason
from publisher.deliver.dispatch.slowing import Slowed
from publisher.deliver.dispatch.warming import allowance, day_of, histories
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Delivery, Issue
from publisher.models_sending import Pace, RelayDay
from publisher.settings import Settings
from publisher.settings_sending import Relay, RelayEntry


@dataclass(frozen=True, slots=True)
class RelayStanding:
    """One relay: what it was given today of what it may be given (None: as much as there is), its past, and whether it is slowed.

    `connections` are those that one process opens now. `paused_until` is in the future, or None.
    """

    name: str
    kind: str
    place: str
    given: int
    allowance: int | None
    days: int
    best: int
    connections: int
    paused_until: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ReceiversStanding:
    """Receivers who are slowed: a limit, or the domains of one operator by the first of them. `at_once`: mails on the wire to them now."""

    name: str
    at_once: int
    paused_until: datetime | None
    reason: str


def standings(database: Database, settings: Settings, now: datetime) -> tuple[list[RelayStanding], list[ReceiversStanding]]:
    """Every relay in its order, and every group of receivers that is slowed. Changes nothing."""
    relays, known = settings.all_relays(), Known(settings)
    with database.reading() as session:
        past = histories(session, relays, now)
        today = {relay: given for relay, given in session.execute(select(RelayDay.relay, RelayDay.given).where(RelayDay.day == day_of(now)))}
        rows = {row.key: slowed_of(row) for row in session.scalars(select(Pace).where(Pace.paused_until.is_not(None)).order_by(Pace.key))}
    slowed = {key: one for key, one in rows.items() if one is not None and not one.is_over(now, known.full(key))}

    def standing(entry: RelayEntry) -> RelayStanding:
        history, one = past[entry.name], slowed.get(RELAY + entry.name)
        return RelayStanding(
            entry.name, entry.kind, _place(entry), today.get(entry.name, 0), allowance(settings.warm_up, history) if entry.warm_up else None,
            history.days, history.best, one.most(now, entry.connections) if one else entry.connections, _pause(one, now), one.reason if one else None)

    receivers = [ReceiversStanding(name_in(key), one.most(now, known.full(key)), _pause(one, now), one.reason)
                 for key, one in slowed.items() if not key.startswith(RELAY)]
    return [standing(entry) for entry in relays], receivers


def _pause(slowed: Slowed | None, now: datetime) -> datetime | None:
    return slowed.paused_until if slowed is not None and slowed.paused_until > now else None


def _place(entry: RelayEntry) -> str:
    if entry.kind != "smtp":
        return entry.place
    relay = Relay.parse(entry.url)
    return f"{relay.host}:{relay.port}"


def resume(database: Database, settings: Settings, name: str, now: datetime) -> list[str]:
    """End the rest of the relay `name`, and of the limit or the receivers of that name; returns whose it was.

    The mails that waited for it are due at once. Raises PublisherError when nothing of that name rests or is slowed.
    """
    domain = name.lower()
    groups = Groups(settings.limits)
    with database.writing() as session:
        rows = session.scalars(select(Pace).where(Pace.paused_until.is_not(None)).order_by(Pace.key).with_for_update()).all()
        chosen = [row for row in rows if name_in(row.key) in (name, domain) or row.key == groups.key_of(domain)]
        ended = [row.key for row in chosen]
        for row in chosen:
            row.paused_until, row.passed_at, row.tries, row.reason, row.booked_to = None, None, 0, None, None
    if not ended:
        raise PublisherError(_("nothing of the name %(name)s rests or is slowed", name=name), remedy=_("see who does with: publisher relays list"))
    sending = select(Issue.id).where(Issue.state == "sending")
    # In a transaction of its own: whoever claims mails locks them before it looks at paces.
    with database.writing() as session:
        session.execute(update(Delivery).where(Delivery.issue_id.in_(sending), Delivery.state == "queued", Delivery.not_before > now,
                                               Delivery.reason.in_([rest_reason(key) for key in ended])).values(not_before=None))
    return [name_in(key) for key in ended]
