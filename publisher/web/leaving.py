"""The way out: GET shows a button and changes nothing, POST leaves. One-click as RFC 8058 wants it: 200, no redirect, no cookie, always again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from publisher.compose.issue import title_of
from publisher.db import Database
from publisher.i18n import _, in_language
from publisher.links import read_leave_token
from publisher.settings import Newsletter, Settings
from publisher.tokens import Keys
from publisher.web.patience import Patience
from publisher.web.rendering import Pages
from subscribers.addresses import masked
from subscribers.models import ReaderListRow
from subscribers.registry.readers import Reader, leave, membership

# A token has 48 characters and some more for large ids.
_LONGEST_TOKEN = 128
_ONE_CLICK = ("list-unsubscribe", "one-click")
# The address holds the token: no cache, no search engine, no other site may learn it.
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


async def is_one_click(request: Request) -> bool:
    """Whether the body says `List-Unsubscribe=One-Click` (RFC 8058 section 3.1), as multipart, as urlencoded, or without saying as what."""
    body = await request.body()
    if body.strip().lower() == b"=".join(part.encode() for part in _ONE_CLICK):
        return True
    try:
        form = await request.form(max_files=0, max_fields=20)
    except HTTPException:
        return False  # multipart that cannot be read: no provider's, and a button of ours sends none
    return any((name.strip().lower(), value.strip().lower()) == _ONE_CLICK for name, value in form.multi_items() if isinstance(value, str))


@dataclass(frozen=True, slots=True)
class _Seat:
    """What a token speaks of: the list, the person, the issue that carried it, and the words to show."""

    list_id: int
    subscriber_id: int
    issue_id: int
    title: str
    language: str
    reader: Reader | None


class Leaving:
    """The pages behind a leave link."""

    def __init__(self, database: Database, settings: Settings, keys: Keys, pages: Pages, clock: Callable[[], datetime]) -> None:
        self._database, self._settings, self._keys, self._pages, self._clock = database, settings, keys, pages, clock
        self._patience = Patience()

    def show(self, token: str) -> Response:
        """The page with the button; for somebody who is not on the list, the page that says so."""
        seat = self._seat(token)
        if seat is None:
            return self._not_ours()
        return self._page("leave" if seat.reader and seat.reader.state != "left" else "left", seat)

    def act(self, token: str, client: str | None, *, one_click: bool) -> Response:
        """Leave. The same once more is the same answer: a mail program may send it twice, and another after the button."""
        seat = self._seat(token)
        if seat is None:
            return self._impatient() if self._patience.lost(client) else self._not_ours()
        door = "one-click, RFC 8058" if one_click else "button on the leave page"
        leave(self._database, seat.list_id, seat.subscriber_id, f"{door}, issue {seat.issue_id}", self._clock())
        if one_click:
            with in_language(seat.language):
                return PlainTextResponse(_("You have left %(title)s.", title=seat.title) + "\n", 200, _HEADERS)
        return self._page("left", seat)

    def _seat(self, token: str) -> _Seat | None:
        ids = read_leave_token(self._keys, token) if len(token) <= _LONGEST_TOKEN else None
        if ids is None:
            return None
        with self._database.reading() as session:
            reader = membership(session, ids[0], ids[1])
            name = session.scalar(select(ReaderListRow.name).where(ReaderListRow.id == ids[0]))
        newsletters = [entry for entry in self._settings.newsletters if entry.list == name]
        language = self._settings.language_of(newsletters[0]) if newsletters else self._settings.site.language
        return _Seat(*ids, self._title(name, newsletters), language, reader)

    def _title(self, name: str | None, newsletters: list[Newsletter]) -> str:
        """What readers call the list: its title, else that of the newsletters it gets, else the newsroom's name."""
        title = next((entry.title for entry in self._settings.lists if entry.name == name), None)
        titles = list(dict.fromkeys(title_of(self._settings, newsletter) for newsletter in newsletters))
        return title or " · ".join(titles) or self._settings.site.name or name or ""

    def _page(self, name: str, seat: _Seat) -> Response:
        return self._pages.page(name, seat.language, headers=_HEADERS, title=seat.title, reader=masked(seat.reader.address) if seat.reader else None)

    def _not_ours(self) -> Response:
        return self._pages.page("no_link", self._settings.site.language, status=404, headers=_HEADERS)

    def _impatient(self) -> Response:
        return self._pages.fault(429, self._settings.site.language, {"Retry-After": "600", **_HEADERS})
