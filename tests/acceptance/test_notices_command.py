"""`publisher notices` as a person runs it, and the service that sends a notice within seconds."""

import json
import signal
import socket
import time
from pathlib import Path

from publisher.db import Database
from publisher.notices import write_notice
from publisher.settings_file import load_settings
from tests.commands import NewsroomFolder
from tests.mailing import START
from tests.relay import Relay


def _newsroom(folder: Path, relay: Relay, extra: str = "") -> tuple[NewsroomFolder, Database]:
    newsroom = NewsroomFolder.make(folder, relay_port=relay.port, extra=extra)
    newsroom.readers("hanako@example.jp", "taro@example.jp")
    return newsroom, Database(load_settings(folder / "publisher.toml").database_url)


def _write(database: Database, *people: int) -> None:
    with database.writing() as session:
        for person in people:
            write_notice(session, "welcome", person, "en", START, list_id=1)


def test_the_command_sends_what_waits_and_lists_it_without_addresses(tmp_path: Path) -> None:
    """Masked, in words and as JSON; 4 is the code when something waits."""
    with Relay() as relay:
        newsroom, database = _newsroom(tmp_path, relay)
        _write(database, 1, 2)
        relay.plan = lambda verb, argument: "451 later" if verb == "RCPT" and "taro" in argument else None
        sent = newsroom.run("notices", "send", "--json")
        assert (sent.code, sent.json()["accepted"], sent.json()["deferred"]) == (4, 1, 1)
        nothing = newsroom.run("notices", "send")
        assert (nothing.code, nothing.out.strip()) == (0, "✓ Notices: 0 accepted, 0 refused, 0 skipped, 0 waiting")
        listed = newsroom.run("--lang", "ja", "notices", "list")
        assert "h•••@example.jp" in listed.out
        assert "登録完了" in listed.out
        assert "451 later" in listed.out
        assert "hanako@" not in listed.out
        assert [row["to"] for row in newsroom.run("notices", "list", "--state", "deferred", "--json").json()] == ["t•••@example.jp"]
        database.close()
    assert relay.recipients() == {"hanako@example.jp": 1}


def test_the_service_sends_a_notice_within_seconds(tmp_path: Path) -> None:
    """Its row is all that is needed; the log holds no address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "log"
    with Relay() as relay:
        newsroom, database = _newsroom(tmp_path, relay, extra=f'[web]\nlisten = "127.0.0.1:{port}"\n')
        process = newsroom.start("run", log=log)
        try:
            deadline = time.monotonic() + 30
            while '"started"' not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
            _write(database, 1)
            while not relay.taken and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)
        database.close()
    assert relay.recipients() == {"hanako@example.jp": 1}
    assert "hanako" not in log.read_text()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["accepted"] for line in lines if line["event"] == "notices_sent"] == [1]
