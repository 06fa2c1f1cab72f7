"""What the other side makes of our pace: which answers are about it, whom they slow, and for how long. Pure.

Gmail's advice (support.google.com/mail/answer/3726730, 4.7.28), taken for all: stop for at least 10 minutes; then one connection; when that is
refused as well, wait again; else add connections one at a time.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.deliver.dispatch.families import WORDS_OF
from publisher.deliver.verdict import Verdict

FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=1)
QUIET = timedelta(minutes=1)
# Mails a second for each connection that is allowed meanwhile, over all workers: each of them opens connections of its own.
EACH = 5.0
# A pause so long ago says nothing of today, also when no mail has passed since.
FORGOTTEN = timedelta(days=1)

_HTTP = ("429", "420")
_RATE_CODE = re.compile(r"\b[45]\.7\.28\b")
_WORDS = re.compile(r"too ?(?:many|much|fast|quick|frequent)|\brates?\b|rate.?limit|throttl|slow ?down|concurren|exceed|\bquota\b|\bvolume\b",
                    re.IGNORECASE)
# Of one reader's mailbox (RFC 3463 section 3.3: X.2.x), a mail's size (X.3.4) or recipients (X.5.3), grey-listing: none is about how much we send.
_NOT_OURS = re.compile(r"\b[45]\.2\.\d|\b[45]\.3\.4\b|\b4\.5\.3\b|mailbox|over ?quota|gr[ea]y.?list", re.IGNORECASE)
# A connection that has carried enough, or was idle, is opened anew (Yahoo closes it even without a word); a relay that is restarted is back soon.
_ONE_CONNECTION = re.compile(r"\b4\.3\.\d|\b4\.4\.\d|(?:per|this|each|one|single) (?:smtp )?(?:connection|session)|time.?out|timed out|idle|"
                             r"shutting down|maintenance|restart", re.IGNORECASE)
_TOO_MANY_OPEN = re.compile(r"too many (?:\w+ )?(?:connections|sessions)|concurren", re.IGNORECASE)


def is_about_pace(verdict: Verdict) -> bool:
    """Whether an answer wants us slower: 421, Google's 4.7.28, HTTP's 429 (Mailgun: 420), passing refusals with words of rate or connections."""
    said = verdict.reason
    if verdict.state not in ("deferred", "refused"):
        return False
    if _RATE_CODE.search(said) or (verdict.state == "deferred" and said.startswith(_HTTP)):
        return True
    if verdict.state == "refused" or _NOT_OURS.search(said):
        return False
    if _ONE_CONNECTION.search(said) and not _TOO_MANY_OPEN.search(said):
        return False
    return said.startswith("421") or bool(_WORDS.search(said))


def is_of_receivers(said: str, domain: str, head: str) -> bool:
    """Whether an answer came from whoever takes the mail of `domain` (of the family `head`) and was passed on, and not from the relay itself.

    It does when it has Google's code, quotes another server ("said:"), or names the domain or its operator. All else is the relay's own.
    """
    if not domain:
        return False
    words = WORDS_OF.get(head)
    return bool(_RATE_CODE.search(said) or " said: " in said or domain in said.lower() or (words is not None and words.search(said)))


@dataclass(frozen=True, slots=True)
class Slowed:
    """A relay or a group of receivers that wants us slower.

    Nothing until `paused_until`; one connection until the first mail has passed (`passed_at`); from then on one more after each quiet minute, until
    there are as many as ever.
    """

    paused_until: datetime
    passed_at: datetime | None
    tries: int
    reason: str

    def most(self, now: datetime, full: int) -> int:
        """Connections now, where `full` would be usual."""
        if now < self.paused_until:
            return 0
        return 1 if self.passed_at is None else min(full, 1 + max(0, (now - self.passed_at) // QUIET))

    def over_at(self, now: datetime, full: int) -> datetime:
        """When it is over, if all goes well: at least a minute after the first mail has passed."""
        return (self.passed_at or max(now, self.paused_until)) + QUIET * max(1, full - 1)

    def is_over(self, now: datetime, full: int) -> bool:
        """Whether the other side has stood our usual pace again, or all this was long ago, or was written by a clock that ran ahead."""
        stood = self.passed_at is not None and now >= self.over_at(now, full)
        return stood or not -LONGEST_PAUSE <= now - self.paused_until < FORGOTTEN

    def passing(self, now: datetime) -> "Slowed":
        """A mail has passed; the first one after a pause begins the climb."""
        if self.passed_at is not None or now < self.paused_until:
            return self
        return Slowed(self.paused_until, now, self.tries, self.reason)


def slow(before: Slowed | None, now: datetime, reason: str) -> Slowed:
    """Pause for 10 minutes, after each failed climb for 10 more, an hour at most. Answers that come during a pause were on the wire before it."""
    if before is not None and now < before.paused_until:
        return before
    tries = before.tries + 1 if before is not None else 1
    return Slowed(now + min(FIRST_PAUSE * tries, LONGEST_PAUSE), None, tries, reason)
