"""Strikes mail addresses out of what servers say: outcomes, events and logs hold none."""

import re

_ADDRESS = re.compile(r"<?[^\s<>@\"]*(?:\"[^\"]*\")?@[^\s<>@,;:]+>?")


def without_addresses(text: str) -> str:
    """`text` with `<…>` in the place of each address."""
    return _ADDRESS.sub("<…>", text)
