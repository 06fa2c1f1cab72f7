"""The dispatch of one newsletter in one process: asked for each batch of mails, told what became of them; what it counts is shared by all workers."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from publisher.deliver.dispatch.groups import RELAY
from publisher.deliver.dispatch.known import Known, slowed_of
from publisher.deliver.dispatch.routes import Routes
from publisher.deliver.dispatch.rows import count_given, lock_paces, take_back
from publisher.deliver.dispatch.sitting import Leave, Wait, decide_all
from publisher.deliver.dispatch.slowing import is_about_pace, is_of_receivers, slow
from publisher.deliver.dispatch.warming import day_of
from publisher.deliver.verdict import Verdict
from publisher.settings import Settings

log = structlog.get_logger("publisher")


class Dispatch:
    """Which relay takes each mail of a newsletter, and when. Used by the one thread that has its hand at the database."""

    def __init__(self, settings: Settings, newsletter: str) -> None:
        self._known = Known(settings)
        self._routes = Routes(settings.all_relays(), newsletter)
        self._only = self._routes.only()
        # A single relay that nothing limits: the decision is the same for every mail, and costs nothing by mail.
        self._plain = self._only is not None and self._only.per_second is None and not self._known.limited

    def decide(self, session: Session, mails: Sequence[tuple[int, str]], now: datetime, down: Collection[str] = ()) -> list[Leave | Wait]:
        """The decision of each mail (delivery id, recipient domain in lower case and ASCII), in their order; those that leave are counted.

        No mail goes over a relay in `down`. One whose relays are all down, while others of the newsletter are not, waits some minutes. Raises NoRelay
        when all of the newsletter's are, or when publisher.toml names none for a mail; then nothing is counted if the transaction is given up.
        """
        if not mails:
            return []
        relay = self.all_leave_by(session, len(mails), now, down)
        return [Leave(relay)] * len(mails) if relay else decide_all(session, self._known, self._routes, mails, now, down)

    def all_leave_by(self, session: Session, mails: int, now: datetime, down: Collection[str] = ()) -> str | None:
        """The relay that takes so many mails, whosever they are, where one takes all and nothing limits it; then they are counted. Else None."""
        self._known.refresh(session, now)
        self._known.begin_day(session, now)
        only = self._only
        if not self._plain or only is None or self._known.slowed or only.name in self._known.allowances or only.name in down:
            return None
        count_given(session, {only.name: mails}, day_of(now))
        return only.name

    @property
    def is_slowing(self) -> bool:
        """Whether anything is slowed: then also what was accepted is worth telling."""
        return bool(self._known.slowed)

    def give_back(self, session: Session, relays: Counter[str] | Mapping[str, int], now: datetime) -> None:
        """Mails that were let go and then not given to the relay after all: they are no part of its day. The pace they took is not given back."""
        take_back(session, relays, day_of(now))

    def heard(self, session: Session, answers: Sequence[tuple[str, str, Verdict]], now: datetime) -> None:
        """Learn from what was settled: (relay, recipient domain or "" where the answer names no receiver, verdict).

        An answer about our pace pauses the receivers whose server gave it, where it shows that, else the relay. While nothing is slowed, accepted
        mails cost a look at each.
        """
        slowed = self._known.slowed
        telling = answers if slowed else [one for one in answers if one[2].state != "accepted"]
        struck: dict[str, str] = {}
        passed: set[str] = set()
        for relay, domain, verdict in telling:
            if is_about_pace(verdict):
                struck.setdefault(self._struck_by(relay, domain, verdict.reason), verdict.reason)
            elif slowed and verdict.state in ("accepted", "refused"):
                passed |= {RELAY + relay, self._known.groups.key_of(domain)} & slowed.keys()
        passed = {key for key in passed - struck.keys() if slowed[key].passing(now) is not slowed[key]}
        if struck or passed:
            self._note(session, struck, passed, now)

    def _struck_by(self, relay: str, domain: str, said: str) -> str:
        groups = self._known.groups
        return groups.key_of(domain) if is_of_receivers(said, domain, groups.family_of(domain)) else RELAY + relay

    def _note(self, session: Session, struck: Mapping[str, str], passed: Collection[str], now: datetime) -> None:
        for key, row in lock_paces(session, [*struck, *passed]).items():
            before = slowed_of(row)
            if before is not None and before.is_over(now, self._known.full(key)):
                before = None
            after = slow(before, now, struck[key]) if key in struck else before.passing(now) if before else None
            if after is None or after is before:
                continue
            row.paused_until, row.passed_at, row.tries, row.reason = after.paused_until, after.passed_at, after.tries, after.reason
            self._known.note(key, after)
            if key in struck:
                log.warning("asked_for_a_rest", whom=key, until=after.paused_until.isoformat(timespec="seconds"), said=after.reason)

    def most_at_once(self, session: Session, relay: str, now: datetime) -> int:
        """Connections of this process to a relay now: those of its entry, fewer while it is slowed, none while it rests."""
        self._known.refresh(session, now)
        return self._known.most(RELAY + relay, now) or 0

    @property
    def bounds_receivers(self) -> bool:
        """Whether the mails on the wire are bounded for anybody now."""
        return bool(self._known.at_once or self._known.slowed)

    def group_of(self, domain: str) -> str | None:
        """The group of a recipient domain where its mails on the wire are bounded now; None mostly."""
        if not self.bounds_receivers:
            return None
        key = self._known.groups.key_of(domain)
        return key if key in self._known.at_once or key in self._known.slowed else None

    def most_of(self, group: str) -> int | None:
        """Mails of this process on the wire at once to a group, as of the last decision; 0 while it rests, None where nothing bounds them."""
        return self._known.most(group, self._known.now) if self._known.now is not None else self._known.at_once.get(group)
