"""What is known of one mail after an attempt, and of all mails of an issue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["accepted", "refused", "deferred", "unknown"]


@dataclass(slots=True)
class Verdict:
    """The outcome of one attempt. `reason` is what the relay said, without an address.

    `closing`: the relay wants this connection to end (RFC 5321 section 3.8, 421). `policy`: it refused us or what the mail says, not whom it is for.
    """

    state: State
    reason: str
    closing: bool = False
    policy: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """The mails of an issue by state."""

    total: int = 0
    queued: int = 0
    sending: int = 0
    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    unknown: int = 0
    skipped: int = 0

    @classmethod
    def of(cls, by_state: Mapping[str, int]) -> "Counts":
        """The counts of rows grouped by state."""
        return cls(total=sum(by_state.values()), **by_state)

    @property
    def unfinished(self) -> int:
        """Mails whose row has not ended yet."""
        return self.queued + self.sending + self.deferred + self.unknown
