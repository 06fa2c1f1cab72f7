"""How fast an issue leaves: `python -m benchmarks.send --readers N --body-bytes B --connections K [--relay smtp://HOST:PORT] [--database URL]
[--postgres] [--dkim] [--processes N] [--delay-ms MS] [--smtplib] [--only-first] [--runs N] [--profile FILE] [--json]`.

A list and a Japanese issue of about B bytes on the wire are made; then a process of its own sends it whole, each reader's mail with links, bounce
address and one-click header of their own, with ledger and journal. The yardstick is `smtp-source -d -s K` with mails of the same size to the same
relay, by turns with ours in the same run: a program in C that renders nothing, keeps nothing and sends the same mail again and again. The relay is
smtp-sink, unless another is named. Figures are medians of the runs; starting the issue (one row for each reader) is given apart.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.sending.link import link
from benchmarks.sending.measure import plain, send
from benchmarks.sending.newsroom import Newsroom, Shape, Words, newsroom, own_postgres, scratch, wire_mail, words_of
from benchmarks.sending.yardstick import Timed, cpu_of, found, sink, source
from publisher.errors import PublisherError
from publisher.settings_sending import Relay

_READERS, _FAR_READERS = 20_000, 400
# The yardstick's rate does not change with the number; a million would only take long.
_MOST_OF_YARDSTICK = 30_000
# smtplib needs a second or two for so many, and over a long way for so many on each connection.
_MOST_OF_SMTPLIB, _FAR_OF_SMTPLIB = 5_000, 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    asked = _parser().parse_args(arguments)
    if asked.readers is None:
        asked.readers = _FAR_READERS if asked.delay_ms else _READERS
    try:
        with tempfile.TemporaryDirectory(prefix="publisher-send-", ignore_cleanup_errors=True) as name:
            figures = measure(Path(name), asked)
    except PublisherError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(figures) if asked.json else report(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.send", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=_number, help=f"{_READERS} if left out, {_FAR_READERS} with --delay-ms")
    parser.add_argument("--body-bytes", type=_number, default=30_000, help="bytes of one mail on the wire, headers included")
    parser.add_argument("--connections", type=_number, default=4)
    parser.add_argument("--processes", type=_number, default=1, help="so many processes share the issue, each with its own connections")
    parser.add_argument("--relay", help="smtp://HOST:PORT; smtp-sink on loopback if left out")
    parser.add_argument("--database", help="a PostgreSQL server, on which a database is made and dropped; SQLite if left out")
    parser.add_argument("--postgres", action="store_true", help="PyPI's PostgreSQL, started for this run")
    parser.add_argument("--dkim", action="store_true", help="sign each mail with a new key of RSA-2048")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="the relay is so far away, there and back; compared with smtplib")
    parser.add_argument("--smtplib", action="store_true", help="the same mails by smtplib as well, one connection and K in threads")
    parser.add_argument("--only-first", action="store_true", help="only the time until the relay has taken the first mail")
    parser.add_argument("--runs", type=_number, default=3)
    parser.add_argument("--profile", type=Path, help="where cProfile writes what took the time of sending; the figures of such a run are slower")
    parser.add_argument("--json", action="store_true")
    return parser


def _number(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def measure(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The figures of one invocation."""
    shape = Shape(asked.readers, asked.body_bytes, asked.connections, asked.processes, asked.dkim)
    with ExitStack() as stack:
        relay, process = stack.enter_context(_relay(asked.relay, asked.delay_ms))
        url = stack.enter_context(_database(folder, asked))
        room = stack.enter_context(newsroom(folder, url, relay, shape))
        words = words_of(room.settings, shape)
        mail = wire_mail(room, words)
        if shape.dkim and b"\r\nDKIM-Signature:" not in b"\r\n" + mail:
            raise SystemExit("the mails are not signed, so that --dkim measures nothing")
        figures: dict[str, Any] = {
            "readers": shape.readers, "body_bytes": len(mail), "connections": shape.connections, "processes": shape.processes,
            "database": room.database.engine.dialect.name, "dkim": shape.dkim, "delay_ms": asked.delay_ms, "cores": os.cpu_count()}
        if asked.only_first:
            return figures | _first(room, words, process)
        return figures | _in_turn(room, words, relay, process, len(mail), asked)


