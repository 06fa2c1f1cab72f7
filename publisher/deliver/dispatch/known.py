"""What a worker knows of relays and receivers: from publisher.toml for good, from the rows that all workers share for a second at most."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.deliver.dispatch.groups import LIMIT, RELAY, Groups
from publisher.deliver.dispatch.slowing import EACH, FORGOTTEN, Slowed
from publisher.deliver.dispatch.warming import adopt_history, allowance, day_of, histories
from publisher.models_sending import MailHost, Pace
from publisher.settings import Settings

_GOOD_FOR = timedelta(seconds=1)
_HOSTS_GOOD_FOR = timedelta(minutes=10)


def slowed_of(row: Pace) -> Slowed | None:
    """What a row says of the other side's wishes."""
    return None if row.paused_until is None else Slowed(row.paused_until, row.passed_at, row.tries, row.reason or "")


class Known:
    """`slowed` are the keys that want us slower now, `allowances` what relays that are being warmed up may be given today."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.relays = {entry.name: entry for entry in settings.all_relays()}
        self.groups = Groups(settings.limits)
        self.slowed: dict[str, Slowed] = {}
        self.allowances: dict[str, int] = {}
        self.now: datetime | None = None
        self._fresh = False
        self._day = ""
        self._hosts_read: datetime | None = None
        self._asks_hosts = any(limit.mx for limit in settings.limits)
        self._per_second = {LIMIT + limit.name: limit.per_second for limit in settings.limits if limit.per_second}
        self.limited = bool(self._per_second)
        self._per_second |= {RELAY + entry.name: entry.per_second for entry in self.relays.values() if entry.per_second}
        self.at_once = {LIMIT + limit.name: limit.connections for limit in settings.limits if limit.connections}
        self._most_connections = max(entry.connections for entry in self.relays.values())

    def refresh(self, session: Session, now: datetime) -> None:
        """Read again what is older than a second (which hosts take which mail: than ten minutes)."""
        if self._fresh and self.now is not None and abs(now - self.now) < _GOOD_FOR:
            return
        rows = session.scalars(select(Pace).where(Pace.paused_until > now - FORGOTTEN).execution_options(populate_existing=True))
        found = {row.key: slowed for row in rows if (slowed := slowed_of(row)) is not None}
        self.slowed = {key: slowed for key, slowed in found.items() if not slowed.is_over(now, self.full(key))}
        self.now, self._fresh = now, True
        if self._asks_hosts and (self._hosts_read is None or abs(now - self._hosts_read) >= _HOSTS_GOOD_FOR):
            self.groups.learn([(domain, host) for domain, host in session.execute(select(MailHost.domain, MailHost.host).where(MailHost.host != ""))])
            self._hosts_read = now

    def begin_day(self, session: Session, now: datetime) -> None:
        """Read the histories of the relays when a day has begun; in a transaction that writes, because an older installation's is written down."""
        if self._day == day_of(now):
            return
        relays = list(self.relays.values())
        adopted = adopt_history(session, relays, now)
        past = histories(session, relays, now)
        plans = {entry.name: allowance(self._settings.warm_up, past[entry.name]) for entry in relays if entry.warm_up}
        self.allowances = {name: may for name, may in plans.items() if may is not None}
        # Who begins this transaction may give it up: looked at once more in the next one, what was adopted is there or is adopted again.
        self._day = "" if adopted else day_of(now)

    def note(self, key: str, slowed: Slowed) -> None:
        """Somebody wants us slower, as was just written: it holds at once, and the next look at the rows is a fresh one."""
        self.slowed = self.slowed | {key: slowed}
        self._fresh = False

    def full(self, key: str) -> int:
        """The connections, or mails on the wire at once, that are usual for a relay or a group."""
        if key.startswith(RELAY):
            entry = self.relays.get(key.removeprefix(RELAY))
            return entry.connections if entry else 1
        return self.at_once.get(key, self._most_connections)

    def most(self, key: str, now: datetime) -> int | None:
        """Connections, or mails on the wire at once, that a relay or a group may have now; None where nothing bounds them."""
        slowed = self.slowed.get(key)
        if slowed is not None:
            return slowed.most(now, self.full(key))
        return self.full(key) if key.startswith(RELAY) else self.at_once.get(key)

    def pause_of(self, key: str, now: datetime) -> datetime | None:
        """Until when nothing may go there."""
        slowed = self.slowed.get(key)
        return slowed.paused_until if slowed is not None and now < slowed.paused_until else None

    def pace_of(self, key: str, now: datetime) -> tuple[float, datetime | None] | None:
        """Mails a second that may go there now, and when that is over; None where nothing limits them."""
        usual, slowed = self._per_second.get(key), self.slowed.get(key)
        if slowed is not None:
            meanwhile = EACH * max(1, slowed.most(now, self.full(key)))
            if usual is None or meanwhile < usual:
                return meanwhile, slowed.over_at(now, self.full(key))
        return None if usual is None else (usual, None)
