"""The connections of a run, all in one thread on a selector: mails go out over each, answers come back, and one write to the journal tells of them.

One thread, because the relay is the bound: more of them wait for each other (measured, docs/performance.md). Opening a connection waits for names,
TLS and logins, and is done in threads of its own.
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from publisher.deliver.claim import Claimed
from publisher.deliver.exchange import Done, Event, Garbled, Ready, Refused
from publisher.deliver.lines import OPENING_PAUSES, Lines
from publisher.deliver.pool import OpenLine, Pool
from publisher.deliver.smtp import Connection, RelayTrouble
from publisher.deliver.verdict import Verdict
from publisher.errors import PublisherError

_LOOK_EVERY = 0.25  # seconds between looks at what takes too long


class Hands(Protocol):
    """Whose mails these are. Everything but `wake` is called in the wire's thread."""

    def next_for(self, relay: str) -> Claimed | None:
        """The next mail for a relay, written; None when there is none now."""

    def waiting_for(self, relay: str) -> int:
        """How many mails wait for a relay."""

    def intent(self, mail: Claimed) -> bytes:
        """What the journal says before the first byte of a mail leaves."""

    def outcome(self, mail: Claimed, verdict: Verdict) -> bytes:
        """Take an outcome; what the journal says of it. Raises RelayTrouble when it says that the relay takes nothing at all."""

    def put_back(self, mail: Claimed, *, lost: bool = False) -> bytes:
        """Take back a mail of which nothing left; `lost`: its connection was lost, for which it may be the cause. What the journal says."""

    def trouble_with(self, relay: str, error: PublisherError) -> None:
        """A relay takes no mails now."""


