"""What the service does beside its timetable, each at its own pace: a duty that fails is logged and tried again, and stops no other."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.jobs import Press

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that is done again and again. `work` returns within seconds once `stop` is set."""

    name: str
    every: timedelta
    work: Callable[[Press, Clock, threading.Event], None]


def duties() -> list[Duty]:
    """The duties of the service."""
    return []
