"""PostgreSQL: the server and the number of the database are the place, and what one machine knows of a backup holds for all that share it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from publisher.db import Database
from publisher.primary import claim_primary
from publisher.settings import Settings
from publisher.whereabouts import place_of
from tests import composing
from tests.fences import fenced, row_of, sends, write_row
from tests.mailing import START


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A newsroom whose state folder is on this machine."""
    return composing.settings(root=tmp_path)


def test_a_copy_on_the_same_server_is_fenced(postgres_url: str, postgres: str, settings: Settings) -> None:
    """Also for a plain role; the original goes on."""
    database = Database(postgres_url)
    database.migrate()
    sends(database, settings)
    database.close()
    name = database.engine.url.database
    admin = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}_copy TEMPLATE {name}"))
    try:
        copy = Database(database.engine.url.set(database=f"{name}_copy").render_as_string(hide_password=False))
        assert fenced(copy, settings) == "database"
        copy.close()
        sends(database, settings)
    finally:
        database.close()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}_copy WITH (FORCE)"))
        admin.dispose()


def test_a_plain_role_can_tell_where_its_server_is(postgres_url: str) -> None:
    """No right of a superuser is needed for it."""
    database = Database(postgres_url)
    with database.engine.begin() as connection:
        connection.execute(text("DO $$ BEGIN CREATE ROLE plain_teller LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"))
    plain = Database(database.engine.url.set(username="plain_teller").render_as_string(hide_password=False))
    assert dict(place_of(plain)) == dict(place_of(database))
    assert set(place_of(plain)) == {"kind", "system", "timeline", "database"}
    plain.close()
    database.close()


def test_a_backup_that_one_machine_knows_is_fenced_for_all(postgres_url: str, tmp_path: Path) -> None:
    """Machines that share a server: the one that never sent would count on, past what the other one knows."""
    first, second = (composing.settings(root=tmp_path / name) for name in ("first", "second"))
    database = Database(postgres_url)
    database.migrate()
    sends(database, first)
    before = row_of(database)
    sends(database, second)
    sends(database, first)
    write_row(database, before)  # pg_restore --clean into the same database
    assert fenced(database, first) == "older"
    assert fenced(database, second) == "older"
    assert fenced(database, composing.settings(root=tmp_path / "third")) == "older"
    claim_primary(database, second, START, "hanako")
    for one in (first, second):
        sends(database, one)
    database.close()
