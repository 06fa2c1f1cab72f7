"""A rendered mail that is no issue: `compose` makes it, `deliver` fills its slots and sends it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Letter:
    """Subject, both parts with slots (`text/slots.py`), and headers in their order as Unicode. `slots` are the names used."""

    subject: str
    html: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)