@contextmanager
def _relay(named: str | None, delay: float) -> Iterator[tuple[str, int | None]]:
    """The address of the relay, and its process where it is smtp-sink; far away where that is asked for."""
    with ExitStack() as stack:
        process = None
        if named is None:
            port, process = stack.enter_context(sink())
            named = f"smtp://127.0.0.1:{port}"
        if delay:
            parsed = Relay.parse(named)
            named = f"smtp://127.0.0.1:{stack.enter_context(link(parsed.host, parsed.port, delay))}"
        yield named, process


@contextmanager
def _database(folder: Path, asked: argparse.Namespace) -> Iterator[str]:
    """The address of an empty database, gone after the block."""
    with ExitStack() as stack:
        server = stack.enter_context(own_postgres()) if asked.postgres else asked.database
        if server is None:
            yield f"sqlite:///{folder / 'publisher.db'}"
        elif server.startswith("postgresql"):
            yield stack.enter_context(scratch(server))
        else:
            raise SystemExit("--database is the address of a PostgreSQL server; SQLite is used when it is left out")


def _first(room: Newsroom, words: Words, process: int | None) -> dict[str, Any]:
    taken = send(room, words, process, only_first=True)
    return {name: taken[name] for name in ("start_seconds", "first_mail_seconds", "peak_rss_mb")}


