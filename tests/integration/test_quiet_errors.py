"""What the database refuses is said without the values: they may be somebody's address."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from publisher.db import Database


def test_an_error_of_the_database_holds_no_value(database: Database) -> None:
    with pytest.raises(DBAPIError) as raised, database.writing() as session:
        session.execute(text("INSERT INTO nowhere VALUES (:address)"), {"address": "hanako@example.jp"})
    assert "hanako" not in str(raised.value)
