"""Stories and rules for tests of the choice: each has a headline and a text of its own unless a test says otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any

from publisher.curate.choose import Candidate, Rules

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
_SYLLABLES = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ"


def own_words(seed: int, length: int = 80) -> str:
    """A text that shares next to nothing with that of another seed, and is the same each time."""
    state, out = seed * 2654435761 % 2**32 + 1, []
    for _step in range(length):
        state = state * 1664525 % 2**32 + 1013904223
        out.append(_SYLLABLES[(state >> 16) % len(_SYLLABLES)])
    return "".join(out)


def story(number: int, **changes: Any) -> Candidate:
    """Story `number`, approved `number` hours before NOW."""
    values: dict[str, Any] = {"id": number, "headline": own_words(number, 14), "text": own_words(1000 + number),
                              "approved_at": NOW - timedelta(hours=number)}
    return Candidate(**(values | changes))


def rules(**changes: Any) -> Rules:
    """Rules that take anything of the last week, and one story is enough."""
    return Rules(**({"min_stories": 1} | changes))
