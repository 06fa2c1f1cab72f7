"""`publisher run`: the timetable is kept by whoever looks first, pages are served, and SIGTERM is obeyed within ten seconds."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text

from publisher.practice import PracticeRelay
from tests.commands import NewsroomFolder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(what: Callable[[], object], seconds: float = 25.0) -> object:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = what()
        except httpx.HTTPError:
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def services() -> Iterator[ExitStack]:
    """Processes started here end with the test."""
    with ExitStack() as stack:
        yield stack


def _start(newsroom: NewsroomFolder, services: ExitStack, log: Path) -> subprocess.Popen[str]:
    process = newsroom.start("run", log=log)

    def end() -> None:
        if process.poll() is None:
            process.kill()
        process.wait()

    services.callback(end)
    return process


def _seen_since(newsroom: NewsroomFolder, database_url: str, ago: timedelta) -> None:
    """Make the newsletter as old as if it had been configured `ago`."""
    url = database_url if not database_url.startswith("sqlite:///publisher.db") else f"sqlite:///{newsroom.path / 'publisher.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE newsletters SET first_seen_at = :then"), {"then": (datetime.now(UTC) - ago).strftime("%Y-%m-%d %H:%M:%S.%f")})
    engine.dispose()


def test_two_services_on_one_database_send_once(tmp_path: Path, services: ExitStack, database_url: str) -> None:
    """A slot that has just come is sent by one of two processes, and each reader has one mail."""
    with PracticeRelay(tmp_path / "mail") as relay:
        # Without pages the two can share one folder.
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port, database_url=database_url, timetable="* * * * *",
                                       site_url="http://127.0.0.1:8000")
        newsroom.story_file()
        newsroom.readers("hanako@example.jp", "taro@example.jp")
        _seen_since(newsroom, database_url, timedelta(minutes=3))
        for number in (1, 2):
            port = _free_port()
            config = (newsroom.path / "publisher.toml").read_text("utf-8").partition("\n[web]")[0] + f'\n[web]\nlisten = "127.0.0.1:{port}"\n'
            (newsroom.path / "publisher.toml").write_text(config, "utf-8")
            _start(newsroom, services, tmp_path / f"{number}.log")
            _until(lambda port=port: httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200)
        _until(lambda: relay.kept >= 2)
        time.sleep(2)
        assert relay.kept == 2
        issues = newsroom.run("issues", "list", "--json").json()
        assert [(issue["number"], issue["accepted"]) for issue in issues] == [(1, 2)]


def test_a_slot_missed_by_more_than_its_grace_is_held_and_reported(tmp_path: Path, services: ExitStack) -> None:
    """The machine was off in the morning: nothing is sent by surprise; by hand with --now it is."""
    with PracticeRelay(tmp_path / "mail") as relay:
        past = datetime.now(UTC) - timedelta(hours=5)
        port = _free_port()
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port, site_url=f"http://127.0.0.1:{port}",
                                       timetable=f"{past.minute} {(past.hour + 9) % 24} * * *")
        newsroom.story_file()
        newsroom.readers("hanako@example.jp")
        _seen_since(newsroom, "sqlite:///publisher.db", timedelta(hours=12))
        _start(newsroom, services, tmp_path / "log")
        health = f"http://127.0.0.1:{port}/healthz"
        _until(lambda: httpx.get(health).json().get("held_slots") == 1)
        assert relay.kept == 0
        assert "held" in newsroom.run("issues", "list").err
        refused = newsroom.run("send", "morning", "--yes")
        assert refused.code == 1
        assert "--now" in refused.err
        assert newsroom.run("send", "morning", "--now", "--yes").code == 0
        assert relay.kept == 1


def test_pages_are_served_a_reader_leaves_and_sigterm_ends_it_cleanly(tmp_path: Path, services: ExitStack) -> None:
    """The links of a mail work from the first day: the button leaves, one click leaves, issue and story are as frozen."""
    with PracticeRelay(tmp_path / "mail") as relay:
        port = _free_port()
        site = f"http://127.0.0.1:{port}"
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port, site_url=site)
        newsroom.story_file()
        newsroom.readers("hanako@example.jp", "taro@example.jp")
        assert newsroom.run("send", "morning", "--yes").code == 0
        process = _start(newsroom, services, tmp_path / "log")
        _until(lambda: httpx.get(f"{site}/healthz").status_code == 200)
        assert "Aoba Labs" in httpx.get(f"{site}/issues/1").text
        assert httpx.get(f"{site}/stories/1").status_code == 200
        leave = _leave_link(tmp_path / "mail")
        assert httpx.get(leave).status_code == 200
        done = httpx.post(leave, content="List-Unsubscribe=One-Click", headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert done.status_code == 200
        states = {entry["state"] for entry in newsroom.run("subscribers", "list", "--json").json()}
        assert "left" in states
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - began < 10
    lines = [json.loads(line) for line in (tmp_path / "log").read_text("utf-8").splitlines()]
    assert {"started", "stopped"} <= {line["event"] for line in lines}
    assert "example.jp" not in (tmp_path / "log").read_text("utf-8").replace("news.example.jp", "")


def _leave_link(folder: Path) -> str:
    mail = next(folder.glob("*hanako*.eml")).read_text("utf-8").replace("\r\n", "\n").replace("\n ", " ")
    line = next(line for line in mail.split("\n") if line.lower().startswith("list-unsubscribe:"))
    return line.partition("<")[2].partition(">")[0]
