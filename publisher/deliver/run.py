"""One run over the due mails of an issue: one hand at the database, a thread for each connection, a journal between them."""

import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from publisher.db import Database
from publisher.deliver.claim import Claimed, Settled, claim, release, settle
from publisher.deliver.control import counts
from publisher.deliver.headers import BadHeader
from publisher.deliver.journal import Journal
from publisher.deliver.lines import Line, Lines, NoRoom
from publisher.deliver.message import Mail, Mailings
from publisher.deliver.smtp import ConnectionLost
from publisher.deliver.suspicion import Suspicion, refuses_all
from publisher.deliver.verdict import Counts, Verdict
from publisher.errors import PublisherError
from publisher.i18n import _

SETTLE_EVERY = 0.5  # seconds
SETTLE_AT = 200
# A reader who leaves is asked about again when his mail is claimed: never much earlier than a second before it leaves.
_LEAST, _MOST = 2, 500

class Run:
    """Everything one run shares between its threads. `trouble` says why it ended early, if it did."""

    def __init__(self, database: Database, issue_id: int, list_id: int, mailings: Mailings, journal: Journal, *, lines: Lines,
                 clock: Callable[[], datetime], retry_for: timedelta, stop: threading.Event) -> None:
        self._database, self._issue_id, self._list_id = database, issue_id, list_id
        self._mailings, self._journal, self._lines = mailings, journal, lines
        self._clock, self._retry_for = clock, retry_for
        self._asked_to_stop = stop
        self._ending = threading.Event()
        self._work: queue.SimpleQueue[Claimed | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Settled] = queue.SimpleQueue()
        self._in_hand: dict[int, Claimed] = {}
        self._suspicion = Suspicion()
        self.trouble: PublisherError | None = None
        self.fault: Exception | None = None

    def go(self, progress: Callable[[Counts], None] | None) -> None:
        """Send until nothing is due, somebody stops it, or the relay is in trouble. Every claimed mail is settled or given back."""
        threads = [threading.Thread(target=self._keep_busy, name=f"line-{number}", daemon=True) for number in range(self._lines.most)]
        known = counts(self._database, self._issue_id)
        try:
            self._feed(threads, known, progress)
        finally:
            self._ending.set()
            for _thread in threads:
                self._work.put(None)
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._settle()
            self._judge()
            release(self._database, list(self._in_hand.values()), self._clock())
        if self.fault is not None:
            raise self.fault
        if progress:
            progress(counts(self._database, self._issue_id))

    def _feed(self, threads: list[threading.Thread], known: Counts, progress: Callable[[Counts], None] | None) -> None:
        """Claim as much as one second needs, settle what is done, look up twice a second."""
        pace, finished, scattered = _LEAST * len(threads), 0, True
        while not self._asked_to_stop.is_set() and not self._ending.is_set():
            if (flying := self._flying()) < pace:
                # The long look behind mails that have to wait is taken before the end only, or where it found something the last time.
                thorough = scattered or not flying
                claimed = claim(self._database, self._issue_id, self._list_id, self._clock(), min(_MOST, pace - flying + len(threads)),
                                thorough=thorough)
                if not claimed and not flying:
                    return
                scattered = thorough and bool(claimed)
                self._in_hand |= {mail.delivery_id: mail for mail in claimed or ()}
                self._mailings.prepare(mail.edition_id for mail in claimed or ())
                for mail in claimed or ():
                    self._work.put(mail)
                self._start(threads)
            began = time.monotonic()
            done = self._settle(wait=SETTLE_EVERY)
            finished += done
            rate = done / max(0.01, time.monotonic() - began)
            pace = int(min(_MOST, max(_LEAST * len(threads), rate, pace * 0.8)))
            if progress and done:
                progress(_moved_on(known, finished))

    def _start(self, threads: list[threading.Thread]) -> None:
        """No more connections than mails."""
        for thread in threads[:max(1, self._flying())]:
            if thread.ident is None:
                thread.start()

    def _flying(self) -> int:
        """How many mails are on their way: claimed, and neither settled nor held back."""
        return len(self._in_hand) - len(self._suspicion)

    def _settle(self, *, wait: float = 0.0) -> int:
        """Write the outcomes that have come, waiting up to `wait` seconds for a batch of them; returns how many."""
        batch: list[Settled] = []
        deadline = time.monotonic() + wait
        while len(batch) < SETTLE_AT:
            try:
                batch.append(self._done.get(timeout=max(0.0, deadline - time.monotonic())) if wait else self._done.get_nowait())
            except queue.Empty:
                break
            if len(batch) >= self._flying():
                break
        settle(self._database, batch, self._retry_for)
        for one in batch:
            self._in_hand.pop(one.mail.delivery_id, None)
        if not wait and len(batch) == SETTLE_AT:
            return len(batch) + self._settle()
        return len(batch)

    def _judge(self) -> None:
        """Refusals still held back: the readers' own when the relay takes this issue from us at all, else ours, and then they are tried again."""
        held = self._suspicion.taken_out()
        if not held:
            return
        if self.trouble is None and not counts(self._database, self._issue_id).accepted:
            self.trouble = refuses_all(self._lines.name, held[-1][1].reason)
        if self.trouble is not None:
            held = [(mail, Verdict("deferred", verdict.reason)) for mail, verdict in held]
        settle(self._database, [Settled(mail, verdict, self._clock()) for mail, verdict in held], self._retry_for)
        for mail, _verdict in held:
            self._in_hand.pop(mail.delivery_id, None)

    def _keep_busy(self) -> None:
        """A thread's life: take a mail, hand it over, take the next. Trouble ends the run for all."""
        line = Line(self._lines, self._ending)
        try:
            while not self._ending.is_set():
                mail = self._work.get()
                if mail is None:
                    return
                if self._ending.is_set() or self._asked_to_stop.is_set():
                    return
                try:
                    self._hand_over(line, mail)
                except NoRoom:
                    self._work.put(mail)
                    return
        except PublisherError as error:
            self._give_up(error)
        except OSError as error:
            # The journal cannot be written (disk full, read-only): without an intent on record no mail may leave.
            self._give_up(PublisherError(_("the sending journal cannot be written: %(reason)s", reason=error.strerror or str(error)),
                                         remedy=_("make room in paths.state; nothing was lost")))
        except Exception as error:
            # A fault of ours in one thread must end the run and be seen, or the others would wait for its mails for ever.
            self.fault = error
            self._ending.set()
        finally:
            line.close()

    def _give_up(self, error: PublisherError) -> None:
        self.trouble = self.trouble or error
        self._ending.set()

    def _hand_over(self, line: Line, claimed: Claimed) -> None:
        try:
            mail = self._mailings.of(claimed.edition_id).to(claimed.subscriber_id, claimed.address, claimed.first_tried_at)
        except BadHeader as error:
            self._finish(claimed, Verdict("refused", error.reason))
            return
        # Trouble from here to the first recipient is nobody's fault: the mail stays in hand, and is given back at the end of the run.
        if self._lines.rest_over(self._ending):
            return
        connection = line.connection()
        self._journal.intent(claimed.delivery_id, self._clock())
        try:
            verdict = connection.send(mail)
        except ConnectionLost:
            # Some relays close after a number of mails without a word (Yahoo): that is no failure of this one.
            line.close()
            verdict = self._once_more(line, mail)
        self._finish(claimed, verdict)
        self._look_at(line, verdict)

    def _once_more(self, line: Line, mail: Mail) -> Verdict:
        try:
            return line.connection().send(mail)
        except ConnectionLost as error:
            line.close()
            return Verdict("deferred", f"the connection was lost twice: {error}")

    def _look_at(self, line: Line, verdict: Verdict) -> None:
        if verdict.closing:
            line.close()
        if verdict.closing and verdict.state == "deferred":
            self._lines.rest(verdict.reason)
        elif verdict.state == "accepted":
            self._lines.works()

    def _finish(self, mail: Claimed, verdict: Verdict) -> None:
        if verdict.state == "refused" and verdict.policy:
            if self._suspicion.hold_back(mail, verdict):
                raise refuses_all(self._lines.name, verdict.reason)
            return
        self._note(mail, verdict)
        if verdict.state == "accepted":
            for held, refusal in self._suspicion.taken_out():
                self._note(held, refusal)

    def _note(self, mail: Claimed, verdict: Verdict) -> None:
        now = self._clock()
        self._journal.outcome(mail.delivery_id, verdict, now)
        self._done.put(Settled(mail, verdict, now))


def _moved_on(before: Counts, finished: int) -> Counts:
    """The counts as a bar needs them, without asking the database: `finished` mails have left the queue."""
    waiting = max(0, before.queued - finished)
    return Counts(total=before.total, queued=waiting, accepted=before.accepted + before.queued - waiting, refused=before.refused,
                  skipped=before.skipped, sending=before.sending, deferred=before.deferred, unknown=before.unknown)
