"""What many readers take: `python -m benchmarks.model [--readers N] [--hours H] [--measured FILE] [--json]`.

A small model, no measurement: figures of `benchmarks.send --postgres --json` go in (those below, or the ones of FILE), and straight lines are drawn
through them. Everything that was not measured is an assumption, has its own option, and is printed as one. `docs/scale.md` says how far it is to be
believed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import ceil
from pathlib import Path
from typing import Any

_DAY, _MONTH = 24, 730  # hours
_GB, _MB = 1e9, 1e6
_FLEETS = (1, 2, 4, 8, 16)
FIRST_MAIL_WITHIN = 5.0  # seconds, which a million readers keep to


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one process that sends 30,000-byte mails with the ledger on PostgreSQL (docs/performance.md says when and on what)."""

    messages_per_second: float = 2230.0  # by one process, with relay and server on the same two cores
    cpu_seconds_per_1000: float = 0.154
    database_cpu_seconds_per_1000: float = 0.036
    wal_bytes_per_message: float = 1251.0  # with the making of its row
    ledger_bytes_per_message: float = 541.0
    start_microseconds_a_row: float = 5.3  # one row for each reader, in one transaction
    peak_rss_mb: float = 100.0
    journal_bytes_per_message: float = 133.0


@dataclass(frozen=True, slots=True)
class Assumed:
    """What nobody measured here. Prices are in US dollars and round numbers, to be replaced by those of an offer."""

    busy: float = 0.6  # share of its measured rate that a process keeps in a long run, over a network
    machine_cores: int = 4  # as many processes a machine
    connections_a_process: int = 32
    relay_milliseconds: float = 20.0  # one round trip to the relay: what a mail takes of a pipelined connection
    relay_machine_cores: int = 2
    relay_machine_per_second: float = 300.0  # a Postfix with its queue on disk took 250 to 500 on two cores
    address_per_second: float = 100.0  # what one warmed address of a relay may give to the receivers
    database_cores: int = 16
    database_changes_per_second: float = 60_000.0  # rows that one server is trusted to change in the long run
    database_disk_mb_per_second: float = 500.0  # what the disk of the write-ahead log takes
    database_connections: int = 500
    database_connections_a_process: int = 6  # its own, the locks of slices, the queue's
    kept_days: int = 90  # how long the ledger of an issue stays in the database
    price_core_hour: float = 0.04
    price_database_core_hour: float = 0.10
    price_disk_gb_month: float = 0.10
    price_traffic_gb: float = 0.05
    price_address_month: float = 4.0
    price_provider_1000: float = 0.10  # a provider that takes the mails instead of relays of one's own


@dataclass(frozen=True, slots=True)
class Load:
    """So many readers within so many hours, once a day, with mails of so many bytes."""

    readers: int = 100_000_000
    hours: float = 4.0
    body_bytes: int = 30_000


def rate_of_process(measured: Measured, assumed: Assumed) -> float:
    """Mails a second of one process: what it was measured at or its core allows, less what a long run takes; no more than its connections carry."""
    return min(min(measured.messages_per_second, 1000 / measured.cpu_seconds_per_1000) * assumed.busy,
               assumed.connections_a_process * 1000 / assumed.relay_milliseconds)


def work_out(load: Load, measured: Measured, assumed: Assumed) -> dict[str, Any]:
    """What the load takes, by subject; rates are per second, sizes in bytes of 1000."""
    rate = load.readers / (load.hours * 3600)
    processes = max(1, ceil(rate / rate_of_process(measured, assumed)))
    machines = ceil(processes / assumed.machine_cores)
    ledger_gb = load.readers * measured.ledger_bytes_per_message / _GB
    found: dict[str, Any] = {
        "needed": {"messages_per_second": rate, "megabits_per_second": rate * load.body_bytes * 8 / _MB,
                   "traffic_gb_a_day": load.readers * load.body_bytes / _GB},
        "sending": {"processes": processes, "machines": machines, "cores_busy": rate * measured.cpu_seconds_per_1000 / 1000,
                    "memory_mb_a_machine": ceil(processes / machines) * measured.peak_rss_mb,
                    "connections": processes * assumed.connections_a_process},
        "relays": {"machines": max(1, ceil(rate / assumed.relay_machine_per_second)), "addresses": max(1, ceil(rate / assumed.address_per_second))},
        "database": {"row_changes_per_second": 2 * rate, "cores_busy": rate * measured.database_cpu_seconds_per_1000 / 1000,
                     "wal_mb_per_second": rate * measured.wal_bytes_per_message / _MB,
                     "wal_gb_a_day": load.readers * measured.wal_bytes_per_message / _GB,
                     "connections": processes * assumed.database_connections_a_process, "start_seconds": start_seconds(load, measured)},
        "ledger": {"rows_a_day": load.readers, "gb_a_day": ledger_gb, "gb_a_month": ledger_gb * 30, "gb_kept": ledger_gb * assumed.kept_days,
                   "partitions_kept": assumed.kept_days, "journal_gb_a_day": load.readers * measured.journal_bytes_per_message / _GB}}
    return found | {"cost_a_day": _cost(load, found, assumed), "first_limits": first_limits(load, found, assumed)}


def start_seconds(load: Load, measured: Measured) -> float:
    """How long the one transaction takes that fixes the readers of an issue."""
    return load.readers * measured.start_microseconds_a_row / 1e6


