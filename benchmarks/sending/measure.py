"""Runs a process that sends and reads off it what it took: its own figures, and the peak memory of it and its children together."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.sending.ledger import costs, look
from benchmarks.sending.link import ROOT
from benchmarks.sending.newsroom import Newsroom, Words
from benchmarks.sending.sender import peak_megabytes
from benchmarks.sending.yardstick import cpu_of
from publisher.models import Delivery

_LOOK_EVERY = 0.05  # seconds


def send(room: Newsroom, words: Words, sink: int | None, *, only_first: bool = False, profile: Path | None = None) -> dict[str, Any]:
    """Start a further issue and send it whole, in a process of its own: what it took. `sink` is the process of the relay, where it is ours.

    Raises SystemExit when not every reader's mail was accepted, or when the process had composing code in its memory.
    """
    issue_id = room.approved_issue(words)
    before, known_before = cpu_of(sink) if sink else 0.0, look(room.database)
    taken = run([sys.executable, "-m", "benchmarks.sending.sender", str(room.config), str(issue_id), *(["--only-first"] if only_first else []),
                 *(["--profile", str(profile.resolve())] if profile else [])])
    taken["sink_cpu_seconds"] = cpu_of(sink) - before if sink else None
    taken["ledger"] = costs(known_before, look(room.database), max(1, taken["counts"]["total"]))
    known = taken["counts"]
    if not only_first and known["accepted"] != known["total"]:
        raise SystemExit(f"not every mail was accepted, so that there is nothing to compare: {known}")
    if taken["composing"]:
        raise SystemExit(f"the process that sends imported {', '.join(taken['composing'])}")
    taken["first_mail_seconds"] = _first(room, issue_id, datetime.fromisoformat(taken["started_at"]))
    if only_first:
        room.call_off(issue_id)
    return taken


def _first(room: Newsroom, issue_id: int, started: datetime) -> float | None:
    """Seconds from the beginning of the start to the relay's answer to the first mail, as its row says."""
    with room.database.reading() as session:
        first = session.scalar(select(func.min(Delivery.settled_at)).where(Delivery.issue_id == issue_id, Delivery.state == "accepted"))
    return (first - started).total_seconds() if first else None


def plain(room: Newsroom, words: Words, messages: int, connections: int) -> dict[str, Any]:
    """The same mails by smtplib as it stands, in a process of its own."""
    issue_id = room.approved_issue(words)
    try:
        return run([sys.executable, "-m", "benchmarks.sending.plain", str(room.config), str(issue_id), "--messages", str(messages),
                    "--connections", str(connections)])
    finally:
        room.call_off(issue_id)


def run(command: Sequence[str]) -> dict[str, Any]:
    """The JSON that a process prints, with `peak_rss_mb` of it and all processes it started, each at its own peak: an upper bound of their sum."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peaks: dict[int, float] = {}
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
    watcher.start()
    out, said = process.communicate()
    ended.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(said.strip() or f"the process that sends ended with {process.returncode}")
    taken: dict[str, Any] = json.loads(out)
    children = sum(peak for pid, peak in peaks.items() if pid != process.pid)
    taken["peak_rss_mb"] = max(taken.get("peak_rss_mb", 0.0), peaks.get(process.pid, 0.0)) + children
    return taken


def _watch(process: int, peaks: dict[int, float], ended: threading.Event) -> None:
    """Note the peak of every process of the family while it lives."""
    while not ended.wait(_LOOK_EVERY):
        for one in _family(process):
            try:
                peaks[one] = max(peaks.get(one, 0.0), peak_megabytes(one))
            except OSError:
                continue  # it ended between the look at the family and the look at itself


def _family(process: int) -> list[int]:
    found = [process]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found
