"""One run over the due mails of a slice: one hand at the database, one thread for the wire, a journal between them."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.carriers import carriers_of
from publisher.deliver.claim import Claimed, Claims, Later, Settled, claim_in, release, settle, settle_in
from publisher.deliver.control import counts
from publisher.deliver.dispatch.dispatch import Dispatch
from publisher.deliver.dispatch.routes import NoRelay
from publisher.deliver.dispatch.sitting import Leave
from publisher.deliver.dispatch.slowing import is_about_pace
from publisher.deliver.headers import BadHeader
from publisher.deliver.interpreter import tune
from publisher.deliver.journal import Journal, forgotten_line, intent_line, outcome_line
from publisher.deliver.lines import Lines
from publisher.deliver.message import NO_MAIL, Mailings
from publisher.deliver.slices import Span, next_moment
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.stock import Stock
from publisher.deliver.suspicion import Suspicion, TakesNothing, refuses_all
from publisher.deliver.verdict import Counts, Verdict
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Delivery

# What was not settled yet is what another machine may repeat when this one dies: a tenth of a second of mails. A file has one machine, and the
# journal beside it is exact.
SETTLE_EVERY = {"postgresql": 0.1, "sqlite": 0.5}  # seconds
SETTLE_AT = 500
# A reader who leaves is asked about again when his mail is claimed: never much earlier than a second before it leaves.
_MOST = 1000
_SECONDS_AHEAD = 0.4
# Two outcomes that came together say little of how many a second there are.
_SHORTEST = 0.05
# A mail that a pace puts off for some seconds is waited for, over connections that are open: longer than the service takes to come round.
SOON = timedelta(seconds=15)
_LOOKS = (0.25, 0.5)  # seconds, at least and at most: so a pause acts in the meantime


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run needs to know. `resend`: mails whose answer was lost are sent again. `lingers`: those that are due within seconds are waited for."""

    span: Span
    list_id: int
    retry_for: timedelta
    clock: Callable[[], datetime]
    dispatch: Dispatch
    resend: bool = True
    lingers: bool = False


