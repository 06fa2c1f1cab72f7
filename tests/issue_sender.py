"""A process of its own that sends an issue until it is killed, run as `python -m tests.issue_sender` with what it needs pickled on its standard input."""

import pickle
import subprocess
import sys
from pathlib import Path

from publisher.db import Database
from tests.mailing import Newsroom


def begin(room: Newsroom, secrets: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start it with the newsroom as it stands; who calls ends it."""
    process = subprocess.Popen([sys.executable, "-m", "tests.issue_sender"], cwd=Path(__file__).parent.parent, stdin=subprocess.PIPE)
    assert process.stdin is not None
    pickle.dump((room.database.url, room.settings, room.issue_id, room.clock, secrets), process.stdin)
    process.stdin.close()
    return process


if __name__ == "__main__":
    url, settings, issue_id, clock, secrets = pickle.load(sys.stdin.buffer)
    Newsroom(Database(url), settings, issue_id, clock).send(secrets=secrets)
