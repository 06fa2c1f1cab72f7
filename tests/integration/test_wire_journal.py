"""A journal whose disk is full in mid-send: nothing leaves of which no line could be written, and nobody is lost, unknown or mailed twice."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from publisher.db import Database
from publisher.errors import PublisherError
from tests.mailing import crowd, newsroom
from tests.relay import Plan, Relay

CHILD = """
import resource, sys
from pathlib import Path
from tests.wiring import Hands, lines, mails
from publisher.deliver.wire import Wire
hands = Hands(mails(400), Path(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
wire = Wire(hands, [lines(sys.argv[1], 4)], hands.journal.write)
wire.wake()
wire.wait()
print(type(wire.fault).__name__, wire.fault.errno, len(hands.ends), len(hands.waiting), *sorted({verdict.state for _mail, verdict in hands.ends}))
"""


@contextmanager
def little_disk(folder: Path) -> Iterator[Path]:
    """A disk of 64 KB."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "publisher-test", str(folder)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("not run: a disk can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def filling(disk: Path, full: threading.Event, relay_of: list[Relay]) -> Plan:
    """A relay's plan that takes all room on the disk after 40 mails."""
    def plan(verb: str, _argument: str) -> str | None:
        if verb == "." and len(relay_of[0].taken) == 40 and not full.is_set():
            full.set()
            with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(b"\0" * 4096)
        return None

    return plan


def test_a_journal_on_a_full_disk_stops_the_run_and_nobody_is_mailed_twice(database: Database, tmp_path: Path) -> None:
    """Every mail that left has its answer in its row; with room again the rest leaves."""
    full, relays = threading.Event(), list[Relay]()
    with little_disk(tmp_path / "state") as disk, Relay(filling(disk, full, relays)) as relay:
        relays.append(relay)
        room = newsroom(database, tmp_path, relay.url, [], started=False)
        crowd(database, 400)
        room.start()
        with pytest.raises(PublisherError, match="journal cannot be written") as stopped:
            room.send()
        assert "nothing was lost" in (stopped.value.remedy or "")
        assert full.is_set()
        counts, taken = room.counts(), set(relay.recipients())
        assert {address for address, row in room.rows().items() if row.state == "accepted"} == taken
        assert (counts.accepted + counts.queued, counts.unknown, counts.sending) == (400, 0, 0)
        assert 40 <= counts.accepted < 400
        (disk / "ballast").unlink()
        assert room.send().accepted == 400
        assert set(relay.recipients().values()) == {1}


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    """RLIMIT_FSIZE in a process of its own: it stops, and each mail has ended or waits."""
    with Relay() as relay:
        done = subprocess.run([sys.executable, "-c", CHILD, relay.url, str(tmp_path)], capture_output=True, text=True, timeout=60,
                              cwd=Path(__file__).parent.parent.parent, env=os.environ | {"PYTHONPATH": "."})
        assert done.returncode == 0, done.stderr
        kind, _number, ended, waiting, *states = done.stdout.split()
        assert (kind, states) == ("OSError", ["accepted"])
        assert int(ended) + int(waiting) == 400
        assert int(ended) == len(relay.taken) > 20
        assert set(relay.recipients().values()) == {1}
