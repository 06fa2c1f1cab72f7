"""Sends notices within seconds of their row, and leaves a relay that takes none in peace for a while: a refused login, tried on, locks accounts."""

import threading
from collections.abc import Callable
from dataclasses import asdict, astuple
from datetime import datetime, timedelta

import structlog

from publisher.deliver.smtp import RelayTrouble
from publisher.jobs import Press, send_due_notices

log = structlog.get_logger("publisher")
EVERY = timedelta(seconds=2)
# After each further failure in a row; the last one goes on.
_RESTS = (timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=5))


class Courier:
    """The duty of a service. It remembers, for as long as the service runs, until when the relay is left alone."""

    def __init__(self) -> None:
        self._rest_until: datetime | None = None
        self._failures = 0

    def work(self, press: Press, clock: Callable[[], datetime], stop: threading.Event) -> None:
        """Send what is due, unless the relay has its rest. Raises what sending raises."""
        if self._rest_until is not None and clock() < self._rest_until:
            return
        try:
            done = send_due_notices(press, clock, stop)
        except RelayTrouble:
            self._rest_until = clock() + _RESTS[min(self._failures, len(_RESTS) - 1)]
            self._failures += 1
            raise
        self._rest_until, self._failures = None, 0
        if any(astuple(done)):
            log.info("notices_sent", **asdict(done))