class Wire(threading.Thread):
    """Runs until `end` was called and what was on the wire has its answer. `fault` is what broke it, if anything did."""

    def __init__(self, hands: Hands, pools: Iterable[Lines], journal: Callable[[bytes], None]) -> None:
        super().__init__(name="wire", daemon=True)
        self._hands, self._journal = hands, journal
        self._pools = [Pool(lines) for lines in pools]
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._opened: deque[tuple[Pool, Connection | RelayTrouble | Exception]] = deque()
        self._ending = threading.Event()
        self._next_look, self._news = 0.0, True
        self.fault: Exception | None = None

    def lives(self) -> bool:
        """Whether it can take mails."""
        return self.ident is None or self.is_alive()

    def wait(self) -> None:
        """Wait until what had left has its answer."""
        if self.ident is not None:
            self.join()

    def wake(self) -> None:
        """There are new mails; begins to work with the first."""
        if self.ident is None:
            self.start()
        try:
            self._bell.send(b"!")
        except OSError:
            return  # it has ended

    def end(self) -> None:
        """Begin nothing more; what has left is waited for."""
        self._ending.set()
        if self.ident is not None:
            self.wake()

    def run(self) -> None:
        """The thread's life."""
        self._selector.register(self._ear, selectors.EVENT_READ, None)
        try:
            self._turn_and_turn()
        except Exception as error:
            # The border of a thread: whatever broke it ends the run and is seen there, or the run would wait for its mails for ever.
            self.fault = error
        finally:
            self._abandon_all()
            self._close_opened()
            self._selector.close()
            self._bell.close()
            self._ear.close()

    def _abandon_all(self) -> None:
        """After a fault: what had left has no answer, and says so; the rest stays in hand."""
        for pool in self._pools:
            for line in pool.open:
                done, _untouched = line.exchange.broken("the run ended", unsent=len(line.unsent))
                if done is not None:
                    self._hands.outcome(done.item, done.verdict)
                line.connection.close()
            pool.open.clear()

    def _turn_and_turn(self) -> None:
        while True:
            now = time.monotonic()
            if now >= self._next_look:
                self._next_look, self._news = now + _LOOK_EVERY, True
                self._look(now)
            while self._opened:
                self._arrived(*self._opened.popleft())
            if self._ending.is_set():
                self._leave_all()
                if not any(pool.open for pool in self._pools):
                    return
            elif self._news:
                self._news = False
                self._set_going(now)
            for key, mask in self._selector.select(_LOOK_EVERY):
                if key.data is None:
                    self._ear.recv(4096)
                    self._news = True
                elif mask & selectors.EVENT_READ:
                    self._read(key.data)
                else:
                    self._flush(key.data)

    def _set_going(self, now: float) -> None:
        """Idle connections get a mail; where more wait than there are connections for, more are opened."""
        for pool in self._pools:
            if now < pool.not_before or pool.lines.resting():
                continue
            for line in list(pool.open):
                if line.exchange.is_idle and not line.leaving and self._offer(line):
                    self._flush(line)
            waiting = 0 if pool.is_down else self._hands.waiting_for(pool.name)
            while waiting > pool.opening and len(pool.open) + pool.opening < pool.room():
                pool.opening += 1
                threading.Thread(target=self._open, args=(pool,), name=f"open {pool.name}", daemon=True).start()

    def _open(self, pool: Pool) -> None:
        try:
            made = pool.lines.opener()
            assert isinstance(made, Connection)  # a provider has a crew
            self._opened.append((pool, made))
        except Exception as error:
            # A fault in this thread would be lost: the wire's own thread looks at it.
            self._opened.append((pool, error))
        self.wake()

    def _arrived(self, pool: Pool, made: Connection | Exception) -> None:
        pool.opening -= 1
        if isinstance(made, Connection):
            if self._ending.is_set():
                made.close()
                return
            pool.tries = 0
            line = OpenLine(pool, made, pool.lines.timeout)
            pool.open.append(line)
            self._selector.register(line.socket, selectors.EVENT_READ, line)
            if self._offer(line):
                self._flush(line)
            return
        if not isinstance(made, RelayTrouble):
            raise made
        if made.passing and (pool.open or pool.opening):
            # It takes no further connection, and others are open: the work goes on over those.
            pool.most = max(1, len(pool.open) + pool.opening)
        elif made.passing and pool.tries < len(OPENING_PAUSES):
            pool.not_before = time.monotonic() + OPENING_PAUSES[pool.tries]
            pool.tries += 1
        else:
            self._give_up(pool, made)

    def _give_up(self, pool: Pool, error: PublisherError) -> None:
        pool.is_down = True
        self._hands.trouble_with(pool.name, error)

    def _close_opened(self) -> None:
        while self._opened:
            _pool, made = self._opened.popleft()
            if isinstance(made, Connection):
                made.close()

    def _offer(self, line: OpenLine) -> bool:
        """Give a free connection its next mail."""
        if line.leaving or self._ending.is_set() or line.pool.lines.resting():
            return False
        if len(line.pool.open) > line.pool.room() or line.pool.lines.is_worn(line.exchange.done + (line.exchange.open_item is not None)):
            line.leaving = True
            return False
        mail = self._hands.next_for(line.pool.name)
        if mail is None:
            return False
        line.exchange.offer(mail)
        return True

    def _read(self, line: OpenLine) -> None:
        try:
            data = line.receive()
            if data is None:
                return
            if not data:
                self._lost(line, "it closed the connection")
                return
        except OSError as error:
            self._lost(line, error.strerror or str(error))
            return
        self._deal_with(line, line.exchange.receive(data, unsent=len(line.unsent)))

    def _deal_with(self, line: OpenLine, events: list[Event[Claimed]]) -> None:
        last = events[-1] if events else None
        notes = [self._finished(line, event) for event in events if isinstance(event, Done)]
        if isinstance(last, Refused):
            self._turned_away(line, last)
        # On record before the first byte of the next body leaves; what comes behind a Ready says that none is to leave.
        ready = isinstance(last, Ready) and not self._ending.is_set() and not line.leaving
        if isinstance(last, Ready) and ready:
            notes.append(self._hands.intent(last.item))
        if self._noted(b"".join(notes)) and ready:
            line.exchange.go()
        if isinstance(last, Garbled):
            self._lost(line, f"it does not speak SMTP: {last.reason}", is_close=False)
            return
        if isinstance(last, Refused) and last.item is None:
            self._lost(line, last.reason)
            return
        if line.exchange.is_free:
            self._offer(line)
        self._flush(line)
        if line.leaving and line in line.pool.open and line.exchange.open_item is None:
            self._close(line)

    def _finished(self, line: OpenLine, event: Done[Claimed]) -> bytes:
        verdict, lines = event.verdict, line.pool.lines
        try:
            if verdict.closing:
                line.leaving = True
                lines.rest(verdict.reason)
            elif verdict.state == "accepted":
                lines.works()
            return self._hands.outcome(event.item, verdict)
        except RelayTrouble as error:
            line.leaving = True
            self._give_up(line.pool, error)
            return self._hands.outcome(event.item, verdict) if verdict.closing else b""

    def _turned_away(self, line: OpenLine, event: Refused[Claimed]) -> None:
        line.leaving = True
        if event.item is not None:
            self._hands.put_back(event.item)
        if event.us:
            self._give_up(line.pool, line.connection.refuses_us(event.reason))

    def _flush(self, line: OpenLine) -> None:
        try:
            everything = line.flush()
        except OSError as error:
            self._hear_out(line)
            self._lost(line, error.strerror or str(error))
            return
        line.deadline = time.monotonic() + line.timeout
        wanted = selectors.EVENT_READ if everything else selectors.EVENT_READ | selectors.EVENT_WRITE
        if line.watched != wanted:
            self._selector.modify(line.socket, wanted, line)
            line.watched = wanted

    def _hear_out(self, line: OpenLine) -> None:
        """What the other side said before it closed: a mail that is too large is refused, and the rest of it finds nobody (552, and the end)."""
        try:
            data = line.receive()
        except OSError:
            return
        events = line.exchange.receive(data, unsent=len(line.unsent)) if data else []
        self._noted(b"".join([self._finished(line, event) for event in events if isinstance(event, Done)]))
        if events and isinstance(events[-1], Refused):
            self._turned_away(line, events[-1])

    def _lost(self, line: OpenLine, reason: str, *, is_close: bool = True) -> None:
        """Some relays close after a number of mails without a word (Yahoo): that is no failure of the mail that was to come."""
        begun = line.exchange.open_item
        done, untouched = line.exchange.broken(reason, unsent=len(line.unsent))
        self._forget(line)
        note = self._hands.outcome(done.item, done.verdict) if done is not None else b""
        may_be_the_cause = begun is not None or not is_close or not line.exchange.done
        for mail in reversed(untouched):
            note += self._hands.put_back(mail, lost=done is None and mail is untouched[0] and may_be_the_cause)
        self._noted(note)
        self._news = True

    def _noted(self, notes: bytes) -> bool:
        """Write to the journal; False when that is impossible (a full disk): then nothing more leaves, and what has left is waited for."""
        try:
            if notes and self.fault is None:
                self._journal(notes)
        except OSError as error:
            self.fault = error
            self._ending.set()
        return self.fault is None

    def _close(self, line: OpenLine) -> None:
        """Leave politely; a mail of which only the envelope was said goes another way."""
        _done, untouched = line.exchange.broken("", unsent=len(line.unsent))
        self._forget(line)
        for mail in reversed(untouched):
            self._hands.put_back(mail)
        self._news = True

    def _forget(self, line: OpenLine) -> None:
        self._selector.unregister(line.socket)
        line.pool.open.remove(line)
        line.connection.close()

    def _leave_all(self) -> None:
        for pool in self._pools:
            for line in list(pool.open):
                line.leaving = True
                if line.exchange.open_item is None:
                    self._close(line)

    def _look(self, now: float) -> None:
        for pool in self._pools:
            for line in list(pool.open):
                if not line.exchange.is_idle and now > line.deadline:
                    self._lost(line, "timed out", is_close=False)
