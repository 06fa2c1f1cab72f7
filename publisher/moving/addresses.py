"""Old addresses: a path in the one spelling under which it is kept and looked for."""

import unicodedata

LONGEST_PATH = 500


def kept_path(path: str) -> str | None:
    """`path`, decoded before, without a slash at its end; None for one that cannot be an old address of a page."""
    found = unicodedata.normalize("NFC", path).rstrip("/")
    return found if found.startswith("/") and 1 < len(found) <= LONGEST_PATH and found.isprintable() else None
