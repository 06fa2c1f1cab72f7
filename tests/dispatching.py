"""A dispatch over a database, asked with a clock that a test moves."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from publisher.db import Database
from publisher.deliver.dispatch.dispatch import Dispatch
from publisher.deliver.dispatch.sitting import Leave, Wait
from publisher.deliver.verdict import State, Verdict
from publisher.models_sending import RelayDay
from publisher.settings import Settings
from tests import composing

NOW = datetime(2025, 12, 5, 7, 0, tzinfo=UTC)
SLOWER = "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail"


def relay(name: str, **more: Any) -> dict[str, Any]:
    """An entry of `relays` that is not warmed up, unless told otherwise."""
    return {"name": name, "url": f"smtp://{name}.example.net", "warm_up": False} | more


def settings(*relays: dict[str, Any], **sections: Any) -> Settings:
    """Settings with these relays."""
    return composing.settings(relays=relays, **sections)


class Desk:
    """One worker: a dispatch and its transactions."""

    def __init__(self, database: Database, made: Settings, newsletter: str = "morning") -> None:
        self.database, self.dispatch, self.now = database, Dispatch(made, newsletter), NOW

    def ask(self, domains: Sequence[str], *, first: int = 1, down: Collection[str] = ()) -> list[Leave | Wait]:
        """The decision of as many mails, numbered from `first`."""
        with self.database.writing() as session:
            return self.dispatch.decide(session, list(enumerate(domains, first)), self.now, down)

    def many(self, number: int, domain: str = "example.jp", *, first: int = 1, down: Collection[str] = ()) -> Counter[str]:
        """What became of `number` mails to one domain: by relay, or by the reason to wait."""
        return Counter(one.relay if isinstance(one, Leave) else one.reason for one in self.ask([domain] * number, first=first, down=down))

    def hear(self, said: str, domain: str = "gmail.com", relay: str = "a", state: State = "deferred") -> None:
        """One answer."""
        with self.database.writing() as session:
            self.dispatch.heard(session, [(relay, domain, Verdict(state, said))], self.now)

    def connections(self, relay: str = "a") -> int:
        """Connections now."""
        with self.database.reading() as session:
            return self.dispatch.most_at_once(session, relay, self.now)

    def pass_by(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)


def given(database: Database, relay: str = "a", day: str = "2025-12-05") -> int:
    """What a relay was given on a day."""
    with database.reading() as session:
        row = session.get(RelayDay, (relay, day))
        return row.given if row else 0


def history(database: Database, relay: str, *given_on: int) -> None:
    """What a relay was given on the days before today, the last one yesterday."""
    with database.writing() as session:
        for ago, mails in enumerate(reversed(given_on), 1):
            session.add(RelayDay(relay=relay, day=(NOW - timedelta(days=ago)).date().isoformat(), given=mails))
