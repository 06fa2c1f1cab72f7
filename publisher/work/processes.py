"""Sends an issue from one machine: in this process, or by several that share its slices; waits for what other processes hold when asked to.

A killed parent leaves no orphan: its children see the end of their pipe, and the kernel tells them (orphans.py).
"""

import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from publisher.clock import utc_now
from publisher.db import Database
from publisher.deliver.control import counts
from publisher.deliver.due import resends
from publisher.deliver.slices import lock_of, slices_of
from publisher.deliver.verdict import Counts
from publisher.deliver.worker import check_relay, finish_issue, send_issue
from publisher.errors import Busy, PublisherError
from publisher.i18n import _, current_language
from publisher.locks import hold
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.work.due import due_slices, is_being_sent
from publisher.work.orders import Answer, Order

Clock = Callable[[], datetime]
Progress = Callable[[Counts], None]
LOOK_EVERY = 0.5  # seconds between two looks at what others do
# A child that ends by itself (out of memory) is replaced, but not for ever.
_MOST_ENDS = 3


def send_mails(database: Database, settings: Settings, keys: Keys, issue_id: int, *, secrets: Mapping[str, str], clock: Clock,
               progress: Progress | None = None, stop: threading.Event | None = None, wait: bool = False) -> Counts:
    """Send what is due of an issue in `sending` with `mail.processes` processes; returns what is known then.

    A slice that another living process sends is left to it. Without `wait` that raises Busy when all that is due is; with it this comes back
    when nothing is due any more, and takes over what a process that died meanwhile left. Raises as `send_issue` does.
    """
    stop, before = stop or threading.Event(), None
    while True:
        try:
            known = _send_once(database, settings, keys, issue_id, secrets=secrets, clock=clock, progress=progress, stop=stop)
        except Busy:
            if not wait:
                raise
            known = counts(database, issue_id)
        left = _left(database, settings, issue_id, clock()) if wait and not stop.is_set() else []
        # What is held is waited for; what is free came due or was left meanwhile, and is tried once more as long as that changes anything.
        held = any(_is_held(database, issue_id, number) for number in left)
        if not left or not held and known == before:
            return known
        before = known
        if progress:
            progress(known)
        if held:
            time.sleep(LOOK_EVERY)


def _left(database: Database, settings: Settings, issue_id: int, now: datetime) -> list[int]:
    with database.reading() as session:
        return due_slices(session, issue_id, now, resend=resends(session, settings, issue_id)) if is_being_sent(session, issue_id) else []


def _is_held(database: Database, issue_id: int, number: int) -> bool:
    try:
        with hold(database.engine, lock_of(issue_id, number)):
            return False
    except Busy:
        return True


def _send_once(database: Database, settings: Settings, keys: Keys, issue_id: int, *, secrets: Mapping[str, str], clock: Clock,
               progress: Progress | None, stop: threading.Event) -> Counts:
    slices_of(database, issue_id, settings.mail.slice_size)
    due = _left(database, settings, issue_id, clock())
    many = min(settings.mail.processes, len(due))
    if many < 2:
        return send_issue(database, settings, keys, issue_id, secrets=secrets, clock=clock, progress=progress, stop=stop)
    check_relay(settings)
    order = Order(os.getpid(), current_language(), database.url, settings, keys, issue_id, secrets, _ahead(clock))
    crew = Crew(order, due, many)
    try:
        crew.work(stop, _looking(database, issue_id, progress))
    finally:
        crew.end()
    finish_issue(database, issue_id, clock())
    if crew.trouble is not None:
        raise crew.trouble
    # What a pace puts off for seconds is waited for here, when every slice had its turn.
    with suppress(Busy):
        send_issue(database, settings, keys, issue_id, secrets=secrets, clock=clock, progress=progress, stop=stop)
    return counts(database, issue_id)


