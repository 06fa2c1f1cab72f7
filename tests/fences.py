"""A database that was copied somewhere else, for tests of what it may still do."""

from dataclasses import asdict, replace
from json import dumps, loads

import pytest

from publisher.db import Database
from publisher.models import Installation
from publisher.primary import PRIMARY, Fenced, Row, advance, check_primary, sending
from publisher.settings import Settings
from tests.mailing import START


def row_of(database: Database) -> Row:
    """What the database says of itself."""
    with database.reading() as session:
        return Row(**loads(session.get_one(Installation, PRIMARY).value))


def write_row(database: Database, row: Row) -> None:
    """Put another row there."""
    with database.writing() as session:
        session.get_one(Installation, PRIMARY).value = dumps(asdict(row))


def carried_away(database: Database, settings: Settings) -> None:
    """It sent last from a database of another kind, which is what it says wherever it is."""
    check_primary(database, settings, START)
    write_row(database, replace(row_of(database), place={"kind": "a slate"}))


def sends(database: Database, settings: Settings) -> None:
    """One run that sends."""
    with sending(database, settings, lambda: START):
        pass


def fenced(database: Database, settings: Settings) -> str:
    """Why nothing is sent, the same whoever asks."""
    with pytest.raises(Fenced) as refused:
        check_primary(database, settings, START)
    with pytest.raises(Fenced):
        advance(database, settings, START)
    return refused.value.why
