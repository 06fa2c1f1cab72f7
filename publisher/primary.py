"""A database sends only where it sent last: one that was restored or copied is fenced until an operator claims it, because its past is not the
world's past.

Two witnesses tell. Where it lives (whereabouts.py) is written into the database; and how often it has begun and ended sending is counted in the
database first, and in the state folder (witness.py) always afterwards. A reboot, an upgrade or a lost state folder contradicts neither.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import N_, _
from publisher.models import Delivery, Installation, Issue, Post, Slot
from publisher.settings import Settings
from publisher.whereabouts import Place, moved, place_of
from publisher.witness import Known, Notes, read_notes, write_note

PRIMARY = "primary"  # our row of Installation
ROUND = "service:round"  # that of the service, which notes its rounds
# What the clocks of several machines, and a clock that is being set right, may differ by.
CLOCK_MAY_JUMP = timedelta(minutes=10)
# A claim counts on past whatever any machine that shares the database may have seen.
_CLAIM = 1_000_000_000

# Why a database is fenced: by the part of its place that differs, or by what the state folder knows.
FOUND = {
    "kind": N_("this database was filled from a database of another kind"),
    "handle": N_("this database lies in another file than the one that sent last: it was restored, copied or moved"),
    "file": N_("this database lies in another file than the one that sent last: it was restored, copied or moved"),
    "system": N_("this database last sent from another PostgreSQL server"),
    "database": N_("this is another database of the server than the one that sent last: a copy, or a restored dump"),
    "machine": N_("this database last sent from another machine"),
    "timeline": N_("this PostgreSQL server was restored to an earlier moment, or took the place of another"),
    "older": N_("this database is older than what was sent from here: it was restored from a backup"),
    "together": N_("this database and the state folder are copies, or were restored from a backup together"),
    "other": N_("another database sent from here last, and this one knows nothing of it"),
}


class Fenced(PublisherError):
    """This database may not send until an operator claims it. `why` is a key of FOUND."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(_("nothing is sent: %(found)s, and what left meanwhile is not in it", found=_(FOUND[why])),
                         remedy=_("if it is to send, and no other copy does: publisher primary claim"))


