"""The block under every mail: who speaks, where they are, whom to ask and how to leave. The law wants all of it."""

import re

from publisher.settings import Settings

# The slots of an issue: what differs by reader. `deliver` fills them.
SLOTS = ("leave_url", "preferences_url")
# Act on Regulation of Transmission of Specified Electronic Mail (Japan), article 4 and rule 9; CAN-SPAM wants the postal address.
_REQUIRED = ("name", "postal_address", "contact")


def missing_fields(settings: Settings) -> list[str]:
    """The settings that are required under every mail and are empty, as keys of publisher.toml."""
    return [f"site.{field}" for field in _REQUIRED if not getattr(settings.site, field).strip()]


def contact_url(contact: str) -> str | None:
    """Where a contact leads: a mail address or a web page; a telephone number is text."""
    contact = contact.strip()
    if re.fullmatch(r"[^\s@<>:/?&%\"]+@[A-Za-z0-9.-]+", contact):
        return f"mailto:{contact}"
    return contact if re.fullmatch(r"https?://[^\s<>\"]+", contact) else None
