"""`kill -9` in mid-send, ten times at random moments, then `publisher issues resume`: every reader has the mail."""

import random
import signal
import time
from pathlib import Path

from tests.commands import NewsroomFolder
from tests.relay import Relay

CONNECTIONS = 4


def _newsroom(folder: Path, relay: Relay, database_url: str, readers: int) -> NewsroomFolder:
    newsroom = NewsroomFolder.make(folder, relay_port=relay.port, database_url=database_url)
    newsroom.story_file()
    newsroom.readers(*(f"r{number}@example.jp" for number in range(readers)))
    drafted = newsroom.run("issues", "draft", "morning", "--json")
    assert drafted.code == 0, drafted.err
    return newsroom


def _kill_after(newsroom: NewsroomFolder, relay: Relay, mails: int, delay: float) -> None:
    """Start sending, and kill it a moment after the relay has taken `mails` altogether."""
    process = newsroom.start("issues", "resume", "--yes")
    deadline = time.monotonic() + 30
    while len(relay.taken) < mails and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    # One that had ended by itself would prove nothing.
    assert process.wait() == -signal.SIGKILL
    assert len(relay.taken) >= mails


def test_kills_lose_nobody_and_repeat_no_more_than_the_open_connections(tmp_path: Path, database_url: str) -> None:
    """Repeats are counted for each kill by itself, and carry the Message-ID of the first mail."""
    chance = random.Random(20261125)
    # The promise is the same code on both; PostgreSQL has its part proved with fewer, because each kill costs the start of a program.
    readers, kills = (2000, 10) if database_url.startswith("sqlite") else (600, 4)
    with Relay() as relay:
        newsroom = _newsroom(tmp_path / "newsroom", relay, database_url, readers)
        repeated: list[int] = []
        for kill in range(kills):
            share = (kill + chance.random()) / (kills + 1)
            _kill_after(newsroom, relay, max(1, int(share * readers)), chance.random() * 0.05)
            repeated.append(len(relay.taken) - len({mail.recipient for mail in relay.taken}))
        done = newsroom.run("issues", "resume", "--yes", "--json")
        assert done.code == 0, done.err
        assert done.json()["mails"]["accepted"] == readers
        assert done.json()["state"] == "sent"
        repeated.append(len(relay.taken) - len({mail.recipient for mail in relay.taken}))
        again = newsroom.run("issues", "resume", "--yes")
        assert again.code == 0
        assert len(relay.taken) - readers == repeated[-1]
    assert set(relay.recipients()) == {f"r{number}@example.jp" for number in range(readers)}
    # What a kill leaves on the wire is repeated by the process after it.
    assert all(later - earlier <= CONNECTIONS for earlier, later in zip(repeated, repeated[1:], strict=False)), repeated
    ids: dict[str, set[str]] = {}
    for mail in relay.taken:
        ids.setdefault(mail.recipient, set()).add(mail.message_id)
    assert all(len(of_reader) == 1 for of_reader in ids.values())
    assert len({next(iter(of_reader)) for of_reader in ids.values()}) == readers
