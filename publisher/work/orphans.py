"""A process that another one started ends with it: nothing goes on sending that nobody can stop any more."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from publisher.signals import answered

# Two seconds is what is promised; what is on the wire then stays `sending`, and whoever starts next settles it.
GRACE = 1.0
_PR_SET_PDEATHSIG = 1  # prctl(2)


@contextmanager
def following(parent: int, stop: threading.Event) -> Iterator[None]:
    """Over the block, SIGTERM sets `stop`, and the kernel sends it when the parent dies (Linux; elsewhere its pipe alone tells). For the main thread.

    SIGINT is the parent's to answer, which passes it on as a stop.
    """
    def asked(_number: int) -> None:
        stop.set()
        if os.getppid() != parent:
            end_soon(stop)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with answered(asked, (signal.SIGTERM,)):
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            # It died before we could ask to be told.
            end_soon(stop)
        yield
    signal.signal(signal.SIGINT, before)


def end_soon(stop: threading.Event) -> None:
    """The parent is gone: take nothing more, finish what is on the wire, and be gone within GRACE whatever still waits for an answer."""
    last = threading.Timer(GRACE, os._exit, args=(1,))
    last.daemon = True
    last.start()
    stop.set()


def watch_pipe(pipe: BinaryIO, stop: threading.Event) -> None:
    """End soon when the other end of `pipe` is closed, which nobody but the parent holds."""
    def wait() -> None:
        while pipe.read(1):
            continue
        end_soon(stop)

    threading.Thread(target=wait, name="parent", daemon=True).start()
