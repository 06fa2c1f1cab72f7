"""How often mail to a reader may come back: Mailman 3.3.10's figures (styles/base.py: threshold 5, stale after 7 days, one increment a day)."""

from dataclasses import dataclass
from datetime import date, timedelta

THRESHOLD = 5.0
STALE_AFTER = timedelta(days=7)
INCREMENT = 1.0


@dataclass(frozen=True, slots=True)
class Score:
    """What has come back from one reader lately, and on which day the last of it."""

    value: float
    last_day: date

    @property
    def is_too_much(self) -> bool:
        """Whether the reader is given up."""
        return self.value >= THRESHOLD


def after_bounce(before: Score | None, day: date) -> Score:
    """The score after a bounce on `day`: one increment a day however many come, anew when nothing came for longer than a week.

    A report that arrives after a later one adds nothing: its day has been counted, or is too old to say more than the later one does.
    """
    if before is None or day - before.last_day > STALE_AFTER:
        return Score(INCREMENT, day)
    return before if day <= before.last_day else Score(before.value + INCREMENT, day)
