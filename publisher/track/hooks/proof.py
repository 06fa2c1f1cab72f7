"""What every provider's message goes through: who is asked for proof, what a wrong one costs, and how old a message may be."""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

# Providers sign each attempt anew, and their clocks and queues are not ours. What is older was kept by somebody.
FRESH = timedelta(minutes=5)
# Mailgun and SendGrid sign once and try for hours (Mailgun: 8, SendGrid: 24): a replay within that time is known by its own mark.
PATIENT = timedelta(hours=25)
_LONGEST = 300


class WrongContent(Exception):
    """A message that is not what its provider writes: 400."""


class NoProof(Exception):
    """A message that does not come from where it says: 403, and nothing of it is looked at."""


class CannotTell(Exception):
    """The proof could not be checked now (a certificate could not be had): 503, and the provider comes again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request of a provider: headers in lower case, and the body as it came over the wire."""

    headers: Mapping[str, str]
    body: bytes
    now: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a provider tells of one mail. `address` counts because the proof was checked; our own marks count before it.

    `kind` and `strength` are those of a report; `mark` is the provider's own name of this event.
    """

    kind: str
    mark: str
    at: datetime
    strength: str = ""
    reason: str = ""
    address: str | None = None
    envelope: str | None = None
    message_id: str | None = None
    unsubscribe: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a message held. `mark` is the message's own, by which a second one is known; `visit` is to be fetched (SNS asks for it)."""

    mark: str
    told: list[Told] = field(default_factory=list)
    visit: str | None = None


Fetch = Callable[[str], bytes]


def as_json(body: bytes) -> Any:
    """The body as JSON. Raises WrongContent."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise WrongContent("the body is no JSON") from None


def an_object(value: Any, what: str) -> dict[str, Any]:
    """`value` as an object. Raises WrongContent."""
    if not isinstance(value, dict):
        raise WrongContent(f"{what} is no object")
    return value


def some_text(holder: Mapping[str, Any], name: str) -> str:
    """A text that must be there. Raises WrongContent."""
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise WrongContent(f"{name} is missing")
    return value


def words(*parts: object) -> str:
    """What a provider says, on one line."""
    return " ".join(" ".join(str(part) for part in parts if part).split())[:_LONGEST]


def is_fresh(at: datetime, now: datetime, within: timedelta) -> bool:
    """Whether a signed moment is near enough, in either direction."""
    return abs(now - at) <= within


def moment(value: object, now: datetime) -> datetime:
    """A moment as providers write it: ISO 8601, or seconds since 1970; `now` for what is neither or lies ahead."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            found = datetime.fromisoformat(str(value))
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return min(found, now)


def seconds(value: str) -> datetime:
    """A signed moment in seconds since 1970. Raises NoProof."""
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError):
        raise NoProof("the signed moment is no moment") from None


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in the same time whether they are or not."""
    return hmac.compare_digest(one.encode(), other.encode())
