"""A cell that a spreadsheet would run as a formula gets an apostrophe in front, and loses it on the way back.

OWASP, "CSV Injection": cells that begin with = + - @, a tab or a carriage return; the full-width signs count as well for Japanese programs. A cell
that begins so behind apostrophes of its own gets one more, so that what is taken away is always ours.
"""

import re

_DANGEROUS = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


def guarded(cell: str) -> str:
    """`cell` as it may stand in a file that a spreadsheet opens."""
    return "'" + cell if cell and _DANGEROUS.match(cell) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given; a cell without a guard comes back as it is."""
    return cell[1:] if cell[:1] == "'" and _GUARDED.match(cell) else cell
