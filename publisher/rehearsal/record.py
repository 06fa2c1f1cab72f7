"""What the relay of a rehearsal saw: who was mailed how often, by which process, with which Message-ID. Held in memory, by readers' ids."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Take(NamedTuple):
    """A mail that the relay took: from which process (its number, from 1), whether it was answered, and a hash of the Message-ID (0: none)."""

    process: int
    answered: bool
    message: int


@dataclass(slots=True)
class Record:
    """All of it. `attempts` counts by reader, `seen` altogether; `on_wire` holds readers at whose mail something broke."""

    takes: dict[int, tuple[Take, ...]] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    on_wire: set[int] = field(default_factory=set)
    faults: dict[str, int] = field(default_factory=dict)
    strangers: int = 0
    seen: int = 0
    mails: int = 0

    def attempt(self, reader: int) -> int:
        """Count one more try to mail a reader; returns how many there were."""
        self.seen += 1
        self.attempts[reader] = number = self.attempts.get(reader, 0) + 1
        return number

    def take(self, reader: int, take: Take) -> None:
        """Note a mail that was taken."""
        self.mails += 1
        self.takes[reader] = (*self.takes.get(reader, ()), take)
        if not take.answered:
            self.on_wire.add(reader)

    def fault(self, what: str) -> None:
        """Note something that is wrong with a mail, in a word."""
        self.faults[what] = self.faults.get(what, 0) + 1

    def repeats(self) -> Iterator[tuple[int, Take, Take]]:
        """Each mail that was taken again: the reader, the mail before it, and itself."""
        for reader, takes in self.takes.items():
            for before, again in zip(takes, takes[1:], strict=False):
                yield reader, before, again
