"""The migrations make exactly what the models say, on both databases, up and down, and two commands at once make it once."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

import publisher.models  # noqa: F401  (fills the MetaData)
import subscribers.models  # noqa: F401
from publisher.clock import utc_now
from publisher.db import Base, Database, migration_config
from publisher.errors import PublisherError
from publisher.work.tables import bring_up_to_date
from subscribers.models import ReaderListRow, Subscription

ROOT = Path(__file__).parent.parent.parent
OTHERS = ("story_search", "procrastinate_")


def tables(database: Database) -> set[str]:
    """The tables that models speak of: a search index is each database's own, and the queue's are procrastinate's."""
    return {name for name in inspect(database.engine).get_table_names() if name != "alembic_version" and not name.startswith(OTHERS)}


@pytest.mark.parametrize("with_queue", [False, True])
def test_the_migrations_make_what_the_models_say(database: Database, with_queue: bool) -> None:
    """Also where the tables of the queue stand beside ours."""
    if with_queue and not database.is_sqlite:
        bring_up_to_date(database, utc_now())
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={
            "compare_type": True, "include_name": lambda name, kind, _parents: kind != "table" or not str(name).startswith(OTHERS)})
        assert compare_metadata(context, Base.metadata) == []
    assert tables(database) == set(Base.metadata.tables)


def test_every_migration_goes_down_and_up_again(database: Database) -> None:
    config = migration_config()
    for _script in list(ScriptDirectory.from_config(config).walk_revisions()):
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "-1")
    assert tables(database) == set()
    database.migrate()
    assert tables(database) == set(Base.metadata.tables)


def test_a_database_that_is_up_to_date_is_left_alone(database: Database) -> None:
    database.migrate()
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_eight_processes_at_once_bring_it_up_once(database_url: str) -> None:
    """Every command does so first, and the first morning starts several."""
    code = "import sys; from publisher.db import Database; Database(sys.argv[1]).migrate()"
    running = [subprocess.Popen([sys.executable, "-c", code, database_url], cwd=ROOT, stderr=subprocess.PIPE, text=True) for _number in range(8)]
    errors = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 8, errors
    database = Database(database_url)
    assert tables(database) == set(Base.metadata.tables)
    database.close()


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(PublisherError, match="newer version"):
        database.migrate()


def test_foreign_keys_hold_after_the_migration(database: Database) -> None:
    """SQLite knows them only when told so, on each connection; the migration tells it otherwise for its own time."""
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(text("INSERT INTO posts (account_id, about, about_id, repeat, position, text, language, state, attempts)"
                             " VALUES (77, 'story', 1, 0, 1, 'x', 'ja', 'queued', 0)"))


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def break_off() -> None:
        with database.writing() as session:
            session.add(ReaderListRow(name="daily"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    with database.reading() as session:
        assert session.query(ReaderListRow).count() == 0
        assert session.query(Subscription).count() == 0


@pytest.mark.parametrize("url", ["publisher.db", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "postgres://host/db", "oracle+x://h", "http://x"])
def test_an_address_of_no_use_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(PublisherError, match="database.url"):
        Database(url)


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "publisher.db").write_text("No database. " * 100, "utf-8")
    with pytest.raises(PublisherError, match="cannot be opened: file is not a database"):
        Database(f"sqlite:///{tmp_path / 'publisher.db'}").migrate()
    with pytest.raises(PublisherError, match="cannot be opened"):
        Database(f"sqlite:///{tmp_path / 'publisher.db' / 'below.db'}")


def test_a_server_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(PublisherError, match="the database cannot be opened: .*refused"):
        Database("postgresql+psycopg://publisher@127.0.0.1:9/publisher").migrate()


def test_sqlite_is_set_up_to_lose_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'publisher.db'}")
    with database.reading() as session:
        found = {name: session.scalar(text(f"PRAGMA {name}"))
                 for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "secure_delete")}
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30000, "foreign_keys": 1, "secure_delete": 1}
    database.close()
