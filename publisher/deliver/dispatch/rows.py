"""The rows that all workers share, locked where they are changed: paces before relay_days and each by its key, so that nobody waits in a ring."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from publisher.models_sending import Pace, RelayDay


def _insert(session: Session, table: type[Pace] | type[RelayDay]) -> Any:
    """INSERT with ON CONFLICT, which both databases spell alike and SQLAlchemy keeps in their dialects."""
    return (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert(table)


def lock_paces(session: Session, keys: Iterable[str]) -> dict[str, Pace]:
    """The rows of `keys`, made where there are none, locked until the end of the transaction."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    session.execute(_insert(session, Pace).on_conflict_do_nothing(), [{"key": key, "tries": 0} for key in wanted])
    # What this session read before it held the lock may be of yesterday.
    rows = session.scalars(select(Pace).where(Pace.key.in_(wanted)).order_by(Pace.key).with_for_update().execution_options(populate_existing=True))
    return {row.key: row for row in rows}


def lock_days(session: Session, relays: Iterable[str], day: str) -> dict[str, int]:
    """What each relay was given on `day` so far, locked until the end of the transaction."""
    wanted = sorted(set(relays))
    session.execute(_insert(session, RelayDay).on_conflict_do_nothing(), [{"relay": relay, "day": day, "given": 0} for relay in wanted])
    rows = session.execute(select(RelayDay.relay, RelayDay.given).where(RelayDay.relay.in_(wanted), RelayDay.day == day)
                           .order_by(RelayDay.relay).with_for_update())
    return {relay: given for relay, given in rows}


def count_given(session: Session, given: Mapping[str, int], day: str) -> None:
    """Add to what each relay was given on `day`."""
    for relay in sorted(given):
        if given[relay]:
            statement = _insert(session, RelayDay).values(relay=relay, day=day, given=given[relay])
            session.execute(statement.on_conflict_do_update(index_elements=["relay", "day"], set_={"given": RelayDay.given + given[relay]}))


def take_back(session: Session, given: Mapping[str, int], day: str) -> None:
    """Take from what each relay was given on `day`; a day that has changed meanwhile holds none of it."""
    for relay in sorted(given):
        left = RelayDay.given - given[relay]
        session.execute(update(RelayDay).where(RelayDay.relay == relay, RelayDay.day == day).values(given=case((left > 0, left), else_=0)))


def add_days(session: Session, days: Sequence[tuple[str, str, int]]) -> None:
    """Write past days (relay, day, mails) that are not there yet."""
    if days:
        session.execute(_insert(session, RelayDay).on_conflict_do_nothing(),
                        [{"relay": relay, "day": day, "given": given} for relay, day, given in sorted(days)])
