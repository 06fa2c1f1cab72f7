"""One thing that came back after sending, as a mail, a provider's message or a relay's answer told it, before it is applied."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# bounce: it did not arrive. complaint: the reader called it spam, or asked never to be mailed. delay: it is still tried, and counts for nothing.
# left: the reader left at the provider's. other: kept for whoever looks, and counts for nothing.
Kind = Literal["bounce", "complaint", "delay", "left", "other"]
# A provider took it, handed it on, or the reader opened it: says of a mail whose answer was lost that it had left, and is not kept.
Sign = Literal["arrived"]
# Of a bounce. hard: there is no such address. soft: it did not arrive this time. blocked: refused for what we are or wrote, not the reader's fault.
Strength = Literal["", "hard", "soft", "blocked"]
Source = Literal["dsn", "arf", "mail", "ses", "mailgun", "postmark", "sendgrid", "resend", "smtp"]


@dataclass(frozen=True, slots=True)
class Report:
    """What came back, about whom.

    `evidence` (at most 64 characters, see `evidence_of` and `evidence_of_mail`) makes the same report count once. `at` is when it happened.
    `reason` is for a person and holds no address. Without `subscriber_id` it is about nobody we know.
    """

    kind: Kind | Sign
    strength: Strength
    source: Source
    evidence: str
    at: datetime
    reason: str = ""
    issue_id: int | None = None
    notice_id: int | None = None
    subscriber_id: int | None = None


def evidence_of(*parts: object) -> str:
    """The evidence of a report that carries a stable name of its own, such as a provider's event id: a hash, 64 hexadecimal digits."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode("utf-8", "surrogatepass")).hexdigest()


def evidence_of_mail(kind: Kind | Sign, strength: Strength, *, issue_id: int | None, notice_id: int | None, subscriber_id: int) -> str:
    """The evidence of what became of one mail of ours: whoever tells it, and however often, it counts once."""
    return evidence_of("mail", kind, strength, issue_id, notice_id, subscriber_id)
