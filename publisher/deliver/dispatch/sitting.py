"""Decides of one batch of mails, with the rows that matter locked: which leaves over which relay, and which waits until when."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from publisher.deliver.dispatch.groups import RELAY
from publisher.deliver.dispatch.known import Known
from publisher.deliver.dispatch.pacing import Pacer
from publisher.deliver.dispatch.routes import NoRelay, Routes
from publisher.deliver.dispatch.rows import count_given, lock_days, lock_paces
from publisher.deliver.dispatch.warming import day_of, tomorrow
from publisher.i18n import N_
from publisher.settings_sending import RelayEntry

# The reasons of rows that wait, in English as all that rows hold; `name` is a relay, a limit or a domain.
PACE, RELAY_RESTS, RECEIVERS_REST = N_("pace of %(name)s"), N_("the relay %(name)s asked for a rest"), N_("%(name)s asked for a rest")
WARMING, DOWN = N_("warming up the relay %(name)s"), N_("the relay %(name)s takes no mail now")
_DOWN_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Leave:
    """The mail leaves now, over this relay."""

    relay: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The mail stays a queued row, and is asked about again at `until`; `reason` goes into its row."""

    until: datetime
    reason: str


def name_in(key: str) -> str:
    """The name of a relay, a limit or a domain in its key."""
    return key.partition(":")[2]


def rest_reason(key: str) -> str:
    """The reason of mails that wait because this relay, or these receivers, asked for a rest."""
    return (RELAY_RESTS if key.startswith(RELAY) else RECEIVERS_REST) % {"name": name_in(key)}


class Sitting:
    """One batch. Everything is counted in memory; `close` writes it."""

    def __init__(self, session: Session, known: Known, routes: Routes, mails: Sequence[tuple[int, str]], now: datetime,
                 down: Collection[str]) -> None:
        self._session, self._known, self._routes, self._now, self._down = session, known, routes, now, down
        self._groups = {domain: known.groups.key_of(domain) for domain in {domain for _id, domain in mails}}
        relays = [entry for entry in routes.all() if entry.name not in down]
        keys = {RELAY + entry.name for entry in relays} | set(self._groups.values())
        self._pauses = {key: until for key in keys if (until := known.pause_of(key, now)) is not None}
        paces = {key: pace for key in keys - self._pauses.keys() if (pace := known.pace_of(key, now)) is not None}
        self._rows = lock_paces(session, paces)
        self._pacers = {key: Pacer(paces[key][0], row.free_at, row.booked_to, now, paces[key][1]) for key, row in self._rows.items()}
        self._left: dict[str, int] = {}
        if any(entry.name in known.allowances for entry in relays):
            given = lock_days(session, [entry.name for entry in relays], day_of(now))
            self._left = {entry.name: known.allowances[entry.name] - given[entry.name] for entry in relays if entry.name in known.allowances}
        self._given: Counter[str] = Counter()
        self._leaves = {entry.name: Leave(entry.name) for entry in relays}

    def decide(self, delivery_id: int, domain: str) -> Leave | Wait:
        """Whether a mail leaves now. Raises NoRelay when publisher.toml names no relay for it."""
        group = self._groups[domain]
        if group in self._pauses:
            return Wait(self._pauses[group], rest_reason(group))
        relay = self._relay_for(delivery_id, domain)
        if isinstance(relay, Wait):
            return relay
        pacers = [(key, self._pacers[key]) for key in (RELAY + relay.name, group) if key in self._pacers]
        late = [(pacer.book(), key) for key, pacer in pacers if not pacer.may_leave()]
        if late:
            until, key = max(late)
            return Wait(until, PACE % {"name": name_in(key)})
        for _key, pacer in pacers:
            pacer.leave()
        if relay.name in self._left:
            self._left[relay.name] -= 1
        self._given[relay.name] += 1
        return self._leaves[relay.name]

    def _relay_for(self, delivery_id: int, domain: str) -> RelayEntry | Wait:
        """The mail's own relay; while that one rests or has had its share of today, another that has its history."""
        order = self._routes.order(delivery_id, domain, self._down)
        if not order:
            first = self._routes.order(delivery_id, domain)[0]
            return Wait(self._now + _DOWN_FOR, DOWN % {"name": first.name})
        waits = []
        for place, entry in enumerate(order):
            wait = self._wait_of(entry.name)
            if wait is not None:
                waits.append(wait)
            elif place == 0 or entry.name not in self._left:
                return entry
        return min(waits, key=lambda wait: wait.until)

    def _wait_of(self, relay: str) -> Wait | None:
        key = RELAY + relay
        if key in self._pauses:
            return Wait(self._pauses[key], rest_reason(key))
        if self._left.get(relay, 1) <= 0:
            return Wait(tomorrow(self._now), WARMING % {"name": relay})
        return None

    def close(self) -> None:
        """Write what was counted."""
        for key, row in self._rows.items():
            row.free_at, row.booked_to = self._pacers[key].free_at, self._pacers[key].booked_to
        count_given(self._session, self._given, day_of(self._now))


def decide_all(session: Session, known: Known, routes: Routes, mails: Sequence[tuple[int, str]], now: datetime,
               down: Collection[str]) -> list[Leave | Wait]:
    """The decision of each mail, in their order. Raises NoRelay when every relay of the newsletter is down."""
    relays = routes.all()
    if relays and all(entry.name in down for entry in relays):
        raise NoRelay.all_down(entry.name for entry in relays)
    sitting = Sitting(session, known, routes, mails, now, down)
    decided = [sitting.decide(delivery_id, domain) for delivery_id, domain in mails]
    sitting.close()
    return decided
