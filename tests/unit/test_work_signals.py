"""A signal stops a process whatever its main thread is doing."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from publisher.signals import answered, stopped_by_signals

ROOT = Path(__file__).parent.parent.parent
# The lock inside the event is what `Event.wait` holds for a moment each time it begins and ends.
IN_THE_MIDDLE = """
import os, signal, time
from publisher.signals import stopped_by_signals
with stopped_by_signals() as stop:
    with stop._cond:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
    print("stopped" if stop.wait(5) else "not told", flush=True)
"""


def test_a_signal_in_the_middle_of_a_wait_does_not_hang() -> None:
    """A handler that sets the event itself waits for ever here."""
    done = subprocess.run([sys.executable, "-c", IN_THE_MIDDLE], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "stopped\n"


def test_signals_are_answered_over_the_block_only() -> None:
    """Each is told by its number, also twice; afterwards everything is as it was."""
    before, told = signal.getsignal(signal.SIGUSR1), list[int]()
    with answered(told.append, (signal.SIGUSR1,)):
        for number in (1, 2):
            os.kill(os.getpid(), signal.SIGUSR1)
            deadline = time.monotonic() + 5
            while len(told) < number and time.monotonic() < deadline:
                time.sleep(0.01)
    assert told == [signal.SIGUSR1, signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) == before
    assert not [thread for thread in threading.enumerate() if thread.name == "signals"]


def test_ctrl_c_sets_the_event() -> None:
    with stopped_by_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
