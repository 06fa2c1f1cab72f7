"""What an examination says: one point, whether it is right, what to do, and the record or command that does it."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from publisher.i18n import _

State = Literal["right", "doubtful", "wrong"]
_LONGEST_STRING = 255


@dataclass(frozen=True, slots=True)
class Finding:
    """One point. `code` is for machines, `what` and `remedy` are sentences, `record` is to be copied as it stands: a record, a setting, a command.

    `wrong` is what receivers or the law of mail take amiss, and what could not be found out; `doubtful` is what a person should look at.
    """

    code: str
    state: State
    what: str
    remedy: str = ""
    record: str = ""


def right(code: str, what: str) -> Finding:
    """A point that is in order."""
    return Finding(code, "right", shown_safely(what))


def doubtful(code: str, what: str, remedy: str = "", record: str = "") -> Finding:
    """A point that works and should be looked at."""
    return Finding(code, "doubtful", *map(shown_safely, (what, remedy, record)))


def wrong(code: str, what: str, remedy: str = "", record: str = "") -> Finding:
    """A point that has to be put right."""
    return Finding(code, "wrong", *map(shown_safely, (what, remedy, record)))


def txt_record(name: str, text: str) -> str:
    """A TXT record as a zone file has it; what is longer than one string can be stands in several (RFC 1035 section 3.3.14)."""
    strings = [""]
    for letter in text:
        if len((strings[-1] + letter).encode()) > _LONGEST_STRING:
            strings.append("")
        strings[-1] += letter
    return f"{name}. TXT " + " ".join('"' + re.sub(r'(["\\])', r"\\\1", string) + '"' for string in strings)


def why(error: BaseException) -> str:
    """What the system said of a failed connection, without the library's own words around it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, TimeoutError):
            return _("no answer in time")
        if isinstance(seen, OSError) and seen.strerror:
            return single_line(seen.strerror)
        seen = seen.__cause__ or seen.__context__
    return single_line(str(error)) or type(error).__name__


def shown_safely(text: str) -> str:
    """`text` on one line: what somebody published or answered must not steer a terminal."""
    return "".join(" " if unicodedata.category(letter)[0] == "C" or letter in "\u2028\u2029" else letter for letter in text)


def single_line(text: str) -> str:
    """What somebody else wrote, fit for a sentence: one line, no runs of blanks, at most 300 characters."""
    return " ".join(shown_safely(text).split())[:300]
