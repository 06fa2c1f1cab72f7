"""What the processes that share an issue tell each other through their pipes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from publisher.clock import utc_now
from publisher.errors import PublisherError
from publisher.settings import Settings
from publisher.tokens import Keys


@dataclass(frozen=True, slots=True)
class Order:
    """What a child needs to know. Keys and secrets reach it by the pipe only."""

    parent: int
    language: str
    database_url: str
    settings: Settings
    keys: Keys = field(repr=False)
    issue_id: int
    secrets: Mapping[str, str] = field(repr=False)
    ahead: timedelta  # by how much the parent's clock is ahead of the machine's

    def now(self) -> datetime:
        """The moment, as the parent's clock would tell it."""
        return utc_now() + self.ahead


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one slice: nothing (it was sent as far as it was due), `busy` when another process holds it, or why it ended early."""

    number: int
    busy: bool = False
    trouble: PublisherError | None = None
