"""The way out: GET shows buttons and changes nothing, POST leaves. One-click as RFC 8058 wants it: 200, no redirect, no cookie, always again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from publisher.compose.lists import list_title
from publisher.db import Database
from publisher.i18n import _, in_language
from publisher.links import UNDO, preferences_token, read_leave_token
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.track.queued_leaves import QueuedLeave, leaving_words, queue_leave
from publisher.web.forms import Fields
from publisher.web.guard import HEADERS, LONGEST_TOKEN, Guard
from publisher.web.lists import list_language, subscribe_path
from publisher.web.rendering import Pages
from subscribers.addresses import masked
from subscribers.consent import Evidence, client_hash
from subscribers.models import ReaderListRow, Subscription
from subscribers.registry.readers import Reader, leave, leave_all, membership
from subscribers.registry.undoing import can_undo, undo, undo_token

_ONE_CLICK = ("list-unsubscribe", "one-click")
log = structlog.get_logger("publisher")


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
    """What a token speaks of: the list, the person, the mail that carried it (0: none), the words to show, and on how many lists they are."""

    list_id: int
    subscriber_id: int
    issue_id: int
    name: str
    title: str
    language: str
    reader: Reader | None
    lists: int


class Leaving:
    """The pages behind a leave link."""

    def __init__(self, database: Database, settings: Settings, keys: Keys, pages: Pages, clock: Callable[[], datetime], guard: Guard) -> None:
        self._database, self._settings, self._keys, self._pages, self._clock = database, settings, keys, pages, clock
        self._guard = guard

    def show(self, token: str, client: str, asked: str | None = None) -> Response:
        """The page with the buttons; for somebody who is not on the list, the page that says so."""
        ids = self._ids(token)
        if ids is None:
            return self._guard.not_ours(client, leaving=True)
        seat = self._seat(ids, asked)
        if seat.reader is None or seat.reader.state == "left":
            return self._left(seat)
        preferences = f"/preferences/{preferences_token(self._keys, seat.list_id, seat.subscriber_id)}"
        return self._page("leave", seat, preferences=preferences if seat.reader.state == "subscribed" else None)

    def act(self, token: str, client: str, fields: Fields, *, one_click: bool, asked: str | None = None) -> Response:
        """Leave, or undo that. The same once more is the same answer: a mail program may send it twice, and another after the button."""
        ids = self._ids(token)
        if ids is None:
            return self._guard.not_ours(client, leaving=True)
        if one_click:
            return self._one_click(ids, client)
        if fields.one("action") == "undo":
            return self._undo(ids, client, fields, asked)
        return self._by_button(ids, client, asked, every=fields.one("action") == "all")

    def _ids(self, token: str) -> tuple[int, int, int] | None:
        return read_leave_token(self._keys, token) if len(token) <= LONGEST_TOKEN else None

    def _one_click(self, ids: tuple[int, int, int], client: str) -> Response:
        """200 as soon as the wish is on a disk: in the database, or in the queue beside it while that cannot be written."""
        title, language = self._settings.site.name, str(self._settings.site.language)
        try:
            seat = self._seat(ids)
            title, language = seat.title, seat.language
            leave(self._database, ids[0], ids[1], self._evidence("one-click", ids[2], client), self._clock())
        except SQLAlchemyError as error:
            self._queue(error, QueuedLeave(ids[0], ids[1], ids[2], "one-click", self._clock()))
        with in_language(language):
            return PlainTextResponse(_("You have left %(title)s.", title=title) + "\n", 200, HEADERS)

    def _by_button(self, ids: tuple[int, int, int], client: str, asked: str | None, *, every: bool) -> Response:
        seat, now, evidence = self._seat(ids, asked), self._clock(), self._evidence("web", ids[2], client)
        gone: list[str] = []
        try:
            if every:
                gone = leave_all(self._database, seat.subscriber_id, evidence, now)
            else:
                leave(self._database, seat.list_id, seat.subscriber_id, evidence, now)
        except SQLAlchemyError as error:
            self._queue(error, QueuedLeave(None if every else ids[0], ids[1], ids[2], "web", now))
            return self._page("left", seat, undo=[], every=every, gone=[], subscribe=None)
        return self._left(self._seat(ids, asked), every=every, gone=gone)

    def _undo(self, ids: tuple[int, int, int], client: str, fields: Fields, asked: str | None) -> Response:
        """Back on the lists that were left a moment ago; the tokens in the form say which leaving is meant."""
        evidence, now = self._evidence("web", 0, client, "undo button on the leave page"), self._clock()
        # The tokens are signed; one of somebody else's leaving has no business in this page.
        done = [undo(self._database, self._keys, token, evidence, now) for token in fields.all("undo")[:50]
                if len(token) <= LONGEST_TOKEN and self._is_of(token, ids[1])]
        seat = self._seat(ids, asked)
        if any(done) or (seat.reader is not None and seat.reader.state == "subscribed"):
            return self._page("back", seat, several=sum(done) > 1)
        return self._page("too_late", seat, subscribe=subscribe_path(self._settings, [seat.name]))

    def _is_of(self, token: str, subscriber_id: int) -> bool:
        ids = self._keys.read(UNDO, token)
        return ids is not None and len(ids) == 3 and ids[1] == subscriber_id

    def _queue(self, error: SQLAlchemyError, queued: QueuedLeave) -> None:
        """Keep a leaving that the database does not take. Raises HTTPException 503 when the disk does not take it either."""
        log.error("leave_queued", reason=type(error).__name__, list=queued.list_id, subscriber=queued.subscriber_id)
        try:
            queue_leave(self._settings, queued)
        except OSError as trouble:
            log.error("leave_not_queued", reason=trouble.strerror)
            raise HTTPException(503, headers={"Retry-After": "60"}) from trouble

    def _evidence(self, door: str, issue_id: int, client: str, words: str = "") -> Evidence:
        return Evidence(door, words or leaving_words(door, issue_id), client_hash=client_hash(self._keys, client))

    def _seat(self, ids: tuple[int, int, int], asked: str | None = None) -> _Seat:
        with self._database.reading() as session:
            reader = membership(session, ids[0], ids[1])
            name = session.scalar(select(ReaderListRow.name).where(ReaderListRow.id == ids[0])) or ""
            lists = session.scalar(select(func.count()).select_from(Subscription)
                                   .where(Subscription.subscriber_id == ids[1], Subscription.state == "subscribed")) or 0
        return _Seat(*ids, name, list_title(self._settings, name), list_language(self._settings, name, asked), reader, lists)

    def _left(self, seat: _Seat, *, every: bool = False, gone: Sequence[str] = ()) -> Response:
        """The page after leaving, with the button that undoes it while that can be done."""
        with self._database.reading() as session:
            rows = session.execute(
                select(Subscription.list_id, Subscription.left_at, ReaderListRow.name).join(ReaderListRow, ReaderListRow.id == Subscription.list_id)
                .where(Subscription.subscriber_id == seat.subscriber_id, Subscription.state == "left", Subscription.left_at.is_not(None))).all()
            tokens = [undo_token(self._keys, list_id, seat.subscriber_id, left_at) for list_id, left_at, name in rows
                      if left_at is not None and (list_id == seat.list_id or name in gone)]
            tokens = [token for token in tokens if can_undo(session, self._keys, token, self._clock())]
        return self._page("left", seat, undo=tokens, every=every, gone=[list_title(self._settings, name) for name in gone],
                          subscribe=subscribe_path(self._settings, [seat.name]))

    def _page(self, name: str, seat: _Seat, **context: Any) -> Response:
        return self._pages.page(name, seat.language, headers=HEADERS, title=seat.title, lists=seat.lists,
                                reader=masked(seat.reader.address) if seat.reader else None, **context)