class ClockBack(PublisherError):
    """The clock says that it is earlier than it was."""

    def __init__(self, now: datetime, noted: datetime) -> None:
        super().__init__(_("nothing is sent: the clock says %(now)s UTC, %(minutes)s minutes before a moment that was noted already",
                           now=f"{now:%Y-%m-%d %H:%M}", minutes=int((noted - now).total_seconds() // 60)),
                         remedy=_("set the clock right; if it is right and was wrong before: publisher primary claim"))


@dataclass(frozen=True, slots=True)
class Row:
    """What the database says of itself. `line` is its name, which copies share; `fenced` is why one machine fenced it for all of them."""

    line: str
    count: int
    place: dict[str, str]
    since: str
    by: str = ""
    fenced: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known: the row (None while nothing was sent) and its moment, the latest moment noted by anybody, the place, why it is fenced."""

    row: Row | None
    sent_at: datetime | None
    latest: datetime | None
    here: Place
    why: str | None

    def refusal(self, now: datetime) -> Fenced | ClockBack | None:
        """Why nothing may be sent at `now`, if so."""
        if self.why is not None:
            return Fenced(self.why)
        return ClockBack(now, self.latest) if self.latest is not None and now < self.latest - CLOCK_MAY_JUMP else None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim found, and what it left to a person: issues it paused, mails that are unknown now, posts to be looked for, moments held."""

    found: str | None
    issues: tuple[int, ...] = ()
    mails: int = 0
    posts: int = 0
    slots: int = 0


def judge(row: Row | None, notes: Notes, address: str, here: Place) -> str | None:
    """Why a database with this row is fenced, as a key of FOUND, or None. Touches nothing."""
    if row is None:
        return "other" if notes.others(address, None) else None
    if row.fenced:
        return row.fenced if row.fenced in FOUND else "other"
    differs = moved(row.place, here)
    if differs:
        return next(part for part in FOUND if part in differs)
    known = notes.lines.get(row.line)
    if known is not None and row.count < known.count:
        return "older"
    if notes.others(address, row.line):
        return "other"
    # Both may have been overwritten in place. On PostgreSQL a client's machine may be replaced with its folder, while the server stays.
    together = known is not None and row.count == known.count and notes.copied and here.get("kind") == "sqlite"
    return "together" if together else None


def look(database: Database, settings: Settings) -> Standing:
    """Look, and change nothing: one small file and one read. Raises PublisherError when the state folder may not be read."""
    # The file first: a count stands in the database before it stands in a file, so that nobody who counts meanwhile seems ahead of it.
    notes, here = read_notes(_folder(settings)), place_of(database)
    with database.reading() as session:
        rows = {row.key: row for row in session.scalars(select(Installation).where(Installation.key.in_((PRIMARY, ROUND))))}
    mine = rows.get(PRIMARY)
    row = _read(mine) if mine is not None else None
    return Standing(row, mine.noted_at if mine is not None else None, max((one.noted_at for one in rows.values()), default=None), here,
                    judge(row, notes, address_of(database), here))


def check_primary(database: Database, settings: Settings, now: datetime) -> None:
    """Refuse to send from a database that was restored or copied, or by a clock that jumped back; one that never sent is adopted.

    Costs one read. Raises Fenced and ClockBack.
    """
    found = look(database, settings)
    if found.why in ("older", "other") and found.row is not None and not found.row.fenced and not database.is_sqlite:
        _fence_for_all(database, found.why)
    refusal = found.refusal(now)
    if refusal is not None:
        raise refusal
    if found.row is None:
        _change(database, lambda row: row or _new(found.here, now), now)


def check_clock(database: Database, now: datetime) -> None:
    """Refuse a clock that lies more than CLOCK_MAY_JUMP behind the latest moment that was noted. Raises ClockBack."""
    with database.reading() as session:
        latest = max(session.scalars(select(Installation.noted_at).where(Installation.key.in_((PRIMARY, ROUND)))), default=None)
    if latest is not None and now < latest - CLOCK_MAY_JUMP:
        raise ClockBack(now, latest)


def advance(database: Database, settings: Settings, now: datetime) -> None:
    """Count one more begin or end of sending: committed in the database, then on the disk of the state folder. Any number of processes may.

    Raises Fenced, PublisherError when the state folder cannot be written.
    """
    notes, here, address = read_notes(_folder(settings)), place_of(database), address_of(database)

    def counted(row: Row | None) -> Row:
        why = judge(row, notes, address, here)
        if why is not None:
            raise Fenced(why)
        known = row or _new(here, now)
        return replace(known, count=known.count + 1, place={**known.place, **here})

    row = _change(database, counted, now)
    write_note(_folder(settings), row.line, Known(row.count, address))


@contextmanager
def sending(database: Database, settings: Settings, clock: Callable[[], datetime]) -> Iterator[None]:
    """Send inside the block: checked and counted before anything leaves, counted again afterwards. Raises Fenced, ClockBack, PublisherError."""
    now = clock()
    check_primary(database, settings, now)
    advance(database, settings, now)
    try:
        yield
    except BaseException:
        # What ended the sending is what a person has to hear; the count of its beginning stands in any case.
        with suppress(PublisherError, DBAPIError):
            advance(database, settings, clock())
        raise
    advance(database, settings, clock())


def claim_primary(database: Database, settings: Settings, now: datetime, by: str, *, restored: bool = False) -> Claimed:
    """An operator says that this database is the one that sends, and that the clock is right.

    Where it was fenced, or is `restored` by the operator's word, nothing that was on its way goes on by itself: the world may have had it already.
    Does nothing to a healthy one but note who claimed it.
    """
    found, address = look(database, settings), address_of(database)
    known = max((one.count for one in read_notes(_folder(settings)).lines.values()), default=0)
    claimed = Claimed(found.why)
    if found.why is not None or restored:
        # Before the claim itself: a crash in between leaves it fenced.
        with database.writing() as session:
            claimed = _halt(session, found.why, now)

    def taken(row: Row | None) -> Row:
        before = row or _new(found.here, now)
        return replace(before, count=max(before.count, known) + _CLAIM, place=dict(found.here), since=now.isoformat(), by=by, fenced=None)

    row = _change(database, taken, now, believed=True)
    write_note(_folder(settings), row.line, Known(row.count, address), forget_others=True)
    return claimed


def _halt(session: Session, found: str | None, now: datetime) -> Claimed:
    """Leave to a person, or to a second look, whatever may have left already although these rows do not know."""
    issues = tuple(session.scalars(select(Issue.id).where(Issue.state == "sending").order_by(Issue.id)))
    session.execute(update(Issue).where(Issue.id.in_(issues)).values(state="paused"))
    begun = select(Issue.id).where(Issue.state.in_(("paused", "sent")))
    mails = session.execute(update(Delivery).where(Delivery.issue_id.in_(begun), Delivery.state == "sending").values(
        state="unknown", not_before=None, settled_at=now, reason="on the wire when the database was copied"))
    # The account's timeline is looked at before such a post is made (posting.py).
    started_at = func.coalesce(Post.started_at, select(Issue.started_at).where(Issue.id == Post.issue_id).scalar_subquery(), now)
    posts = session.execute(
        update(Post).where(Post.state.in_(("queued", "deferred", "sending")), Post.issue_id.is_(None) | Post.issue_id.in_(begun))
        .values(state="unknown", started_at=started_at, not_before=None), execution_options={"synchronize_session": False})
    # What the timetable made, or was about to, and did not send as far as these rows know.
    unsent = select(Issue.slot_id).where(Issue.state.in_(("draft", "approved")), Issue.slot_id.is_not(None))
    slots = session.execute(update(Slot).where((Slot.state == "taken") | Slot.id.in_(unsent), Slot.state != "held")
                            .values(state="held", reason={"code": "slot_claimed"}))
    mails_, posts_, slots_ = (int(done.rowcount) for done in (mails, posts, slots))  # type: ignore[attr-defined]
    return Claimed(found, issues, mails_, posts_, slots_)


def address_of(database: Database) -> str:
    """The address of a database as a hash, without its password: what the state folder calls the place where it is found."""
    url = database.engine.url
    if database.is_sqlite:
        name = str(Path(url.database or "").resolve())
    else:
        # Of the options only those that say where it is.
        name = url.set(password=None, query={key: url.query[key] for key in ("host", "port") if key in url.query}).render_as_string()
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _new(place: Place, now: datetime) -> Row:
    return Row(uuid.uuid4().hex[:16], 0, dict(place), now.isoformat())


def _read(stored: Installation) -> Row:
    return Row(**json.loads(stored.value))


def _folder(settings: Settings) -> Path:
    return settings.place(settings.paths.state)


def _change(database: Database, change: Callable[[Row | None], Row], now: datetime, *, believed: bool = False) -> Row:
    """Replace the row in one transaction. `change` may raise; it is asked again where another process made the first row at the same moment."""
    while True:
        try:
            with database.writing() as session:
                return _changed(session, change, now, believed=believed)
        except IntegrityError:
            continue


def _changed(session: Session, change: Callable[[Row | None], Row], now: datetime, *, believed: bool) -> Row:
    stored = session.get(Installation, PRIMARY, with_for_update=True)
    row = change(_read(stored) if stored is not None else None)
    value = json.dumps(asdict(row))
    if stored is None:
        session.add(Installation(key=PRIMARY, value=value, noted_at=now))
    else:
        # The latest moment that anybody saw: a clock that jumps back is known by it.
        stored.value, stored.noted_at = value, now if believed else max(stored.noted_at, now)
    if believed:
        session.execute(update(Installation).where(Installation.key == ROUND, Installation.noted_at > now).values(noted_at=now))
    return row


def _fence_for_all(database: Database, why: str) -> None:
    """What only this machine's folder knows is written down for every machine that shares the database: they would count on, and hide it."""
    # A database that cannot be written sends nothing either; the refusal that follows is the better sentence.
    with suppress(DBAPIError), database.writing() as session:
        stored = session.get_one(Installation, PRIMARY, with_for_update=True)
        row = _read(stored)
        stored.value = json.dumps(asdict(replace(row, fenced=row.fenced or why)))
