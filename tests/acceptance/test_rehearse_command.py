"""`publisher rehearse` keeps every promise through kills, cuts and an evil relay, tells so in a table, and leaves nothing behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import create_engine, func, inspect, select

from publisher.db import Database
from publisher.models import Delivery, Issue
from subscribers.models import Subscriber
from tests.commands import NewsroomFolder


def newsroom(folder: Path, database_url: str) -> NewsroomFolder:
    """A newsroom with an issue that waits for its approval and a few readers; its relay is nobody's."""
    room = NewsroomFolder.make(folder, relay_port=9, database_url=database_url)
    room.story_file()
    room.readers("hanako@example.jp", "taro@example.jp", "alice@example.com")
    drafted = room.run("issues", "draft", "morning")
    assert drafted.code == 0, drafted.err
    return room


def senders(temporary: Path) -> list[str]:
    """The processes that were started for a rehearsal in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if "publisher.rehearsal.child" in line and str(temporary) in line:
            found.append(line)
    return found


def left_behind(temporary: Path, url: str) -> list[str]:
    """Folders, processes and schemas of a rehearsal."""
    engine = create_engine(url)
    schemas = [name for name in inspect(engine).get_schema_names() if name.startswith("rehearsal_")]
    engine.dispose()
    return [*(path.name for path in temporary.glob("publisher-rehearsal-*")), *senders(temporary), *schemas]


def test_a_rehearsal_keeps_every_promise_and_touches_nothing(tmp_path: Path, database_url: str) -> None:
    """Three hundred readers, five kills, the database cut off: none lost, repeats within the bound, and the ledger has no mail in it."""
    room, temporary = newsroom(tmp_path / "room", database_url), tmp_path / "temporary"
    temporary.mkdir()
    done = room.run("rehearse", "--readers", "300", "--kills", "5", "--seed", "9", "--yes", "--json", TMPDIR=str(temporary))
    assert done.code == 0, done.out + done.err
    found = done.json()
    assert found["kept"]
    assert (found["seed"], found["readers"], found["invented"], found["issue"]) == (9, 300, 297, 1)
    assert (found["kills"], found["cuts"]) == (5, 1)
    assert found["accepted"] + found["refused"] + found["skipped"] == 300
    assert found["accepted"] > 250
    assert found["refused"] > 0
    assert found["skipped"] > 0
    assert (found["lost"], found["unknown_left"]) == (0, 0)
    assert found["repeated_by_kills"] <= found["repeats_allowed"] == found["connections"] * 6
    assert found["repeated_by_lost_answers"] <= found["lost_answers"]
    assert left_behind(temporary, database_url) == []
    database = Database(database_url)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 0
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 3
        assert [issue.state for issue in session.scalars(select(Issue))] == ["draft"]
    database.close()


def test_a_rehearsal_tells_its_result_in_a_table(tmp_path: Path) -> None:
    """Of a newsroom that has no issue yet, with the sample stories; the seed is told, so that it can be repeated."""
    room = NewsroomFolder.make(tmp_path / "room", relay_port=9)
    done = room.run("rehearse", "--readers", "60", "--kills", "1", "--seed", "5", "--yes")
    assert done.code == 0, done.out + done.err
    assert "60 of them invented" in done.out
    assert "made of the sample stories" in done.out
    assert done.out.count("✓") == 7
    assert "✗" not in done.out + done.err
    assert "--seed 5" in done.out


def test_where_a_person_decides_about_unknown_mails_nothing_is_repeated(tmp_path: Path) -> None:
    """on_unknown = "hold": what was on the wire at a kill waits, and is told so."""
    room = NewsroomFolder.make(tmp_path / "room", relay_port=9)
    file = room.path / "publisher.toml"
    file.write_text(file.read_text("utf-8").replace("min_stories = 3", 'on_unknown = "hold"'), "utf-8")
    done = room.run("rehearse", "--readers", "120", "--kills", "2", "--seed", "9", "--yes", "--json")
    assert done.code == 0, done.out + done.err
    found = done.json()
    assert (found["repeated_by_kills"], found["repeats_allowed"], found["repeated_by_lost_answers"]) == (0, 0, 0)
    assert found["unknown_left"] > 0


def test_a_rehearsal_asks_before_it_begins(tmp_path: Path) -> None:
    """It takes time; where nobody is at the keyboard it wants --yes."""
    done = NewsroomFolder.make(tmp_path / "room", relay_port=9).run("rehearse")
    assert done.code == 1
    assert "--yes" in done.err


def test_a_rehearsal_that_is_broken_off_leaves_nothing_behind(tmp_path: Path, database_url: str) -> None:
    """Ctrl-C, and SIGTERM: no sender goes on, no folder and no schema is left."""
    room, temporary = newsroom(tmp_path / "room", database_url), tmp_path / "temporary"
    temporary.mkdir()
    for number in (signal.SIGINT, signal.SIGTERM) if database_url.startswith("sqlite") else (signal.SIGINT,):
        process = subprocess.Popen([sys.executable, "-m", "publisher", "rehearse", "--readers", "2000", "--kills", "400", "--yes"], cwd=room.path,
                                   env=room.environ(TMPDIR=str(temporary)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        deadline = time.monotonic() + 60
        while len(senders(temporary)) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(senders(temporary)) == 2, "the sender and the process that forked it"
        process.send_signal(number)
        said, _nothing = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "Traceback" not in said
        assert left_behind(temporary, database_url) == []


def test_no_sender_outlives_a_rehearsal_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves a folder, and nobody who goes on sending."""
    room, temporary = newsroom(tmp_path / "room", "sqlite:///publisher.db"), tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen([sys.executable, "-m", "publisher", "rehearse", "--readers", "2000", "--kills", "400", "--yes"], cwd=room.path,
                               env=room.environ(TMPDIR=str(temporary)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(senders(temporary)) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    while senders(temporary) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert senders(temporary) == []