def _cost(load: Load, found: dict[str, Any], assumed: Assumed) -> dict[str, float]:
    """A day in dollars: who sends and relays is paid for the hours of the send, the database for the whole day."""
    cores = found["sending"]["machines"] * assumed.machine_cores
    made = {"sending": cores * load.hours * assumed.price_core_hour,
            "database": assumed.database_cores * _DAY * assumed.price_database_core_hour,
            "disk": found["ledger"]["gb_kept"] * assumed.price_disk_gb_month * _DAY / _MONTH,
            "traffic": found["needed"]["traffic_gb_a_day"] * assumed.price_traffic_gb}
    relays = {"relays": found["relays"]["machines"] * assumed.relay_machine_cores * load.hours * assumed.price_core_hour,
              "addresses": found["relays"]["addresses"] * assumed.price_address_month * _DAY / _MONTH}
    provider = load.readers / 1000 * assumed.price_provider_1000
    return {**made, **relays, "provider": provider, "with_own_relays": sum(made.values()) + sum(relays.values()),
            "with_a_provider": sum(made.values()) + provider}


def first_limits(load: Load, found: dict[str, Any], assumed: Assumed) -> list[dict[str, Any]]:
    """What is used of each thing that there is one of, the tightest first: above 1 it is not possible this way."""
    database = found["database"]
    shares = {
        "the first mail within 5 seconds of the start: rows of all readers in one transaction": database["start_seconds"] / FIRST_MAIL_WITHIN,
        "the rows that the one database changes": database["row_changes_per_second"] / assumed.database_changes_per_second,
        "the cores of the one database": database["cores_busy"] / assumed.database_cores,
        "the disk of the write-ahead log": database["wal_mb_per_second"] / assumed.database_disk_mb_per_second,
        "the connections of the database": database["connections"] / assumed.database_connections,
        "the numbers of subscribers (32 bits)": load.readers / 2**31}
    return [{"what": what, "used": used} for what, used in sorted(shares.items(), key=lambda pair: -pair[1])]


def machines_table(load: Load, measured: Measured, assumed: Assumed) -> list[dict[str, float]]:
    """What N machines of these do together, until the one database is at its end."""
    each = rate_of_process(measured, assumed) * assumed.machine_cores
    most = min(assumed.database_changes_per_second / 2, assumed.database_cores * 1000 / measured.database_cpu_seconds_per_1000,
               assumed.database_disk_mb_per_second * _MB / measured.wal_bytes_per_message)
    return [{"machines": machines, "messages_per_second": rate, "a_million_seconds": 1e6 / rate, "hours": load.readers / rate / 3600}
            for machines in _FLEETS if (rate := min(machines * each, most))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Work out and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", type=Path, help="what `benchmarks.send --postgres --json` printed; figures that it lacks stay as they are here")
    parser.add_argument("--json", action="store_true")
    for kind, note in ((Load, ""), (Assumed, "assumed: ")):
        for field in fields(kind):
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default, help=f"{note}%(default)s")
    asked = vars(parser.parse_args(arguments))
    load = Load(**{field.name: asked[field.name] for field in fields(Load)})
    assumed = Assumed(**{field.name: asked[field.name] for field in fields(Assumed)})
    measured = read_measured(asked["measured"]) if asked["measured"] else Measured()
    found = {"load": asdict(load), "measured": asdict(measured), "assumed": asdict(assumed), **work_out(load, measured, assumed),
             "machines": machines_table(load, measured, assumed)}
    print(json.dumps(found) if asked["json"] else report(found))
    return 0


def read_measured(file: Path) -> Measured:
    """The figures of one run of `benchmarks.send` on PostgreSQL. Raises SystemExit for what is none."""
    try:
        found = json.loads(file.read_text("utf-8"))
        known = {field.name: float(found[field.name]) for field in fields(Measured) if field.name in found}
        if found.get("database") != "postgresql" or "messages_per_second" not in known:
            raise ValueError("it is no run on PostgreSQL")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SystemExit(f"{file} holds no figures: {error}; make some with: python -m benchmarks.send --postgres --json") from None
    if found.get("start_seconds") and found.get("readers"):
        known["start_microseconds_a_row"] = found["start_seconds"] * 1e6 / found["readers"]
    return Measured(**known)


def report(found: dict[str, Any]) -> str:
    """What was worked out, as a person reads it."""
    load = found["load"]
    lines = [f"{load['readers']:,} readers in {load['hours']:g} hours, mails of {load['body_bytes']:,} bytes", ""]
    for subject in ("measured", "assumed", "needed", "sending", "relays", "database", "ledger", "cost_a_day"):
        lines += [subject.replace("_", " ") + (" (US dollars)" if subject == "cost_a_day" else ""),
                  *(f"  {name.replace('_', ' '):40} {_figure(value):>16}" for name, value in found[subject].items()), ""]
    lines += ["machines, each with its processes, on the one database",
              *(f"  {row['machines']:3} {row['messages_per_second']:12,.0f} messages/s, a million in {row['a_million_seconds']:7.0f} s, "
                f"these readers in {row['hours']:.1f} h" for row in found["machines"]), "",
              "what there is one of, and how much of it is used (above 100 %: not this way)",
              *(f"  {limit['used']:8.1%}  {limit['what']}" for limit in found["first_limits"])]
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:,.3g}"


if __name__ == "__main__":
    sys.exit(main())
