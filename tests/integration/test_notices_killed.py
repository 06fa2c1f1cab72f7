"""`kill -9` while a notice is on the wire: the next process repeats that one mail at most, with the same Message-ID."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from publisher.db import Database
from publisher.deliver.notices import NoticeCounts
from tests.notices import notice_room
from tests.readers import HANAKO, TARO
from tests.relay import SILENCE, Relay

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(("silent_at", "mails"), [("DATA", 2), (".", 3)])
def test_a_process_killed_in_mid_send_repeats_one_mail_at_most(database: Database, tmp_path: Path, silent_at: str, mails: int) -> None:
    """Before the bytes or after them; everybody else gets theirs once."""
    with Relay(plan=lambda verb, _argument: SILENCE if verb == silent_at else None) as relay:
        room = notice_room(database, tmp_path, relay.url)
        first, second = room.write("welcome", room.reader(HANAKO)), room.write("welcome", room.reader(TARO))
        process = subprocess.Popen([sys.executable, "-m", "tests.notice_sender", database.url, relay.url], cwd=ROOT)
        deadline = time.monotonic() + 20
        while not (relay.taken if silent_at == "." else "DATA" in relay.log) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert [room.row(notice).state for notice in (first, second)] == ["sending", "queued"]
        relay.plan = lambda _verb, _argument: None
        assert room.send() == NoticeCounts(accepted=2)
    assert set(relay.recipients()) == {HANAKO, TARO}
    assert len(relay.taken) == mails
    assert len({mail.message_id for mail in relay.taken}) == 2
