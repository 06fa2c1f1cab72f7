"""The page on which readers join. Whoever asks, for whichever address, is told the same: look into your mailbox.

There is no token against forged requests (CSRF), and a form on another site may post here: no reader has a cookie or a login, so a request
carries no more rights than anybody's who types an address, and what comes of it is one mail that asks, within the limits of `[signup]`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from publisher.compose.moments import span_in_words
from publisher.db import Database
from publisher.i18n import N_, _, in_language
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.web.client import client_of
from publisher.web.forms import Fields, foreign_origin, origin_of
from publisher.web.lists import Offered, list_language, offered
from publisher.web.rendering import Pages
from publisher.web.wording import FormWords, form_words
from subscribers.addresses import Address, NotAnAddress, masked, parse_address
from subscribers.hints import is_role, suggestion
from subscribers.registry.joining import Ask, ask
from subscribers.wordings import wording_id

# The field that no person sees or reaches; programs that fill in every field give themselves away. Not a name that browsers fill in.
TRAP = "homepage"
HEADERS = {"Cache-Control": "no-store"}
_STEP = 0.05  # seconds; several times what the longest of the ways takes on a disk of today
# The limits count an hour.
_RETRY = {"Retry-After": "3600", **HEADERS}
_NONE_CHOSEN = N_("Please choose at least one newsletter.")
_REFUSED = N_("We cannot take addresses of this mail service, because they last only a short time. Please use another address.")
# What parse_address says, to the person who typed it.
_FAULTS = {
    "the address is missing": N_("Please write your e-mail address."),
    "an address has one @, with something before it and a domain after it":
        N_("An address has an @ with something before and after it, such as hanako@example.jp."),
    "the address is longer than 254 characters": N_("This is too long to be an address."),
    "what follows the @ is not a domain": N_("What stands after the @ cannot be right. Please check it."),
    "what stands before the @ cannot be part of an address": N_("What stands before the @ cannot be right. Please check it."),
    "what stands before the @ is longer than 64 characters": N_("What stands before the @ is too long to be right. Please check it."),
    "what stands before the @ must be plain letters, digits and signs":
        N_("Before the @ only plain letters, digits and signs may stand. Please check it."),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the form stands: its address here, in which language, in whose frame (policy words; None for a page of its own), sent by whom."""

    path: str
    door: str  # web, embed
    language: str
    client: str = ""
    came_from: str | None = None  # the site that shows the form, where it is another one
    framed_by: str | None = None


@dataclass(frozen=True, slots=True)
class _Form:
    """What stands in a form: the lists it offers, those that were chosen, what was typed, and what is wrong with it."""

    lists: Sequence[Offered]
    chosen: Sequence[Offered]
    typed: str = ""
    fault: str | None = None
    choice_fault: str | None = None


