"""Signals are answered in a thread: a handler runs in the middle of what the main thread does, and may wait for ever for a lock that it holds.

`threading.Event.set` in a handler does just that when the main thread is inside `Event.wait` (seen: a process that never stopped).
"""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

STOPS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def answered(act: Callable[[int], None], numbers: Iterable[int] = STOPS) -> Iterator[None]:
    """Over the block, call `act` with each of these signals that comes, in a thread. For the main thread; what was before comes back afterwards."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def answer() -> None:
        while byte := os.read(reading, 1):
            if byte[0] in wanted:
                act(byte[0])
        os.close(reading)

    wanted = {int(number) for number in numbers}
    # Python itself writes each number into the pipe (signal.set_wakeup_fd), as soon as it comes; the handler has nothing left to do.
    handlers = {number: signal.signal(number, lambda *_args: None) for number in wanted}
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = threading.Thread(target=answer, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(writing)
        thread.join()


@contextmanager
def stopped_by_signals(numbers: Iterable[int] = STOPS) -> Iterator[threading.Event]:
    """An event that these signals set, over the block."""
    stop = threading.Event()
    with answered(lambda _number: stop.set(), numbers):
        yield stop
