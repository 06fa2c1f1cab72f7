"""The link in the confirmation mail: it shows a button and changes nothing, because scanners follow links; the button confirms, once."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from starlette.responses import Response

from publisher.compose.lists import list_title, list_view
from publisher.compose.moments import moment_in_words
from publisher.cron import next_moment
from publisher.db import Database
from publisher.i18n import _, in_language
from publisher.links import preferences_token
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.web.forms import Fields
from publisher.web.guard import HEADERS, LONGEST_TOKEN, Guard
from publisher.web.lists import Offered, known_lists, subscribe_path
from publisher.web.rendering import Pages
from publisher.web.signup import Place, Signup
from subscribers.addresses import masked, parse_address
from subscribers.registry.confirming import Pending, confirm, look
from subscribers.registry.joining import Ask, ask


class Confirming:
    """The pages behind a confirmation link."""

    def __init__(self, database: Database, settings: Settings, keys: Keys, pages: Pages, clock: Callable[[], datetime], guard: Guard,
                 signup: Signup) -> None:
        self._database, self._settings, self._keys, self._pages, self._clock = database, settings, keys, pages, clock
        self._guard, self._signup = guard, signup

    def show(self, token: str, client: str) -> Response:
        """The page with the button, or the one that says what became of the request."""
        pending = self._look(token)
        return self._page(pending) if pending else self._guard.not_ours(client)

    def act(self, token: str, client: str, fields: Fields) -> Response:
        """Confirm. The same once more is told that it was done; from the page of an expired request another mail is asked for."""
        if fields.one("action") == "again":
            return self._again(token, client)
        pending = None
        if len(token) <= LONGEST_TOKEN:
            pending = confirm(self._database, self._keys, self._settings, token, self._clock(), "web", client or None)
        return self._page(pending) if pending else self._guard.not_ours(client)

    def _look(self, token: str) -> Pending | None:
        if len(token) > LONGEST_TOKEN:
            return None
        with self._database.reading() as session:
            return look(session, self._keys, token, self._clock())

    def _again(self, token: str, client: str) -> Response:
        """Another mail for a request that nobody confirmed in time: who holds its token reads the mailbox."""
        pending, now = self._look(token), self._clock()
        lists = self._lists(pending.list_names) if pending else []
        if pending is None or pending.status != "expired" or not lists:
            return self._page(pending) if pending else self._guard.not_ours(client)
        place, address = Place("/confirm", "web", pending.language, client), parse_address(pending.address)
        with in_language(pending.language):
            shown = [self._title(pending.list_names), *expired_words(), f"[{_('Send a new mail')}]"]
        wording = self._signup.shown(pending.language, "\n".join(shown), now)
        asked = ask(self._database, self._keys, self._settings,
                    Ask(address, [entry.id for entry in lists], "web", pending.language, client=client or None, wording_id=wording,
                        origin=self._settings.site.url + place.path), now)
        # A mail service that is refused by now gets no mail either; "later" is as true for it as for everybody.
        if asked.outcome in ("busy", "refused"):
            return self._signup.busy(place, lists)
        return self._signup.look_into_mailbox(place, lists, address)

    def _page(self, pending: Pending) -> Response:
        titles = [list_title(self._settings, name) for name in pending.list_names]
        context: dict[str, Any] = {"title": self._title(pending.list_names), "titles": titles, "title_known": bool(titles),
                                   "reader": masked(pending.address),
                                   "subscribe": subscribe_path(self._settings, pending.list_names or [entry.name for entry in self._settings.lists])}
        with in_language(pending.language):
            if pending.status == "joined":
                context["lists"] = [self._welcome(entry, pending) for entry in self._lists(pending.list_names)]
            if pending.status == "expired":
                context["words"] = expired_words()
        return self._pages.page("confirm_" + pending.status, pending.language, headers=HEADERS, **context)

    def _title(self, names: Sequence[str]) -> str:
        return " · ".join(list_title(self._settings, name) for name in names) or self._settings.site.name

    def _lists(self, names: Sequence[str]) -> list[Offered]:
        with self._database.reading() as session:
            return [entry for entry in known_lists(session, self._settings) if entry.name in names]

    def _welcome(self, entry: Offered, pending: Pending) -> dict[str, Any]:
        """What somebody who just joined wants to know of a list: when issues come, when the next one, and where less or more is chosen."""
        now = self._clock()
        return {"title": entry.title, "when": list_view(self._settings, entry.name, "each", now).when, "next": self._next_issue(entry.name, now),
                "preferences": f"/preferences/{preferences_token(self._keys, entry.id, pending.subscriber_id)}"}

    def _next_issue(self, name: str, now: datetime) -> str | None:
        """The moment of the next issue by the timetable, in its newsletter's zone; None without one."""
        planned = [(moment, zone) for newsletter in self._settings.newsletters_of(name) if newsletter.timetable
                   for zone in [self._settings.zone_of(newsletter)]
                   for moment in [next_moment(newsletter.timetable, zone, now)] if moment is not None]
        return moment_in_words(*min(planned)) if planned else None


def expired_words() -> tuple[str, ...]:
    """What stands above the button that asks for another mail, in the current language."""
    return (_("This link has expired"),
            _("It worked for a limited time, so that nobody can use it later in your place. You are not on the list yet."))
