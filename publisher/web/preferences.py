"""The page on which a reader chooses less, or more: which sections, how often, at what hour, in which language."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from publisher.compose.lists import list_title
from publisher.db import Database
from publisher.i18n import LANGUAGES, N_, _, in_language
from publisher.links import PREFERENCES, leave_token, preferences_token, read_pair
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.web.forms import Fields
from publisher.web.guard import HEADERS, LONGEST_TOKEN, Guard
from publisher.web.lists import list_language, list_zone, rhythms_of, sections_of, subscribe_path
from publisher.web.rendering import Pages
from publisher.web.zones import is_zone, zone_groups, zone_name
from subscribers.addresses import masked
from subscribers.consent import Evidence
from subscribers.models import ReaderListRow
from subscribers.registry.preferences import Preferences, read_preferences, set_preferences
from subscribers.registry.readers import Reader, membership

RHYTHM_WORDS = {"each": N_("Each issue as it comes"), "daily": N_("Once a day, gathered"), "weekly": N_("Once a week, gathered")}
_LANGUAGE_NAMES = {"ja": "日本語", "en": "English"}
_NO_SECTION = N_("Please choose at least one section. If you want none of them, leave the newsletter instead.")
_WRONG = N_("Something in the form was not one of the choices. Please choose again.")
# The leave link of a page belongs to no issue.
NO_ISSUE = 0


@dataclass(frozen=True, slots=True)
class _Seat:
    """Whose preferences, of which list, and in which language the page speaks."""

    list_id: int
    subscriber_id: int
    name: str
    language: str
    reader: Reader | None
    chosen: Preferences


class Choosing:
    """The pages behind a preferences link."""

    def __init__(self, database: Database, settings: Settings, keys: Keys, pages: Pages, clock: Callable[[], datetime], guard: Guard) -> None:
        self._database, self._settings, self._keys, self._pages, self._clock = database, settings, keys, pages, clock
        self._guard = guard

    def show(self, token: str, client: str, asked: str | None) -> Response:
        """The form as things stand; for somebody who is not on the list, the way back."""
        seat = self._seat(token, asked)
        if seat is None:
            return self._guard.not_ours(client)
        return self._form(seat, seat.chosen) if _is_reader(seat) else self._away(seat)

    def act(self, token: str, client: str, asked: str | None, fields: Fields) -> Response:
        """Keep what was chosen, and say what holds now. Again is the same answer."""
        seat = self._seat(token, asked)
        if seat is None:
            return self._guard.not_ours(client)
        if not _is_reader(seat):
            return self._away(seat)
        wanted, fault = self._wanted(seat, fields)
        if fault:
            return self._form(seat, wanted, fault=fault)
        evidence = Evidence("web", "preferences page", origin=f"{self._settings.site.url}/preferences")
        set_preferences(self._database, seat.list_id, seat.subscriber_id, wanted, evidence, self._clock())
        if not _is_reader(self._seat(token, asked) or seat):
            return self._away(seat)  # they left at this very moment
        return self._saved(replace(seat, language=list_language(self._settings, seat.name, asked or wanted.language)), wanted)

    def _seat(self, token: str, asked: str | None) -> _Seat | None:
        ids = read_pair(self._keys, PREFERENCES, token) if len(token) <= LONGEST_TOKEN else None
        if ids is None:
            return None
        with self._database.reading() as session:
            name = session.scalar(select(ReaderListRow.name).where(ReaderListRow.id == ids[0])) or ""
            chosen = read_preferences(session, *ids) or Preferences()
            reader = membership(session, *ids)
        return _Seat(*ids, name, list_language(self._settings, name, asked or chosen.language), reader, chosen)

    def _wanted(self, seat: _Seat, fields: Fields) -> tuple[Preferences, str | None]:
        """The choice in a form, and what is wrong with it; what the page did not offer, or was none of its choices, stays as it was."""
        before, names = seat.chosen, sections_of(self._settings, seat.name)
        ticked = tuple(name for name in names if name in fields.all("section"))
        sections = (None if len(ticked) == len(names) else ticked) if names else before.sections
        given = {name: fields.one(name) for name in ("rhythm", "hour", "timezone", "language")}
        right = {"rhythm": given["rhythm"] in ("", before.rhythm, *rhythms_of(self._settings, seat.name)),
                 "hour": given["hour"] in ("", *map(str, range(24))), "timezone": not given["timezone"] or is_zone(given["timezone"]),
                 "language": given["language"] in ("", *LANGUAGES)}
        wanted = Preferences(
            rhythm=given["rhythm"] if given["rhythm"] and right["rhythm"] else before.rhythm, sections=sections,
            hour=(int(given["hour"]) if given["hour"] else None) if right["hour"] else before.hour,
            timezone=(given["timezone"] or None) if right["timezone"] else before.timezone,
            language=(given["language"] or None) if right["language"] else before.language)
        return wanted, _NO_SECTION if names and not ticked else None if all(right.values()) else _WRONG

    def _form(self, seat: _Seat, chosen: Preferences, *, fault: str | None = None) -> Response:
        names, language = sections_of(self._settings, seat.name), seat.language
        taken = names if chosen.sections is None else [name for name in names if name in chosen.sections]
        rhythms = rhythms_of(self._settings, seat.name)
        with in_language(language):
            return self._page(
                "preferences", seat, status=422 if fault else 200, fault=_(fault) if fault else None, about_sections=fault == _NO_SECTION,
                sections=[(name, name in taken) for name in names],
                rhythms=[(rhythm, _(RHYTHM_WORDS[rhythm])) for rhythm in rhythms] if len(rhythms) > 1 else [],
                rhythm=chosen.rhythm if chosen.rhythm in rhythms else (rhythms or ["each"])[0], hours=range(24), hour=chosen.hour,
                zones=zone_groups(language), own_zone=zone_name(list_zone(self._settings, seat.name), language),
                zone=chosen.timezone, zone_name=zone_name(chosen.timezone, language) if chosen.timezone else "",
                known_zone=any(chosen.timezone == zone for _label, zones in zone_groups(language) for zone, _name in zones),
                languages=[(code, _LANGUAGE_NAMES[code]) for code in LANGUAGES], chosen_language=chosen.language,
                own_language=_LANGUAGE_NAMES[list_language(self._settings, seat.name)])

    def _saved(self, seat: _Seat, wanted: Preferences) -> Response:
        language, names = seat.language, sections_of(self._settings, seat.name)
        with in_language(language):
            rows = [(_("How often"), _(RHYTHM_WORDS[wanted.rhythm]))] if len(rhythms_of(self._settings, seat.name)) > 1 else []
            if names:
                joint = "、" if language == "ja" else ", "
                rows.append((_("Sections"), _("all sections") if wanted.sections is None else joint.join(wanted.sections)))
            zone = zone_name(wanted.timezone or list_zone(self._settings, seat.name), language)
            rows.append((_("Time of day"), _("as soon as it is out") if wanted.hour is None
                         else _("not before %(hour)s:00, in the time zone of %(place)s", hour=wanted.hour, place=zone)))
            rows.append((_("Language of mails about your subscription"),
                         _LANGUAGE_NAMES[wanted.language or list_language(self._settings, seat.name)]))
        return self._page("preferences_saved", replace(seat, chosen=wanted), rows=rows)

    def _away(self, seat: _Seat) -> Response:
        return self._page("preferences_away", seat, subscribe=subscribe_path(self._settings, [seat.name]))

    def _page(self, name: str, seat: _Seat, *, status: int = 200, **context: Any) -> Response:
        leave = leave_token(self._keys, seat.list_id, seat.subscriber_id, NO_ISSUE)
        path = f"/preferences/{preferences_token(self._keys, seat.list_id, seat.subscriber_id)}"
        return self._pages.page(name, seat.language, status=status, headers=HEADERS, title=list_title(self._settings, seat.name),
                                leave=f"/u/{leave}", path=path, reader=masked(seat.reader.address) if seat.reader else None, **context)


def _is_reader(seat: _Seat) -> bool:
    return seat.reader is not None and seat.reader.state == "subscribed" and not seat.reader.suppressed
