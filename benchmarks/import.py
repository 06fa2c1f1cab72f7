"""How fast a file of readers comes in, and in how little memory: `python -m benchmarks.import [--rows N] [--database URL] [--json]`.

The real command imports the file into a new database, in a process of its own, whose peak memory is measured; then the same file again, which must
change nothing. The yardstick reads the same file in this run with csv.reader and inserts its rows with one plain executemany a batch into a table
equal to the one of subscribers, so that the ratio can be compared from machine to machine: it checks no address, keeps no consent and puts nobody on
a list.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine, MetaData, Table

from publisher.db import Database
from subscribers.models import Subscriber

_ROOT = Path(__file__).parent.parent
_SETTINGS = """\
[site]
url = "http://127.0.0.1:8000"
[database]
url = "{database}"
[mail]
sender = "news@news.example.jp"
[[lists]]
name = "{name}"
"""
_BATCH = 10_000
_DOMAINS = ["gmail.com", "yahoo.co.jp", "icloud.com", "docomo.ne.jp", "outlook.jp"]
_FAMILY = ["山田", "鈴木", "佐藤", "高橋", "田中", "Smith", "Tanaka"]
_GIVEN = ["花子", "太郎", "次郎", "さくら", "健", "Alice", "Ken"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", help="an empty database; a new SQLite file if left out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="publisher-import-") as name:
        figures = measure(Path(name), options.rows, options.database)
    if options.json:
        print(json.dumps(figures))
        return 0
    print(f"{figures['rows']:,} rows: {figures['seconds']:.1f} s, {figures['rows_per_second']:,.0f} rows/s, "
          f"peak memory {figures['peak_megabytes']:.0f} MB (a tenth of the rows: {figures['tenth_megabytes']:.0f} MB)")
    print(f"the same file again, nothing changed: {figures['again_seconds']:.1f} s, {figures['again_rows_per_second']:,.0f} rows/s")
    print(f"of each, {figures['start_seconds']:.1f} s are the start of the program and are not counted")
    print(f"yardstick (csv.reader and plain inserts into one equal table): {figures['yardstick_seconds']:.1f} s, "
          f"this program takes {figures['times_yardstick']:.1f} times that")
    return 0


def measure(folder: Path, rows: int, database: str | None) -> dict[str, float]:
    """The figures for a file of `rows` people in `folder`."""
    whole, tenth = folder / "readers.csv", folder / "tenth.csv"
    write_file(whole, rows)
    write_file(tenth, max(1, rows // 10))
    url = database or f"sqlite:///{folder / 'publisher.db'}"
    (folder / "publisher.toml").write_text(_SETTINGS.format(database=url, name="daily"), "utf-8")
    # The tables are made beforehand: a newcomer's first command, but no part of importing.
    _command(folder, "subscribers", "list", "--json")
    begun = time.perf_counter()
    _command(folder, "subscribers", "list", "--json")
    start = time.perf_counter() - begun
    (folder / "tenth.toml").write_text(_SETTINGS.format(database=f"sqlite:///{folder / 'tenth.db'}", name="daily"), "utf-8")
    _import(folder, tenth, "tenth.toml")
    small = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    first, report = _import(folder, whole)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    again, second = _import(folder, whole)
    if report["added"] != rows or second["unchanged"] != rows:
        raise SystemExit(f"not all rows were read: {report}, then {second}")
    yardstick = _yardstick(url if database else f"sqlite:///{folder / 'yardstick.db'}", whole)
    seconds = max(0.001, first - start)
    return {"rows": rows, "seconds": seconds, "rows_per_second": rows / seconds, "peak_megabytes": peak, "tenth_megabytes": small,
            "again_seconds": again - start, "again_rows_per_second": rows / max(0.001, again - start), "start_seconds": start,
            "yardstick_seconds": yardstick, "times_yardstick": seconds / yardstick}


def write_file(path: Path, rows: int) -> None:
    """A file of `rows` people, the same for the same number: addresses in no order, names in two scripts, the day they signed up."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["email", "name", "created_at"])
        for number in range(rows):
            # Multiplying by a number that has no factor in common with 2**32 shuffles without a list of what was taken.
            mixed = number * 2654435761 % 2**32
            domain = _DOMAINS[mixed % 5] if mixed % 4 else f"office{mixed % 997}.example.jp"
            out.writerow([f"reader.{mixed:x}@{domain}", f"{_FAMILY[mixed % 7]} {_GIVEN[mixed // 7 % 7]}",
                          f"20{10 + mixed % 15}-{1 + mixed // 3 % 12:02}-{1 + mixed // 5 % 28:02}T{mixed % 24:02}:{mixed % 60:02}:00Z"])


def _import(folder: Path, file: Path, settings: str = "publisher.toml") -> tuple[float, dict[str, int]]:
    begun = time.perf_counter()
    out = _command(folder, "subscribers", "import", str(file), "--list", "daily", "--consent", "signed up", "--yes", "--json", settings=settings)
    return time.perf_counter() - begun, json.loads(out)


def _command(folder: Path, *arguments: str, settings: str = "publisher.toml") -> str:
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "PUBLISHER_CONFIG": str(folder / settings)}
    done = subprocess.run([sys.executable, "-m", "publisher", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def _yardstick(url: str, path: Path) -> float:
    """How long the same rows take without any of our work, in a table with the same columns and indexes."""
    opened = Database(url)
    table = Subscriber.__table__.to_metadata(MetaData(), name="yardstick")  # type: ignore[attr-defined]
    for named in (*table.indexes, *table.constraints):
        named.name = f"yardstick_{named.name}" if named.name else None
    table.create(opened.engine)
    begun = time.perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        _insert_plainly(opened.engine, table, csv.reader(file))
    taken = time.perf_counter() - begun
    table.drop(opened.engine)
    opened.close()
    return taken


def _insert_plainly(engine: Engine, table: Table, rows: Iterator[list[str]]) -> None:
    next(rows)
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    columns = ["address", "address_key", "address_hash", "name", "created_at"]
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"
    while batch := [(email, email, f"{hash(email):x}", name, day) for email, name, day in islice(rows, _BATCH)]:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement, batch)


if __name__ == "__main__":
    sys.exit(main())
