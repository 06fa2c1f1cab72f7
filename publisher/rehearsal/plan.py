"""What the relay of a rehearsal does to each mail, and when the sender is killed or cut off: pure, and derived from a seed.

The same seed makes the same plan. At which mail of which process a kill lands depends on the machine all the same.
"""

import random
from dataclasses import dataclass
from enum import Enum
from functools import cache
from hashlib import blake2b
from typing import Literal


class Fate(Enum):
    """What becomes of one attempt. `LOST` and `SILENT` take the mail and give no answer; the others that break off take nothing."""

    TAKEN = "taken"
    NOBODY = "550 at RCPT: no such reader"
    DISLIKED_AT_DATA = "554 at DATA"
    DISLIKED = "554 after the dot"
    LATER = "450, 451 or 452 at RCPT"
    LATER_AT_DOT = "451 after the dot"
    CLOSING = "421 and an end of the connection"
    CUT = "the connection ends in the middle of the body"
    LOST = "taken, and the connection ends without an answer"
    DROPPED = "not taken, and the connection ends without an answer after the dot"
    SLOW = "taken, and the answer comes late"
    SILENT = "taken, and no answer for longer than anybody waits"


# For each reader, whatever the attempt: a reader who is refused is never taken, so that the ledger has one true answer. Refusals of what a mail
# says stay rare, because an engine that meets many of them in a row stops the issue, and is right.
_LASTING = ((Fate.NOBODY, 0.02), (Fate.DISLIKED_AT_DATA, 0.0015), (Fate.DISLIKED, 0.0015))
# For each attempt. Most mails pass, so that the run gets on.
_PASSING = ((Fate.LATER, 0.02), (Fate.LATER_AT_DOT, 0.01), (Fate.CUT, 0.004), (Fate.LOST, 0.005), (Fate.DROPPED, 0.004), (Fate.SLOW, 0.005))
# These cost seconds each: a few in a rehearsal, however many readers.
_RARE = ((Fate.CLOSING, 3), (Fate.SILENT, 1))
_AT_MOST = 0.02
# From this attempt on a mail is taken: everything ends long before `mail.retry_for` does.
_PATIENCE = 4
LATER_ANSWERS = ("450 4.2.1", "451 4.3.0", "452 4.2.2")


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is done to the sender: `delay` seconds after the relay has seen `after` attempts (0: after the process began)."""

    kind: Literal["kill", "cut", "long cut"]
    after: int
    delay: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a rehearsal with so many readers and kills."""

    seed: int
    readers: int
    kills: int

    def fate(self, reader: int, attempt: int) -> Fate:
        """What becomes of the `attempt`-th try (from 1) to mail a reader."""
        lasting, passing = _rates(self.readers)
        fate = _drawn(self._share("reader", reader), lasting)
        if fate is None and attempt < _PATIENCE:
            fate = _drawn(self._share("attempt", reader, attempt), passing)
        return fate or Fate.TAKEN

    def pause(self, reader: int) -> float:
        """How long a slow answer takes, in seconds."""
        return 0.05 + 0.15 * self._share("pause", reader)

    def later(self, reader: int, attempt: int) -> str:
        """The code with which a mail is put off."""
        return LATER_ANSWERS[int(self._share("later", reader, attempt) * len(LATER_ANSWERS))]

    def mails_on(self, connection: int) -> int | None:
        """After how many mails the `connection`-th connection is closed without a word, as Yahoo's servers do; None for most."""
        share = self._share("connection", connection)
        return 10 + int(share * 1000) if share < 0.35 else None

    def moments(self) -> list[Moment]:
        """What is done to the sender, in its order: the kills spread over the whole list, one in five of them while a process has just begun."""
        chance = random.Random(f"rehearsal {self.seed} {self.readers} {self.kills}")
        cuts = max(1, self.kills // 10)
        # Some mails are left for the last process, and for the troubles that were put off.
        span = self.readers * 0.9
        made = []
        for number in range(self.kills):
            early = number % 5 == 4
            after = span * (number + chance.random()) / self.kills
            made.append(Moment("kill", 0 if early else int(after), chance.random() * (0.5 if early else 0.02)))
        for number in range(cuts):
            place = int((number + 0.2 + 0.6 * chance.random()) * len(made) / cuts)
            # Not before a kill that comes at once: the sender has to live to notice it.
            while place < len(made) and made[place].after == 0:
                place += 1
            before = max((moment.after for moment in made[:place]), default=made[place].after if place < len(made) else int(span / 2))
            made.insert(place, Moment("long cut" if number == 0 else "cut", before, 0.01 + chance.random() * 0.05))
        return made

    def leavers(self, readers: list[int]) -> "Leavers":
        """Who of the readers leaves or is suppressed after the issue was started, and who leaves after which kill."""
        chance = random.Random(f"leavers {self.seed}")
        some = chance.sample(readers, min(len(readers) // 3, max(1, len(readers) // 100) * 2 + self.kills))
        first = max(1, len(readers) // 100) if len(readers) >= 3 else 0
        return Leavers(left=tuple(some[:first]), suppressed=tuple(some[first:2 * first]), later=tuple(some[2 * first:]))

    def _share(self, *about: object) -> float:
        """A number from 0 up to 1 that depends on the seed and on what it is about, and on nothing else."""
        digest = blake2b(":".join(map(str, (self.seed, *about))).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


@dataclass(frozen=True, slots=True)
class Leavers:
    """Readers by id: those who left, or were suppressed, before the first mail; and one for each kill after it."""

    left: tuple[int, ...]
    suppressed: tuple[int, ...]
    later: tuple[int, ...]


_Rates = tuple[tuple[Fate, float], ...]


@cache
def _rates(readers: int) -> tuple[_Rates, _Rates]:
    """The rates of what lasts and of what passes. In a small rehearsal each trouble comes about once as well."""
    once = min(_AT_MOST, 1 / readers)
    lasting, passing = (tuple((fate, max(rate, once)) for fate, rate in rates) for rates in (_LASTING, _PASSING))
    return lasting, (*passing, *((fate, min(_AT_MOST, number / readers)) for fate, number in _RARE))


def _drawn(share: float, rates: _Rates) -> Fate | None:
    for fate, rate in rates:
        if share < rate:
            return fate
        share -= rate
    return None