def _ahead(clock: Clock) -> timedelta:
    """What a clock that is not the machine's differs by: it cannot travel through a pipe itself."""
    differs = clock() - utc_now()
    return differs if abs(differs) > timedelta(seconds=1) else timedelta(0)


def _looking(database: Database, issue_id: int, progress: Progress | None) -> Callable[[], None]:
    """A look at the counts for the bar: of a million rows it takes a while, and then it comes less often."""
    again = 0.0

    def look() -> None:
        nonlocal again
        if progress is not None and time.monotonic() >= again:
            began = time.monotonic()
            progress(counts(database, issue_id))
            again = time.monotonic() + max(LOOK_EVERY, 10 * (time.monotonic() - began))

    return look


class Crew:
    """The children at one issue. `trouble` says why they ended early, if they did."""

    def __init__(self, order: Order, numbers: list[int], many: int) -> None:
        self._order, self._many, self._briefing = order, many, pickle.dumps(order)
        self._numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in numbers:
            self._numbers.put(number)
        self._children: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sent = self._ends = 0
        self._held: int | None = None
        self.trouble: PublisherError | None = None

    def work(self, stop: threading.Event, look: Callable[[], None]) -> None:
        """Hand out the slices until there are none, somebody stops it, or there is trouble. Raises Busy when others hold every one."""
        feeders: list[threading.Thread] = []
        while True:
            feeders = [feeder for feeder in feeders if feeder.is_alive()]
            # The kernel tells a child of the end of the thread that started it: this one, which waits for them all.
            while len(feeders) < self._many and not self._numbers.empty() and not self._stopping.is_set():
                feeders.append(threading.Thread(target=self._feed, args=(self._hired(),), daemon=True))
                feeders[-1].start()
            if not feeders:
                break
            if stop.is_set() or self.trouble is not None:
                self._stop()
            feeders[0].join(0.1)
            look()
        if self._held is not None and not self._sent and self.trouble is None and not stop.is_set():
            raise Busy(_("another process is at work here (lock %(name)s)", name=lock_of(self._order.issue_id, self._held)),
                       remedy=_("wait until it has finished, or stop it"))

    def _hired(self) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen([sys.executable, "-m", "publisher.work.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._children.append(child)
        _tell(child, self._briefing)
        return child

    def _feed(self, child: "subprocess.Popen[bytes]") -> None:
        """A thread's life: give the child a slice, wait for its answer, give it the next."""
        while not self._stopping.is_set():
            try:
                number = self._numbers.get_nowait()
            except queue.Empty:
                return
            _tell(child, b"%d\n" % number)
            try:
                assert child.stdout is not None
                self._note(pickle.load(child.stdout))
            except (EOFError, pickle.UnpicklingError):
                self._note_end(number, child.wait())
                return

    def _note(self, answer: Answer) -> None:
        with self._lock:
            if answer.busy:
                self._held = answer.number
            else:
                self._sent += 1
            self.trouble = self.trouble or answer.trouble

    def _note_end(self, number: int, code: int) -> None:
        with self._lock:
            # Its lock died with it: somebody else sends the slice, and reads its journal first.
            self._numbers.put(number)
            self._ends += 1
            if self._ends > _MOST_ENDS and not self._stopping.is_set():
                self.trouble = PublisherError(_("a sending process ended by itself (code %(code)s)", code=code),
                                              remedy=_("nothing was lost: go on with publisher issues resume %(id)s", id=self._order.issue_id))

    def _stop(self) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            for child in self._children:
                _tell(child, b"stop\n")

    def end(self) -> None:
        """Have every child finish what it has on the wire, and wait for it."""
        self._stop()
        for child in self._children:
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(BrokenPipeError):  # what is left in its buffer is for nobody
                    assert pipe is not None
                    pipe.close()


def _tell(child: "subprocess.Popen[bytes]", words: bytes) -> None:
    """Write to a child; one that has ended is found out where its answer is read."""
    with suppress(BrokenPipeError):
        assert child.stdin is not None
        child.stdin.write(words)
        child.stdin.flush()
