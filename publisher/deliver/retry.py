"""When a mail that was not taken is tried again: pure, in growing pauses, until its time is over."""

from datetime import datetime, timedelta

# A grey-listing server wants to be asked again after minutes, a full one after hours (RFC 5321 section 4.5.4.1).
_PAUSES = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=45), timedelta(hours=2), timedelta(hours=4))
_SPREAD = 0.2


def next_try(attempts: int, first: datetime, now: datetime, retry_for: timedelta, salt: int) -> datetime | None:
    """The moment of the next attempt after `attempts` of them, the first at `first`; None when `retry_for` is over.

    `salt` (the row's id) spreads the moments, so that ten thousand mails deferred together do not come back together.
    """
    if now - first >= retry_for:
        return None
    pause = _PAUSES[min(max(attempts, 1), len(_PAUSES)) - 1]
    later = now + pause * (1 + _SPREAD * (salt * 2654435761 % 1000) / 1000)
    # The last attempt comes at the end of the time, not after it.
    return min(later, max(first + retry_for, now + _PAUSES[0]))
