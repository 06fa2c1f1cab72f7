"""A rendered mail that is no issue: `compose` makes it, `deliver` fills its slots and sends it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Letter:
    """Subject, both parts and headers (in their order, as Unicode), each with slots (`text/slots.py`).

    The slots of links are of the list `list_id`, which is called `list_name`: the one the mail is about, or the first of several.
    """

    subject: str
    html: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    list_id: int | None = None
    list_name: str = ""
