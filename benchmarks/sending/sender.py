"""The process that sends, apart from the one that measures: it imports nothing of composing, and says what sending cost it.

`python -m benchmarks.sending.sender CONFIG ISSUE [--only-first] [--profile FILE]` prints one line of JSON.
"""

import argparse
import cProfile
import json
import pstats
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from publisher.clock import utc_now
from publisher.db import Database
from publisher.deliver.control import counts
from publisher.deliver.start import start_issue
from publisher.deliver.verdict import Counts
from publisher.errors import PublisherError
from publisher.settings import Settings
from publisher.settings_file import load_settings
from publisher.tokens import Keys
from publisher.work.processes import send_mails

KEYS = ["the signing key of a benchmark, which no mail to anybody carries"]
# What only composing and reading need; a process that sends has none of it in memory.
_COMPOSING = ("publisher.compose", "publisher.ingest", "premailer", "lxml", "jinja2", "trafilatura", "PIL", "markdown_it")


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the issue, send it, print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sending.sender", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("issue", type=int)
    parser.add_argument("--only-first", action="store_true", help="stop when the relay has taken a mail")
    parser.add_argument("--profile", type=Path, help="where cProfile writes what took the time of sending")
    asked = parser.parse_args(arguments)
    settings = load_settings(asked.config)
    database = Database(settings.database_url)
    try:
        print(json.dumps(_whole(database, settings, asked)))
    except PublisherError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


def _whole(database: Database, settings: Settings, asked: argparse.Namespace) -> dict[str, Any]:
    began, at = time.perf_counter(), utc_now()
    start_issue(database, settings, asked.issue, at)
    started, before = time.perf_counter(), cpu_seconds()
    _profiled(lambda: _send(database, settings, asked.issue, only_first=asked.only_first), asked.profile)
    ended, after = time.perf_counter(), cpu_seconds()
    return {"started_at": at.isoformat(), "start_seconds": started - began, "send_seconds": ended - started, "cpu_seconds": after - before,
            "until_start_cpu_seconds": before, "peak_rss_mb": peak_megabytes(), "counts": asdict(counts(database, asked.issue)),
            "composing": sorted(name for name in _COMPOSING if name in sys.modules)}


def _send(database: Database, settings: Settings, issue_id: int, *, only_first: bool) -> None:
    stop = threading.Event()

    def look(known: Counts) -> None:
        if only_first and known.accepted:
            stop.set()

    send_mails(database, settings, Keys(KEYS), issue_id, secrets={}, clock=utc_now, progress=look if only_first else None, stop=stop)


def _profiled(act: Callable[[], None], file: Path | None) -> None:
    """Run `act`; with a file, what it and the threads it starts spent their time on goes there, for pstats."""
    if file is None:
        act()
        return
    profiles = [cProfile.Profile()]

    def begin(*_event: object) -> None:
        # cProfile sees one thread: the first event of another gives it a profile of its own, which replaces this function there.
        profiles.append(cProfile.Profile())
        profiles[-1].enable()

    threading.setprofile(begin)
    try:
        profiles[0].runcall(act)
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]
        stats = pstats.Stats(profiles[0])
        for profile in profiles[1:]:
            stats.add(profile)
        stats.dump_stats(file)


def cpu_seconds() -> float:
    """User and system time of this process so far, and of those it started and waited for."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def peak_megabytes(process: int | str = "self") -> float:
    """The most memory a process ever held (VmHWM: unlike ru_maxrss it does not begin with what its parent held). Raises OSError when it is gone."""
    status = Path(f"/proc/{process}/status").read_text()
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0.0)


if __name__ == "__main__":
    sys.exit(main())
