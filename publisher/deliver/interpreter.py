"""How Python's interpreter is set in a process that sends."""

import gc
import sys
from functools import cache

_TURN = 0.0005  # seconds


@cache
def tune() -> None:
    """Once a process: threads take turns ten times as often, and what is in memory already is not searched for garbage again.

    The wire lets go of the interpreter with each call of the system, and would else wait for up to 5 ms until the hand at the database gives it back,
    while the relay has nothing to do. The collector would look through a hundred thousand objects of libraries at every few thousand mails.
    """
    sys.setswitchinterval(_TURN)
    gc.collect()
    gc.freeze()
