"""A row of a file becomes a person who arrives, somebody who has not confirmed, or a sentence that says why it is neither."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import available_timezones

from publisher.i18n import LANGUAGES, _
from publisher.text.clean import clean_line
from publisher.text.language import language_of, language_tag
from subscribers.addresses import NotAnAddress, parse_address
from subscribers.models import RHYTHMS
from subscribers.registry.staging import Arrival
from subscribers.transfer.columns import FIELDS, Columns
from subscribers.transfer.formulas import unguarded
from subscribers.transfer.moments import moment
from subscribers.transfer.states import HARD_BOUNCE, Meaning, meaning, truth

LONGEST_NAME = 200
# Clocks of other machines, and zones that a file does not name.
_AHEAD = timedelta(days=1)
_LONGEST_CONSENT = 500
_MOST_SECTIONS = 100
_JOIN, _LEAVE = Meaning("join"), Meaning("leave")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a row is no person: a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody who asked and did not confirm: nobody is mailed for that."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How rows are read: the words of their consent given the day it was given (None: unknown), the zone of naive dates, now, and what a row without
    a state of its own is."""

    wording: Callable[[str, datetime | None], str]
    zone: str
    now: datetime
    usual: Meaning = _JOIN


class Reading:
    """Reads the rows of one file: which columns it has is looked at once, not by row."""

    def __init__(self, columns: Columns, rules: Rules) -> None:
        self._buttondown, self._rules = columns.buttondown, rules
        self._width = 1 + max(columns.places.values())
        # A field that the file has not got is the last cell, which `entry` leaves empty.
        self._at = {field: columns.places.get(field, -1) for field in FIELDS}
        self._email, self._naming = self._at["email"], self._at["name"]
        has = set(columns.places)
        self._says_state = bool(has & {"state", "suppressed", "cleaned", "left", "refuses", "takes"})
        self._chooses = bool(has & {"language", "timezone", "rhythm", "sections", "hour", "consent"})
        self._dated = bool(has & {"created", "agreed", "left", "cleaned"})
        self._parts = bool(has & {"given", "family"})

    def entry(self, cells: list[str]) -> Arrival | Pending | Refused:
        """What the row `cells` says; the list is used up."""
        if len(cells) < self._width:
            cells += [""] * (self._width - len(cells))
        cells.append("")
        try:
            address = parse_address(unguarded(cells[self._email]))
        except NotAnAddress as error:
            return Refused(_(str(error)))
        said = self._said(cells) if self._says_state else self._rules.usual
        if said is None:
            return Refused(_("“%(word)s” is no state of a reader that this program knows", word=clean_line(self._get(cells, "state"))[:40]))
        if said.state == "pending":
            return Pending()
        created, agreed, left = self._moments(cells) if self._dated else (None, None, None)
        if agreed is None and self._dated and (given := self._get(cells, "agreed")):
            # A day that is in no file must not stand in the proof of consent.
            return Refused(_("“%(date)s” is no day on which somebody can have agreed", date=clean_line(given)[:40]))
        agreed = agreed or created
        name = name_line(cells[self._naming]) or (self._name_of_parts(cells) if self._parts else None) or None
        if not self._chooses:
            return Arrival(address, said.state, self._rules.wording("", agreed), name, None, None, created, agreed, left, reason=said.reason)
        consent = clean_line(unguarded(self._get(cells, "consent")))[:_LONGEST_CONSENT]
        return Arrival(
            address, said.state, self._rules.wording(consent, agreed), name, _language(self._get(cells, "language")),
            _zone(self._get(cells, "timezone")), created, agreed, left, _rhythm(self._get(cells, "rhythm")), _sections(self._get(cells, "sections")),
            _hour(self._get(cells, "hour")), said.reason)

    def _get(self, cells: list[str], field: str) -> str:
        return cells[self._at[field]].strip()

    def _said(self, cells: list[str]) -> Meaning | None:
        """What the columns of states, dates and flags say together; the one that keeps somebody away wins. None for a word nobody knows."""
        if (suppressed := self._get(cells, "suppressed")) and truth(suppressed) is not False:
            return Meaning("suppress", HARD_BOUNCE if truth(suppressed) else clean_line(suppressed))
        word = self._get(cells, "state")
        said = meaning(word, buttondown=self._buttondown) if word else None
        if word and (said is None or said.state != "join"):
            return said
        if said is None and self._get(cells, "cleaned"):
            return Meaning("suppress", HARD_BOUNCE)
        if said is None and self._get(cells, "left"):
            return _LEAVE
        if truth(self._get(cells, "refuses")) is True or truth(self._get(cells, "takes")) is False:
            return _LEAVE
        return said or self._rules.usual

    def _moments(self, cells: list[str]) -> tuple[datetime | None, datetime | None, datetime | None]:
        """When they came, agreed and left; a day in the future is none."""
        return (self._moment(cells, "created"), self._moment(cells, "agreed"), self._moment(cells, "left") or self._moment(cells, "cleaned"))

    def _moment(self, cells: list[str], field: str) -> datetime | None:
        text = cells[self._at[field]]
        found = moment(text, self._rules.zone) if text else None
        if found is None or found > self._rules.now + _AHEAD:
            return None
        return min(found, self._rules.now)

    def _name_of_parts(self, cells: list[str]) -> str:
        """The two parts of a name in the order of its language: 山田 花子, Alice Smith."""
        given, family = name_line(self._get(cells, "given")), name_line(self._get(cells, "family"))
        parts = (family, given) if language_of(family + given) == "ja" else (given, family)
        return " ".join(part for part in parts if part)[:LONGEST_NAME]


def name_line(cell: str) -> str:
    """A name as it is kept: what `clean_line` makes of it, which has nothing to do for nearly every one."""
    if not cell:
        return ""
    cell = unguarded(cell.strip())
    if cell.isprintable() and "  " not in cell and (cell.isascii() or unicodedata.is_normalized("NFC", cell)):
        return cell[:LONGEST_NAME].strip()
    return clean_line(cell)[:LONGEST_NAME].strip()


@lru_cache(maxsize=256)
def _language(text: str) -> str | None:
    tag = language_tag(text) if text else None
    return tag if tag in LANGUAGES else None


@lru_cache(maxsize=1024)
def _zone(text: str) -> str | None:
    return text if text in available_timezones() else None


def _rhythm(text: str) -> str:
    return text if text in RHYTHMS else "each"


def _hour(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 2 and int(text) < 24 else None


def _sections(text: str) -> tuple[str, ...] | None:
    """The sections a JSON array names; anything else is every section."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    names = {clean_line(entry)[:LONGEST_NAME] for entry in found if isinstance(entry, str)} - {""}
    return tuple(sorted(names)) if 0 < len(names) <= _MOST_SECTIONS else None
