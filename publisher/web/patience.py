"""How often one address may show a token that is not ours before it has to wait. Whoever shows a right one never waits."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from subscribers.consent import household


class Patience:
    """Counts faults by client in a window of time; in memory, bounded, and forgotten with the process."""

    def __init__(self, faults: int = 120, seconds: float = 600.0, clients: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._faults, self._seconds, self._clients, self._clock = faults, seconds, clients, clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def lost(self, client: str | None) -> bool:
        """Note one fault of `client`; whether it has made too many."""
        key, now = household(client or ""), self._clock()
        with self._lock:
            began, count = self._seen.pop(key, (now, 0))
            if now - began > self._seconds:
                began, count = now, 0
            self._seen[key] = (began, count + 1)
            while len(self._seen) > self._clients:
                self._seen.popitem(last=False)
        return count + 1 > self._faults
