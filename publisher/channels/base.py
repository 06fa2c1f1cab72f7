"""What the engine needs of a network: post once, and say whether an earlier post is there. One bit of failure crosses this border."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Posted:
    """A post that is there: its id on the network and where people see it. `permalink` is None when the network does not say."""

    external_id: str | None
    permalink: str | None


class ChannelError(Exception):
    """The post was not made. `permanent`: trying again would change nothing. `retry_at`: not before, because the network said so."""

    def __init__(self, reason: str, *, permanent: bool, retry_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason, self.permanent, self.retry_at = reason, permanent, retry_at


class OutcomeUnknown(Exception):
    """Nobody knows whether the post was made: the answer was lost after the request may have arrived."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Channel(Protocol):
    """One account on one network.

    `repeatable`: posting the same `post_id` again makes no second post, so that an unknown outcome may simply be tried again.
    """

    repeatable: bool

    def post(self, post_id: int, text: str, now: datetime) -> Posted:
        """Make the post. Raises ChannelError when it was not made, OutcomeUnknown when that cannot be said."""
        ...

    def find(self, text: str, since: datetime, now: datetime) -> Posted | None:
        """The post with this text on the account's own timeline since then, or None when it is surely not there. Raises ChannelError when it
        cannot be looked at."""
        ...
