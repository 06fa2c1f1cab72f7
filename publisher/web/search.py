"""The page that searches the stories: what was told, in the words of whoever asks."""

from itertools import accumulate
from typing import Any
from urllib.parse import urlencode

import regex
import structlog
from markupsafe import Markup, escape
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from publisher.clock import local_date
from publisher.compose.issue import long_date
from publisher.db import Database
from publisher.links import story_url
from publisher.published import Told, latest
from publisher.search import bring_up_to_date, find
from publisher.settings import Settings
from publisher.text.clean import clean_line
from publisher.text.lead import plain
from publisher.text.phrases import phrases
from publisher.text.terms import Wanted, folded, marked, wanted
from publisher.web.rendering import Pages

LONGEST_QUERY = 100
_A_PAGE = 20
_MOST_PAGES = 50
# Of what came out since the service last looked, a search waits for so many issues; the rest is the service's.
_WAITED_FOR = 50
_BEFORE, _LENGTH = 40, 160
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
log = structlog.get_logger("publisher")


class Search:
    """The search page of one site."""

    def __init__(self, database: Database, settings: Settings, pages: Pages) -> None:
        self._database, self._settings, self._pages = database, settings, pages

    def find(self, query: str, page: str) -> Response:
        """What the stories hold of `query`; for an empty one the field alone. Raises HTTPException 404 for a page that cannot be."""
        number = page_number(page, _MOST_PAGES)
        asked = clean_line(query)
        if len(asked) > LONGEST_QUERY:
            return self._page(asked[:LONGEST_QUERY], status=400, too_long=True)
        words = wanted(asked)
        if not words:
            return self._page(asked, nothing_to_find=bool(asked))
        self._catch_up()
        found = find(self._database, words, first=(number - 1) * _A_PAGE, most=_A_PAGE)
        with self._database.reading() as session:
            told = latest(session, [hit.story_id for hit in found.hits])
        results = [self._result(told[hit.story_id], words) for hit in found.hits if hit.story_id in told]
        more = number < _MOST_PAGES and number * _A_PAGE < found.total
        return self._page(asked, results=results, total=found.total, number=number,
                          newer=_address(asked, number - 1) if number > 1 else None, older=_address(asked, number + 1) if more else None)

    def _catch_up(self) -> None:
        try:
            bring_up_to_date(self._database, _WAITED_FOR)
        # A database that cannot be written to just now can still be searched.
        except SQLAlchemyError as error:
            log.warning("search_index_waits", reason=type(error).__name__)

    def _page(self, asked: str, *, status: int = 200, **found: Any) -> Response:
        given: dict[str, Any] = {"results": [], "total": 0, "number": 1, "newer": None, "older": None, "too_long": False,
                                 "nothing_to_find": False} | found
        return self._pages.page("search", self._settings.site.language, status=status, headers=_HEADERS, query=asked, longest=LONGEST_QUERY, **given)

    def _result(self, told: Told, words: list[Wanted]) -> dict[str, Any]:
        snapshot, language = told.pick.snapshot, self._settings.site.language
        newsletter = self._settings.newsletter(told.newsletter)
        zone = self._settings.zone_of(newsletter) if newsletter else self._settings.site.timezone
        day = local_date(told.issue.started_at or told.issue.created_at, zone)
        return {"url": story_url("", told.pick.story_id), "headline": _shown(clean_line(snapshot.get("headline") or ""), words),
                "language": snapshot.get("language") or language, "section": told.pick.section, "day": day.isoformat(),
                "date": long_date(day, language), "snippet": _snippet(snapshot, words)}


def page_number(text: str, most: int = 100_000) -> int:
    """The number of a page. Raises HTTPException 404 for what is none."""
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or not 1 <= int(text) <= most:
        raise HTTPException(404)
    return int(text)


def _address(query: str, number: int) -> str:
    return "/search?" + urlencode({"q": query, "page": number} if number > 1 else {"q": query})


def _snippet(snapshot: dict[str, Any], words: list[Wanted]) -> Markup:
    """A few lines around the first place that was asked for, of what may be shown; the beginning of the summary where the headline has it all."""
    body = plain(snapshot.get("body") or "") if snapshot.get("rights") == "own" else ""
    facts = " · ".join(f"{fact.get('label') or ''} {fact.get('value') or ''}".strip() for fact in snapshot.get("facts") or [])
    said = [line for text in (snapshot.get("summary") or "", facts, *body.splitlines()) if (line := clean_line(text))]
    for text in said:
        # Marking is slow on a long body; looking is not.
        if any(regex.search(one.pattern, folded(text), regex.V1) for one in words):
            return _around(marked(text, words))
    first = said[0] if said else ""
    return escape(first[:_LENGTH] + ("…" if len(first) > _LENGTH else ""))


def _around(parts: list[tuple[str, bool]]) -> Markup:
    text = "".join(words for words, _hit in parts)
    first = 0
    for words, hit in parts:
        if hit:
            break
        first += len(words)
    start = 0 if first <= 2 * _BEFORE else first - _BEFORE
    end = len(text) if len(text) - start <= _LENGTH + _BEFORE else start + _LENGTH
    made, place = Markup("…") if start else Markup(""), 0
    for words, hit in parts:
        piece = words[max(0, start - place):max(0, end - place)]
        made += Markup("<mark>{}</mark>").format(piece) if hit and piece else escape(piece)
        place += len(words)
    return made + ("…" if end < len(text) else "")


def _shown(headline: str, words: list[Wanted]) -> Markup:
    """The headline with its marks, and with a place to break after each phrase."""
    borders, place, made = set(accumulate(len(phrase) for phrase in phrases(headline))), 0, Markup("")
    for piece, hit in marked(headline, words):
        shown = Markup("")
        for letter in piece:
            place += 1
            shown += escape(letter) + (Markup("<wbr>") if place in borders and place < len(headline) else "")
        made += Markup("<mark>{}</mark>").format(shown) if hit else shown
    return made
