"""Inserts that two writers may try at once: the unique keys decide, and nobody fails."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from publisher.db import Base


def insert_absent(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]], returning: Any = None) -> list[Any]:
    """Insert the rows whose unique keys are free, and leave the others; `returning` is a column of those inserted."""
    if not rows:
        return []
    made: Any = (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert(model).on_conflict_do_nothing()
    if returning is None:
        session.execute(made, rows)
        return []
    return list(session.scalars(made.returning(returning), rows))
