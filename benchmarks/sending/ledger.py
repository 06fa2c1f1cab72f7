"""What sending costs the database: bytes of the ledger, and on PostgreSQL the log it writes ahead and the CPU of its server."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from benchmarks.sending.yardstick import cpu_of
from publisher.db import Database

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Look:
    """How far the database has come: bytes of the table of deliveries with its indexes, of the write-ahead log, and seconds of the server's CPU.

    On SQLite the bytes are those of the whole file, and the rest is None: its CPU is the sending process's own. A server elsewhere tells no CPU.
    """

    table_bytes: int
    wal_bytes: int | None = None
    cpu_seconds: float | None = None


def look(database: Database) -> Look:
    """As it is now."""
    with database.engine.connect() as connection:
        if database.is_sqlite:
            pages = connection.execute(text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"))
            return Look(int(pages.scalar_one()))
        size, wal, backend = connection.execute(text(
            "SELECT pg_total_relation_size('deliveries'), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), pg_backend_pid()")).one()
    return Look(int(size), int(wal), _server_cpu(int(backend)))


def costs(before: Look, after: Look, messages: int) -> dict[str, float]:
    """What lies between two looks, by message."""
    found = {"ledger_bytes_per_message": (after.table_bytes - before.table_bytes) / messages}
    if before.wal_bytes is not None and after.wal_bytes is not None:
        found["wal_bytes_per_message"] = (after.wal_bytes - before.wal_bytes) / messages
    if before.cpu_seconds is not None and after.cpu_seconds is not None:
        found["database_cpu_seconds_per_1000"] = (after.cpu_seconds - before.cpu_seconds) * 1000 / messages
    return found


def _server_cpu(backend: int) -> float | None:
    """All processes of the server, and those that ended: their parent keeps that account. None when the server is on another machine."""
    try:
        if not Path(f"/proc/{backend}/comm").read_text().startswith("postgres"):
            return None
        server = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
        fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
        living = [int(child) for child in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
    except OSError:
        return None
    total = cpu_of(server) + (int(fields[13]) + int(fields[14])) / _TICKS
    for one in living:
        try:
            total += cpu_of(one)
        except OSError:
            continue  # it ended meanwhile
    return total