def _in_turn(room: Newsroom, words: Words, relay: str, process: int | None, size: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Ours, the yardstick and smtplib by turns, so that a machine that grows slower meanwhile is slower for all."""
    parsed = Relay.parse(relay)
    compared = found("smtp-source") is not None and parsed.security == "none" and not asked.delay_ms
    messages = min(asked.readers, _MOST_OF_YARDSTICK)
    ours: list[dict[str, Any]] = []
    theirs: list[tuple[Timed, float]] = []
    smtplibs: list[dict[str, float]] = []
    for _run in range(asked.runs):
        ours.append(send(room, words, process, profile=asked.profile))
        if compared:
            before = cpu_of(process) if process else 0.0
            timed = source(parsed.host, parsed.port, connections=asked.connections * asked.processes, wire_bytes=size, messages=messages)
            theirs.append((timed, cpu_of(process) - before if process else 0.0))
        if asked.smtplib or asked.delay_ms:
            smtplibs.append(_smtplib(room, words, asked))
    figures = {"runs": asked.runs, **_ours(ours, asked.readers, ours_sink=process is not None)}
    if compared:
        figures |= _theirs(theirs, messages, ours_sink=process is not None)
        figures["ratio"] = figures["messages_per_second"] / figures["smtp_source_messages_per_second"]
        figures["cpu_ratio"] = figures["cpu_seconds_per_1000"] / figures["smtp_source_cpu_seconds_per_1000"]
    if smtplibs:
        figures |= {name: median(one[name] for one in smtplibs) for name in smtplibs[0]}
        figures["smtplib_ratio"] = figures["messages_per_second"] / figures["smtplib_messages_per_second"]
    return figures


def _ours(runs: list[dict[str, Any]], readers: int, *, ours_sink: bool) -> dict[str, Any]:
    def middle(read: Callable[[dict[str, Any]], float]) -> float:
        return median(read(run) for run in runs)

    figures = {
        "messages_per_second": middle(lambda run: readers / run["send_seconds"]),
        "with_start_messages_per_second": middle(lambda run: readers / (run["send_seconds"] + run["start_seconds"])),
        "cpu_seconds_per_1000": middle(lambda run: run["cpu_seconds"] * 1000 / readers), "peak_rss_mb": max(run["peak_rss_mb"] for run in runs),
        "start_seconds": middle(lambda run: run["start_seconds"]), "first_mail_seconds": middle(lambda run: run["first_mail_seconds"]),
        "until_start_cpu_seconds": middle(lambda run: run["until_start_cpu_seconds"]),
        "each_messages_per_second": [readers / run["send_seconds"] for run in runs]}
    figures |= {name: median(run["ledger"][name] for run in runs) for name in runs[0]["ledger"]}
    return figures | ({"sink_cpu_seconds_per_1000": middle(lambda run: run["sink_cpu_seconds"] * 1000 / readers)} if ours_sink else {})


def _theirs(runs: list[tuple[Timed, float]], messages: int, *, ours_sink: bool) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "smtp_source_messages_per_second": median(messages / timed.seconds for timed, _sink in runs),
        "smtp_source_cpu_seconds_per_1000": median(timed.cpu_seconds * 1000 / messages for timed, _sink in runs),
        "each_smtp_source_messages_per_second": [messages / timed.seconds for timed, _sink in runs]}
    return figures | ({"smtp_source_sink_cpu_seconds_per_1000": median(sink * 1000 / messages for _timed, sink in runs)} if ours_sink else {})


def _smtplib(room: Newsroom, words: Words, asked: argparse.Namespace) -> dict[str, float]:
    """smtplib on as many connections, each in a thread, and on one alone."""
    lines = asked.connections * asked.processes
    together = min(asked.readers, _FAR_OF_SMTPLIB * lines if asked.delay_ms else _MOST_OF_SMTPLIB)
    alone = min(asked.readers, _FAR_OF_SMTPLIB if asked.delay_ms else _MOST_OF_SMTPLIB)
    many, one = plain(room, words, together, lines), plain(room, words, alone, 1)
    return {"smtplib_messages_per_second": together / many["send_seconds"], "smtplib_cpu_seconds_per_1000": many["cpu_seconds"] * 1000 / together,
            "smtplib_one_connection_messages_per_second": alone / one["send_seconds"],
            "smtplib_one_connection_cpu_seconds_per_1000": one["cpu_seconds"] * 1000 / alone}


def report(figures: dict[str, Any]) -> str:
    """The figures as a person reads them."""
    lines = [f"{figures['readers']:,} readers, {figures['body_bytes']:,} bytes a mail, {figures['connections']} connections, "
             f"{figures['processes']} process(es), {figures['database']}, {'DKIM RSA-2048' if figures['dkim'] else 'unsigned'}"
             + (f", {figures['delay_ms']:g} ms there and back" if figures["delay_ms"] else "")]
    if "messages_per_second" in figures:
        lines += [_line(label, figures, prefix) for label, prefix in (
            ("this program", ""), ("smtp-source", "smtp_source_"), ("smtplib", "smtplib_"), ("smtplib, 1 connection", "smtplib_one_connection_"))
            if f"{prefix}messages_per_second" in figures]
    if "ratio" in figures:
        lines.append(f"{'ratio to smtp-source':>22}: {figures['ratio']:8.2f}            {figures['cpu_ratio']:.2f} of its CPU time")
    if "smtplib_ratio" in figures:
        lines.append(f"{'ratio to smtplib':>22}: {figures['smtplib_ratio']:8.2f}")
    if "ledger_bytes_per_message" in figures:
        server = (f", {figures['wal_bytes_per_message']:.0f} bytes of write-ahead log" if "wal_bytes_per_message" in figures else "") + (
            f", {figures['database_cpu_seconds_per_1000']:.3f} CPU s of the server per 1,000" if "database_cpu_seconds_per_1000" in figures else "")
        lines.append(f"a message in the ledger: {figures['ledger_bytes_per_message']:.0f} bytes{server}")
    first = figures["first_mail_seconds"]
    lines.append(f"first mail taken {first:.2f} s after the start (rows of all readers: {figures['start_seconds']:.2f} s); "
                 f"peak memory of all sending processes {figures['peak_rss_mb']:.0f} MB")
    return "\n".join(lines)


def _line(label: str, figures: dict[str, Any], prefix: str) -> str:
    sink_key = f"{prefix}sink_cpu_seconds_per_1000"
    relay = f", the sink {figures[sink_key]:.3f}" if sink_key in figures else ""
    return (f"{label:>22}: {figures[f'{prefix}messages_per_second']:8,.0f} messages/s, "
            f"{figures[f'{prefix}cpu_seconds_per_1000']:.3f} CPU s per 1,000{relay}")


if __name__ == "__main__":
    sys.exit(main())