class Run:
    """Everything one run shares between its threads. `trouble` says why it ended early, if it did."""

    def __init__(self, database: Database, plan: Plan, mailings: Mailings, journal: Journal, relays: Iterable[Lines], stop: threading.Event) -> None:
        self._database, self._plan = database, plan
        self._relays = {lines.relay: lines for lines in relays}
        self._asked_to_stop = stop
        self._stock = Stock(self._relays, mailings, plan.dispatch, self._unwritable, self._wake)
        self._carriers = carriers_of(self, self._relays.values(), journal.write)
        self._done: deque[Settled] = deque()
        self._batch: list[Settled] = []  # on its way to the database
        self._news, self._waking = threading.Event(), threading.Lock()
        self._tick, self._moment = 0.0, plan.clock()
        self._wanted = 1
        self._in_hand: dict[int, Claimed] = {}
        self._suspicion = Suspicion()
        self._down: dict[str, PublisherError] = {}
        self._every = SETTLE_EVERY.get(database.engine.dialect.name, 0.5)
        self.trouble: PublisherError | None = None

    def go(self, progress: Callable[[Counts], None] | None) -> None:
        """Send until nothing is due, somebody stops it, or the relay is in trouble. Every claimed mail is settled or given back."""
        tune()
        known = counts(self._database, self._plan.span.issue_id) if progress else Counts()
        try:
            self._feed(known, progress)
        except NoRelay as error:
            self.trouble = self.trouble or error
        finally:
            self._stock.close()
            for carrier in self._carriers:
                carrier.end()
            for carrier in self._carriers:
                carrier.wait()
            self._settle_all()
            self._judge()
            self._give_back(list(self._in_hand.values()))
        self._look_at_the_carriers()
        if progress:
            progress(counts(self._database, self._plan.span.issue_id))

    def _look_at_the_carriers(self) -> None:
        for fault in (self._stock.fault, *(carrier.fault for carrier in self._carriers)):
            if fault is None:
                continue
            if not isinstance(fault, OSError):
                raise fault
            # The journal cannot be written (disk full, read-only): without an intent on record no mail may leave.
            self.trouble = PublisherError(_("the sending journal cannot be written: %(reason)s", reason=fault.strerror or str(fault)),
                                          remedy=_("make room in paths.state; nothing was lost"))

    # --- the hand at the database

    def _feed(self, known: Counts, progress: Callable[[Counts], None] | None) -> None:
        """Claim what the next moments need, settle what is done, in one transaction; look up several times a second."""
        least = 2 * sum(lines.most * lines.per_call for lines in self._relays.values())
        pace, finished, thorough, rate, before = least, 0, True, 0.0, time.monotonic()
        while not self._asked_to_stop.is_set() and self._lives():
            batch = self._batch
            flying = self._flying() - len(batch)
            # The long look behind mails that have to wait is taken before the end only, or where it found something the last time.
            look = thorough or not flying
            claims = self._turn(batch, max(0, pace - flying), thorough=look)
            if claims is None or (claims.ended and look and not self._flying() and not self._waited()):
                return
            thorough = look and not claims.ended
            if claims.mails:
                self._in_hand |= {mail.delivery_id: mail for mail in claims.mails}
                self._stock.add(claims.mails)
            finished += len(batch)
            if progress and batch:
                progress(_moved_on(known, finished))
            self._batch = self._outcomes(pace) if self._flying() else []
            now = time.monotonic()
            rate, before = (rate + len(self._batch) / max(_SHORTEST, now - before)) / 2, now
            pace = int(min(_MOST, max(least, rate * _SECONDS_AHEAD)))

    def _lives(self) -> bool:
        return self.trouble is None and self._stock.fault is None and all(carrier.lives() for carrier in self._carriers)

    def _waited(self) -> bool:
        """Wait a moment for mails that are due within seconds; False when there are none, or nobody is to wait."""
        now = self._plan.clock()
        if not self._plan.lingers:
            return False
        with self._database.reading() as session:
            moment = next_moment(session, self._plan.span, resend=self._plan.resend)
        if moment is None or moment - now > SOON:
            return False
        least, most = _LOOKS
        self._asked_to_stop.wait(min(most, max(least, (moment - now).total_seconds())))
        # A clock that stands still brings no moment nearer.
        return self._plan.clock() > now

    def _turn(self, batch: Sequence[Settled], most: int, *, thorough: bool) -> Claims | None:
        plan, now = self._plan, self._plan.clock()
        with self._database.writing() as session:
            settle_in(session, batch, plan.retry_for)
            telling = batch if plan.dispatch.is_slowing else [one for one in batch if one.verdict.state != "accepted"]
            if telling:
                plan.dispatch.heard(session, [(one.mail.relay, one.mail.domain, one.verdict) for one in telling], now)
            for name, lines in self._relays.items():
                lines.allowed = plan.dispatch.most_at_once(session, name, now)
            # With nothing wanted it is asked all the same whether the issue is still being sent.
            claims = claim_in(session, plan.span, plan.list_id, now, most, thorough=thorough, resend=plan.resend, decide=self._decide)
        self._batch = []
        for one in batch:
            self._in_hand.pop(one.mail.delivery_id, None)
        # What waits for a relay that takes none now is given back, so that others are asked, or it waits as a listed row.
        back = self._stock.taken_out([name for name, lines in self._relays.items() if name in self._down or not lines.allowed])
        if len(self._down) < len(self._relays):
            back += [mail for name in list(self._down) for mail, _verdict in self._suspicion.taken_out(name)]
        self._give_back(back)
        self._stock.look_beside()
        # What was given back is asked about once more, also when this was to be the last look.
        return Claims(claims.mails, ended=False) if back and claims is not None else claims

    def _decide(self, session: Session, mails: Sequence[Claimed], now: datetime) -> list[str | Later]:
        relay = self._plan.dispatch.all_leave_by(session, len(mails), now, self._down.keys())
        if relay is not None:
            return [relay] * len(mails)
        ways = self._plan.dispatch.decide(session, [(mail.delivery_id, mail.domain) for mail in mails], now, self._down.keys())
        return [way.relay if isinstance(way, Leave) else Later(way.until, way.reason) for way in ways]

    def _give_back(self, mails: Sequence[Claimed]) -> None:
        if not mails:
            return
        now = self._plan.clock()
        release(self._database, mails, now, self._plan.span)
        with self._database.writing() as session:
            self._plan.dispatch.give_back(session, Counter(mail.relay for mail in mails), now)
        for mail in mails:
            self._in_hand.pop(mail.delivery_id, None)

    def _wake(self) -> None:
        # Those who write ahead call at the same time, and a thread begins once.
        with self._waking:
            for carrier in self._carriers:
                carrier.wake()

    def _flying(self) -> int:
        """How many mails are on their way: claimed, and neither settled nor held back."""
        return len(self._in_hand) - len(self._suspicion)

    def _outcomes(self, pace: int) -> list[Settled]:
        """The outcomes that have come, when there is a batch of them, half of what was in hand is out, or it is time."""
        self._wanted = max(1, min(SETTLE_AT, self._flying() - pace // 2))
        if len(self._done) < self._wanted:
            self._news.wait(self._every)
        self._news.clear()
        return [self._done.popleft() for _one in range(min(len(self._done), 2 * SETTLE_AT))]

    def _settle_all(self) -> None:
        while self._batch or self._done:
            self._batch = self._batch or [self._done.popleft() for _one in range(min(len(self._done), SETTLE_AT))]
            settle(self._database, self._batch, self._plan.retry_for)
            for one in self._batch:
                self._in_hand.pop(one.mail.delivery_id, None)
            self._batch = []

    def _judge(self) -> None:
        """Refusals still held back: the readers' own when the relay takes this issue from us at all, else ours, and then they are tried again."""
        for relay in self._relays:
            held = self._suspicion.taken_out(relay)
            if not held:
                continue
            if self.trouble is None and relay in self._down:
                self._give_back([mail for mail, _verdict in held])  # the others carry on
                continue
            ours = not self._takes_this_issue(relay)
            if ours:
                self.trouble = self.trouble or refuses_all(self._name(relay), held[-1][1].reason)
            if ours or self.trouble is not None:
                held = [(mail, Verdict("deferred", verdict.reason)) for mail, verdict in held]
            settle(self._database, [Settled(mail, verdict, self._plan.clock()) for mail, verdict in held], self._plan.retry_for)
            for mail, _verdict in held:
                self._in_hand.pop(mail.delivery_id, None)

    def _takes_this_issue(self, relay: str) -> bool:
        taken = (Delivery.issue_id == self._plan.span.issue_id, Delivery.state == "accepted", Delivery.relay == relay)
        with self._database.reading() as session:
            return bool(session.scalar(select(exists().where(*taken))))

    def _name(self, relay: str) -> str:
        return self._relays[relay].name

    # --- what the carriers ask for, in their threads

    def next_for(self, relay: str) -> Claimed | None:
        """The next mail for a relay, written; None when there is none now."""
        return None if self._asked_to_stop.is_set() else self._stock.next_for(relay)

    def waiting_for(self, relay: str) -> int:
        """How many mails wait for a relay."""
        return 0 if self._asked_to_stop.is_set() else self._stock.waiting_for(relay)

    def _unwritable(self, mail: Claimed, error: BadHeader) -> None:
        self._note(mail, Verdict("refused", error.reason))

    def intent(self, mail: Claimed) -> bytes:
        """What the journal says before the first byte of a mail leaves."""
        return intent_line(mail.delivery_id, self._now())

    def outcome(self, mail: Claimed, verdict: Verdict) -> bytes:
        """Take an outcome. Refusals that may be our own fault are held back until it is known whose they are."""
        if verdict.state == "refused" and verdict.policy:
            self._stock.landed(mail)
            if self._suspicion.hold_back(mail, verdict):
                raise refuses_all(self._name(mail.relay), verdict.reason, in_a_row=True)
            # It was not taken: should this process end now, the mail is tried again, and nobody need wonder.
            return forgotten_line(mail.delivery_id, self._plan.clock())
        line = self._note(mail, verdict)
        if verdict.state == "accepted" and len(self._suspicion):
            line += b"".join(self._note(held, refusal) for held, refusal in self._suspicion.taken_out(mail.relay))
        return line

    def put_back(self, mail: Claimed, *, lost: bool = False) -> bytes:
        """Take back a mail of which nothing left. Whose connection is lost twice is put off: it may be the reason."""
        mail.losses += lost
        if mail.losses >= 2:
            return self._note(mail, Verdict("deferred", "the connection was lost twice"))
        self._stock.put_back(mail)
        return forgotten_line(mail.delivery_id, self._plan.clock())

    def trouble_with(self, relay: str, error: PublisherError) -> None:
        """A relay takes no mails now: others carry on, and when there is none the run ends."""
        self._down[relay] = error
        if len(self._down) == len(self._relays):
            self.trouble = self.trouble or _all_down(list(self._down.values()))
            self._stock.is_closed = True
        self._news.set()

    def _now(self) -> datetime:
        """The moment, to a thousandth of a second: thousands of times a second the clock is not asked."""
        tick = time.monotonic()
        if tick > self._tick:
            self._tick, self._moment = tick + 0.001, self._plan.clock()
        return self._moment

    def _note(self, mail: Claimed, verdict: Verdict) -> bytes:
        now = self._now()
        self._stock.landed(mail)
        mail.mail = NO_MAIL  # thousands of outcomes wait for the database, and none needs its bytes
        self._done.append(Settled(mail, verdict, now))
        # Who wants us slower is heard at once, before hundreds more are told the same.
        if len(self._done) >= self._wanted or (verdict.state != "accepted" and is_about_pace(verdict)):
            self._news.set()
        return outcome_line(mail.delivery_id, verdict, now)


def _all_down(errors: Sequence[PublisherError]) -> PublisherError:
    """Why no relay takes mail, in one sentence; where all of them refuse the issue itself, the word of the last."""
    if len(errors) == 1 or all(isinstance(error, TakesNothing) for error in errors):
        return errors[-1]
    whole = RelayTrouble(_("no relay takes mail now: %(names)s", names="; ".join(error.reason for error in errors)), remedy=errors[-1].remedy)
    whole.passing = any(isinstance(error, RelayTrouble) and error.passing for error in errors)
    return whole


def _moved_on(before: Counts, finished: int) -> Counts:
    """The counts as a bar needs them, without asking the database: `finished` mails have left the queue."""
    waiting = max(0, before.queued - finished)
    return Counts(total=before.total, queued=waiting, accepted=before.accepted + before.queued - waiting, refused=before.refused,
                  skipped=before.skipped, sending=before.sending, deferred=before.deferred, unknown=before.unknown)
