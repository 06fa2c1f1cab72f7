"""Makes posts: the attempt is written down before it is made, and an unknown outcome is settled before anything is tried again."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from publisher.channels.base import Channel, ChannelError, OutcomeUnknown, Posted
from publisher.db import Database
from publisher.deliver.retry import next_try
from publisher.errors import Busy, PublisherError
from publisher.i18n import N_, _
from publisher.locks import hold
from publisher.models import AccountRow, Issue, Post, Telling
from publisher.primary import sending
from publisher.settings import Settings

# Nine attempts in growing pauses take about a day, whether they failed or nobody knows; what a network itself puts off does not count.
_ATTEMPTS = 9
_TELLS = ("sending", "sent")
# A timeline shows a post some seconds after it was made: only after this is its absence a fact.
SETTLES_AFTER = timedelta(seconds=60)
_LONGEST_WITHOUT_A_LOOK = timedelta(hours=6)
_DUE = ("queued", "deferred", "unknown", "sending")
_ENDED = N_("the process ended before the network had answered")


@dataclass(frozen=True, slots=True)
class PostCounts:
    """What came of one round."""

    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    unknown: int = 0
    skipped: int = 0


def post_due(database: Database, settings: Settings, channels: Mapping[str, Channel], clock: Callable[[], datetime], *,
             issue_id: int | None = None, post_ids: Sequence[int] | None = None, stop: threading.Event | None = None) -> PostCounts:
    """Make every post that is due, account by account; one account's trouble, or another process at it, never stops the others.

    Raises Fenced or ClockBack before anything is posted. A fault of the program itself is raised at the end, when every account had its turn.
    """
    done: Counter[str] = Counter()
    fault: Exception | None = None
    due = [account.name for account in settings.accounts if account.name in channels and _due(database, account.name, clock(), issue_id, post_ids)]
    with sending(database, settings, clock) if due else nullcontext():
        for account in due:
            if stop and stop.is_set():
                break
            try:
                with hold(database.engine, f"account-{account}"):
                    wanted = _due(database, account, clock(), issue_id, post_ids)
                    done += _Round(database, channels[account], account, clock, stop).go(wanted)
            except Busy:
                continue
            except Exception as error:
                # A row left in `sending` is settled by the next round; a fault that stays must not close the accounts behind this one.
                fault = fault or error
        if fault is not None:
            raise fault
    return PostCounts(**{state: done[state] for state in ("accepted", "refused", "deferred", "unknown", "skipped")})


def _due(database: Database, account: str, now: datetime, issue_id: int | None, post_ids: Sequence[int] | None) -> list[int]:
    """The posts of an account to look at now, in their order; those of an issue only once it is being sent."""
    query = (select(Post.id).join(AccountRow, AccountRow.id == Post.account_id).outerjoin(Issue, Issue.id == Post.issue_id)
             .where(AccountRow.name == account, Post.state.in_(_DUE), (Post.not_before.is_(None)) | (Post.not_before <= now),
                    (AccountRow.retry_at.is_(None)) | (AccountRow.retry_at <= now),
                    # A cancelled or paused issue starts no post; one that was on the wire is still settled.
                    (Post.issue_id.is_(None)) | Issue.state.in_(_TELLS) | Post.state.in_(("sending", "unknown")))
             .order_by(Post.issue_id, Post.position, Post.id))
    if issue_id is not None:
        query = query.where(Post.issue_id == issue_id)
    if post_ids is not None:
        query = query.where(Post.id.in_(post_ids))
    with database.reading() as session:
        return list(session.scalars(query))


def _first_look(tried: int, now: datetime, salt: int) -> datetime:
    """When to look for a post whose outcome is unknown, and to make it again if it is not there: a network that is down is not asked each minute."""
    later = next_try(tried - 1, now, now, timedelta(days=1), salt) if tried > 1 else None
    return later or now + SETTLES_AFTER


def _next_look(started: datetime, now: datetime) -> datetime:
    """When to look again after a look that failed. X charges for looks: the pauses grow with the time since the attempt."""
    return now + min(max(SETTLES_AFTER, (now - started) / 2), _LONGEST_WITHOUT_A_LOOK)


class _Round:
    """One account's posts, under its lock."""

    def __init__(self, database: Database, channel: Channel, account: str, clock: Callable[[], datetime], stop: threading.Event | None) -> None:
        self._database, self._channel, self._account = database, channel, account
        self._clock, self._stop = clock, stop

    def go(self, ids: Sequence[int]) -> Counter[str]:
        """Look at each post; ends early when the network asks for patience."""
        done: Counter[str] = Counter()
        for post_id in ids:
            if self._stop and self._stop.is_set():
                break
            state, wait = self._one(post_id)
            done[state] += 1
            if wait is not None:
                self._ask_patience(wait)
                break
        return done

    def _one(self, post_id: int) -> tuple[str, datetime | None]:
        with self._database.reading() as session:
            post = session.get_one(Post, post_id)
            issue = session.get(Issue, post.issue_id) if post.issue_id is not None else None
        tells = issue is None or issue.state in _TELLS
        # What can be repeated needs no look, except where it will not be repeated.
        if post.state in ("sending", "unknown") and not (self._channel.repeatable and tells):
            # "sending" under our lock belongs to a process that died in mid-post.
            settled = self._settle_unknown(post)
            if settled is not None:
                return settled
            if tells and post.attempts >= _ATTEMPTS:
                self._write(post, "refused", reason=post.reason or _(_ENDED))
                return "refused", None
        if issue is not None and not tells:
            self._write(post, "skipped" if issue.state == "cancelled" else "queued", reason=issue.state)
            return "skipped", None
        return self._attempt(post)

    def _settle_unknown(self, post: Post) -> tuple[str, datetime | None] | None:
        """What the account's own timeline says; None when the post is surely not there and may be made."""
        now = self._clock()
        started = post.started_at or now
        try:
            found = self._channel.find(post.text, started, now)
        except ChannelError as error:
            self._write(post, "unknown", reason=error.reason, not_before=error.retry_at or _next_look(started, now))
            return "unknown", error.retry_at
        if found is not None:
            self._accept(post, found)
            return "accepted", None
        if now - started < SETTLES_AFTER:
            self._write(post, "unknown", reason=post.reason or _(_ENDED), not_before=started + SETTLES_AFTER)
            return "unknown", None
        return None

    def _attempt(self, post: Post) -> tuple[str, datetime | None]:
        now = self._clock()
        if not self._begin(post, now):
            return "skipped", None
        try:
            made = self._channel.post(post.id, post.text, now)
        except OutcomeUnknown as error:
            self._write(post, "unknown", reason=error.reason, not_before=_first_look(post.attempts + 1, self._clock(), post.id))
            return "unknown", None
        except ChannelError as error:
            return self._fail(post, error)
        self._accept(post, made)
        return "accepted", None

    def _begin(self, post: Post, now: datetime) -> bool:
        """Write the intent down: by compare-and-set, so that a cancel or another hand in between wins."""
        with self._database.writing() as session:
            changed = session.execute(update(Post).where(Post.id == post.id, Post.state == post.state, Post.attempts == post.attempts)
                                      .values(state="sending", attempts=Post.attempts + 1, started_at=now, not_before=None))
            return changed.rowcount == 1  # type: ignore[attr-defined]

    def _fail(self, post: Post, error: ChannelError) -> tuple[str, datetime | None]:
        now = self._clock()
        tried = post.attempts + 1
        again = error.retry_at or (next_try(tried, now, now, timedelta(days=1), post.id) if tried < _ATTEMPTS else None)
        if error.permanent or again is None:
            self._write(post, "refused", reason=error.reason)
            return "refused", None
        # `post` was read before the attempt was counted.
        self._write(post, "deferred", reason=error.reason, not_before=again, attempts=post.attempts if error.retry_at else tried)
        return "deferred", error.retry_at

    def _accept(self, post: Post, made: Posted) -> None:
        self._write(post, "accepted", external_id=made.external_id, permalink=made.permalink)

    def _write(self, post: Post, state: str, **values: Any) -> None:
        now = self._clock()
        with self._database.writing() as session:
            session.execute(update(Post).where(Post.id == post.id)
                            .values(state=state, settled_at=now, **({"not_before": None, "reason": None} | values)))
            if state == "accepted":
                session.execute(update(Telling).where(Telling.post_id == post.id).values(told_at=now))

    def _ask_patience(self, until: datetime) -> None:
        with self._database.writing() as session:
            session.execute(update(AccountRow).where(AccountRow.name == self._account).values(retry_at=until))


def retry_post(database: Database, post_id: int, now: datetime) -> None:
    """A person's word that a post is not there: it is due again.

    Raises PublisherError when it is made, waiting, cancelled with its issue, or does not exist.
    """
    with database.writing() as session:
        post = session.get(Post, post_id, with_for_update=True)
        if post is None:
            raise PublisherError(_("there is no post %(id)s", id=post_id), remedy=_("look with: publisher posts list"))
        if post.state not in ("refused", "unknown", "deferred"):
            raise PublisherError(_("post %(id)s is %(state)s and cannot be tried again", id=post_id, state=_(post.state)),
                                 remedy=_("look with: publisher posts list"))
        if session.scalar(select(Issue.state).where(Issue.id == post.issue_id)) == "cancelled":
            # Nothing of a cancelled issue is begun: the post would wait for ever.
            raise PublisherError(_("post %(id)s is %(state)s and cannot be tried again", id=post_id, state=_("cancelled")),
                                 remedy=_("look with: publisher posts list"))
        post.state, post.attempts, post.not_before, post.started_at, post.reason = "queued", 0, None, None, None
        account = session.get_one(AccountRow, post.account_id)
        account.retry_at = None
