"""Slots: the places of a frozen text that differ by reader, marked by characters no story can hold.

The marks are private-use characters; `clean` in this package strips them from everything that comes in.
"""

import re
from collections.abc import Callable, Mapping

START, END = "\ue000", "\ue001"
_SLOT = re.compile(f"{START}([a-z_]+){END}")


def slot(name: str) -> str:
    """The mark of the slot `name`."""
    return f"{START}{name}{END}"


def split_slots(text: str) -> list[tuple[str, str | None]]:
    """`text` as (fixed part, slot that follows it or None): what is encoded once, and what costs a join by reader."""
    parts = _SLOT.split(text)
    return [(fixed, parts[index + 1] if index + 1 < len(parts) else None) for index, fixed in enumerate(parts) if index % 2 == 0]


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """`text` with every slot filled. Raises KeyError for a slot without a value: a mail never leaves with a hole."""
    return _SLOT.sub(lambda found: escape(values[found[1]]), text)
