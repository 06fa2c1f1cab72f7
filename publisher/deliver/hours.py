"""When the mail of a reader may leave who chose an hour: the next moment at which it is that hour where they are."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def due_at(hour: int, zone: str, now: datetime) -> datetime | None:
    """The first moment from `now` on at which it is `hour` o'clock in `zone`, in UTC; None while it is that hour there: then at once.

    An hour that the clocks leave out comes when they have jumped; one that they repeat comes the first time. Raises KeyError, ValueError or OSError
    for a zone that there is none of.
    """
    place = ZoneInfo(zone)
    local = now.astimezone(place)
    if local.hour == hour:
        return None
    # The day after tomorrow, because a whole day may be left out (Samoa, 30 December 2011).
    return min(moment for ahead in range(3) if (moment := _on(local.date() + timedelta(days=ahead), hour, place)) > now)


def _on(day: date, hour: int, place: ZoneInfo) -> datetime:
    # A local time with fold=0 that does not exist is read with the offset before the jump (PEP 495): so it lands behind it.
    return datetime.combine(day, time(hour), place).astimezone(UTC)