class Signup:
    """The sign-up form, alone and in a frame."""

    def __init__(self, database: Database, settings: Settings, keys: Keys, pages: Pages, clock: Callable[[], datetime]) -> None:
        self._database, self._settings, self._keys, self._pages, self._clock = database, settings, keys, pages, clock
        self._shown: dict[tuple[str, str], int] = {}

    def show(self, name: str | None, place: Place) -> Response:
        """The form for one list, or for all public ones. Raises HTTPException 404 for a list that is not offered."""
        lists = self.lists(name)
        return self._form(place, _Form(lists, lists if len(lists) == 1 else ()))

    def take(self, name: str | None, place: Place, fields: Fields) -> Response:
        """Take a form. Known, unknown, waiting and suppressed addresses get the same answer, byte for byte, after the same work."""
        lists = self.lists(name)
        wanted = set(fields.all("list"))
        chosen = lists if len(lists) == 1 else [entry for entry in lists if entry.name in wanted]
        # A button of the question names an address as a whole: it was read there, and is asked about no further.
        settled, typed = fields.one("use"), fields.one("use") or fields.one("email")
        form = _Form(lists, chosen, typed)
        if fields.one("again"):
            return self._form(place, form)
        try:
            address = parse_address(typed)
        except NotAnAddress as error:
            form = replace(form, fault=_FAULTS.get(str(error), str(error)))
        if not chosen:
            form = replace(form, choice_fault=_NONE_CHOSEN)
        if form.fault or form.choice_fault:
            return self._form(place, form, status=422)
        if fields.one(TRAP):
            return self.look_into_mailbox(place, chosen, address)
        question = None if settled else _question(address)
        if question:
            return self._page("question", place, address=address.typed, chosen=chosen, **question)
        return self._ask(place, form, address)

    def lists(self, name: str | None) -> list[Offered]:
        """The public list called `name`, or all of them. Raises HTTPException 404 where there is none."""
        with self._database.reading() as session:
            found = [entry for entry in offered(session, self._settings) if name is None or entry.name == name]
        if not found:
            raise HTTPException(404)
        return found

    def look_into_mailbox(self, place: Place, lists: Sequence[Offered], address: Address) -> Response:
        """The page after every request. The address is shown as its owner knows it again: it may be mistyped."""
        with in_language(place.language):
            within = span_in_words(self._settings.signup.confirm_within)
        return self._page("mailbox", place, reader=masked(address.typed), double=any(entry.double for entry in lists),
                          sender=self._settings.mail.sender, within=within)

    def shown(self, language: str, text: str, now: datetime) -> int:
        """The id under which a text that a reader saw is kept. Texts are never deleted, so that each is looked up once."""
        known = self._shown.get((language, text))
        if known is None:
            with self._database.writing() as session:
                known = self._shown[language, text] = wording_id(session, "form", language, text, now)
        return known

    def busy(self, place: Place, lists: Sequence[Offered]) -> Response:
        """Too many requests at the moment; the same for every address."""
        return self._page("busy", place, status=429, headers=_RETRY, mail=lists[0].mail if len(lists) == 1 else None)

    def _ask(self, place: Place, form: _Form, address: Address) -> Response:
        began = time.monotonic()
        answer = self._asked(place, form, address)
        # A stranger costs some more rows than a reader does, and a clock would tell the one from the other: every answer takes whole steps.
        time.sleep(_STEP - (time.monotonic() - began) % _STEP)
        return answer

    def _asked(self, place: Place, form: _Form, address: Address) -> Response:
        words, now = form_words(self._settings, form.lists, place.language), self._clock()
        wording = self.shown(place.language, words.text, now)
        asked = ask(self._database, self._keys, self._settings,
                    Ask(address, [entry.id for entry in form.chosen], place.door, place.language, client=place.client or None, wording_id=wording,
                        origin=place.came_from or self._settings.site.url + place.path), now)
        if asked.outcome == "refused":
            return self._form(place, replace(form, fault=_REFUSED), status=422)
        return self.busy(place, form.chosen) if asked.outcome == "busy" else self.look_into_mailbox(place, form.chosen, address)

    def _form(self, place: Place, form: _Form, status: int = 200) -> Response:
        words: FormWords = form_words(self._settings, form.lists, place.language)
        with in_language(place.language):
            fault, choice_fault = _(form.fault) if form.fault else None, _(form.choice_fault) if form.choice_fault else None
        return self._page("subscribe", place, status=status, words=words, lists=form.lists, chosen=[entry.name for entry in form.chosen],
                          typed=form.typed,
                          mail=form.lists[0].mail if len(form.lists) == 1 else None, fault=fault, choice_fault=choice_fault)

    def _page(self, name: str, place: Place, *, status: int = 200, headers: dict[str, str] | None = None, **context: Any) -> Response:
        return self._pages.page(name, place.language, status=status, headers=headers or HEADERS, framed_by=place.framed_by or "'none'",
                                framed=place.framed_by is not None, path=place.path, from_site=place.came_from, door=place.door, trap=TRAP, **context)


def page_place(request: Request, settings: Settings, name: str | None, asked: str | None, sent: Fields | None = None) -> Place:
    """The page of a list (or of all of them), in the language that is asked for; `sent` may come from a form on another site."""
    came_from = foreign_origin(request, settings.site.url) if sent else None
    embedded = came_from is not None or (sent is not None and sent.one("door") == "embed")
    if embedded and sent and came_from is None:
        # A question of ours was answered in between; our own pages tell no other where they are.
        told = origin_of(sent.one("from"))
        came_from = told if told != origin_of(settings.site.url) else None
    return Place(f"/subscribe/{name}" if name else "/subscribe", "embed" if embedded else "web", list_language(settings, name, asked),
                 client_of(request, settings), came_from)


def _question(address: Address) -> dict[str, Any] | None:
    """What a person would ask before writing: whether it is the address that was meant, whether it is a person's at all."""
    better = suggestion(address)
    if better:
        return {"better": better, "role": False}
    return {"better": None, "role": True} if is_role(address) else None
