"""So many mails a second and no more: pure. Who may not leave now is told the exact moment at which to come back.

A token schedule (GCRA: ITU-T I.371): over any span of t seconds at most rate × t and a burst of one second's mails leave, whatever the workers do
and however often they are started again, because all there is to know are two moments. One says when the next mail may leave, and is kept by what
really left. The other says how far the moments reach that were given out: a mail that comes late, or not at all, can never make the rate higher.
"""

import math
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Nobody left for so long although moments were given out: those mails will not come (their issue was cancelled), and nobody waits behind them.
_GHOSTS_AFTER = 30_000_000


class Pacer:
    """The schedule of one relay or group while its row is locked: `free_at` and `booked_to` are as the row holds them, and go back to it.

    `over_at`: this pace ends then (it is a passing one), so that nobody is told a later moment.
    """

    def __init__(self, per_second: float, free_at: datetime | None, booked_to: datetime | None, now: datetime,
                 over_at: datetime | None = None) -> None:
        self._now = _micro(now)
        self._gap = math.ceil(1_000_000 / per_second)
        self._slack = (max(1, int(per_second)) - 1) * self._gap
        # A mail leaves at the latest when this allows it: what lies farther ahead was written by a clock that ran ahead, or for a slower rate.
        farthest = self._now + self._slack + self._gap
        free = _micro(free_at) if free_at else 0
        self._free = min(free, farthest)
        stale = free > farthest or self._now - free > _GHOSTS_AFTER
        self._booked = 0 if stale or booked_to is None else _micro(booked_to)
        self._over = _micro(over_at) if over_at else None

    def may_leave(self) -> bool:
        """Whether a mail may leave now."""
        return self._free - self._slack <= self._now

    def leave(self) -> None:
        """One does."""
        self._free = max(self._free, self._now) + self._gap

    def book(self) -> datetime:
        """The moment for one that may not: each gets the next free one."""
        moment = max(self._booked, self._free - self._slack, self._now)
        if self._over is not None and moment >= self._over:
            return _moment(max(self._over, self._now + self._gap))
        self._booked = moment + self._gap
        return _moment(moment)

    @property
    def free_at(self) -> datetime | None:
        """When the next mail may leave at a steady pace; None when none ever left."""
        return _moment(self._free) if self._free else None

    @property
    def booked_to(self) -> datetime | None:
        """How far the moments reach that were given out."""
        return _moment(self._booked) if self._booked else None


def _micro(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(micro: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micro)
