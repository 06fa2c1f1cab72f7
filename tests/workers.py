"""Newsrooms that share one PostgreSQL, an issue on its way in it, and workers as processes of their own that a test can kill or cut off."""

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import make_url, select

from publisher.clock import utc_now
from publisher.curate.desk import approve_issue
from publisher.db import Database
from publisher.deliver.control import counts
from publisher.deliver.start import start_issue
from publisher.deliver.verdict import Counts
from publisher.models import Issue
from publisher.settings_file import load_settings
from publisher.work.queue import Jobs
from publisher.work.tables import bring_up_to_date
from tests.commands import NewsroomFolder
from tests.mailing import crowd
from tests.relay import Relay, Taken


def until(what: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until `what` says something, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


@dataclass
class Worker:
    """A process that was started, and the log that it writes."""

    process: subprocess.Popen[str]
    log: Path

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """What it said so far; only this event, if one is given."""
        said = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        return [line for line in said if event in (None, line["event"])]

    def is_ready(self) -> bool:
        """Whether it has begun."""
        assert self.process.poll() is None, self.log.read_text("utf-8")
        return bool(self.lines("started"))

    def kill(self) -> None:
        """End it at once, without a chance to do anything."""
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL

    def end(self) -> float:
        """Ask it to stop; how long that took, in seconds."""
        began = time.monotonic()
        self.process.terminate()
        assert self.process.wait(timeout=10) == 0, self.log.read_text("utf-8")
        return time.monotonic() - began


@dataclass
class Office:
    """A newsroom with an issue that is being sent, on a database that others may share."""

    newsroom: NewsroomFolder
    database: Database
    issue_id: int
    workers: list[Worker] = field(default_factory=list)

    def counts(self) -> Counts:
        """What is known of the mails."""
        return counts(self.database, self.issue_id)

    def state(self) -> str:
        """The state of the issue."""
        with self.database.reading() as session:
            return session.scalars(select(Issue.state).where(Issue.id == self.issue_id)).one()

    def put(self) -> int:
        """What the service does in each round: a job for every slice that is due."""
        bring_up_to_date(self.database, utc_now())
        return Jobs(self.database).put_due(self.issue_id, utc_now())

    def start(self, *arguments: str) -> Worker:
        """A command of the publisher's in the background; it ends with the test at the latest."""
        log = self._log()
        return self._kept(Worker(self.newsroom.start(*arguments, log=log), log))

    def work(self, many: int = 1, at: NewsroomFolder | None = None) -> list[Worker]:
        """What `publisher work` becomes, here or at another machine's folder, once it has begun."""
        workers = []
        for _number in range(many):
            log = self._log()
            workers.append(self._kept(Worker((at or self.newsroom).start_small("publisher.work", log=log), log)))
        until(lambda: all(worker.is_ready() for worker in workers), 60)
        return workers

    def _log(self) -> Path:
        path = self.newsroom.path.parent / f"{len(self.workers)}.log"
        path.touch()
        return path

    def _kept(self, worker: Worker) -> Worker:
        self.workers.append(worker)
        return worker

    def another_machine(self, relay: Relay | None = None, database_url: str | None = None) -> NewsroomFolder:
        """The same configuration in another folder, with the same keys and a state of its own; perhaps with another way to the relay or the database."""
        folder = self.newsroom.path.parent / f"machine-{len(list(self.newsroom.path.parent.glob('machine-*')))}"
        (folder / "state").mkdir(parents=True)
        text = (self.newsroom.path / "publisher.toml").read_text("utf-8")
        if relay is not None:
            text = "\n".join(f'relay = "{relay.url}"' if line.startswith("relay = ") else line for line in text.split("\n"))
        if database_url is not None:
            text = text.replace(self.database.url, database_url)
        (folder / "publisher.toml").write_text(text, "utf-8")
        shutil.copy(self.newsroom.path / "state" / "publisher.key", folder / "state")
        return NewsroomFolder(folder)

    def close(self) -> None:
        """End whatever still runs."""
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.process.kill()
            worker.process.wait()
        self.database.close()


@contextmanager
def office(folder: Path, relay: Relay, database_url: str, readers: int, *, slice_size: int = 50, processes: int = 1) -> Iterator[Office]:
    """An issue for `readers` people that is being sent, and nobody sends it yet. Without pages, whose port two services could not share."""
    newsroom = NewsroomFolder.make(folder / "newsroom", relay_port=relay.port, database_url=database_url, site_url="https://news.example.jp")
    path = newsroom.path / "publisher.toml"
    lines = f"[mail]\nslice_size = {slice_size}\nprocesses = {processes}\n"
    path.write_text(path.read_text("utf-8").replace("[mail]\n", lines), "utf-8")
    newsroom.story_file()
    drafted = newsroom.run("issues", "draft", "morning", "--json")
    assert drafted.code == 0, drafted.err
    settings = load_settings(path)
    made = Office(newsroom, Database(settings.database_url), drafted.json()["issue"])
    try:
        crowd(made.database, readers, utc_now())
        approve_issue(made.database, made.issue_id, "Hanako", utc_now())
        start_issue(made.database, settings, made.issue_id, utc_now())
        yield made
    finally:
        made.close()


def everybody(readers: int) -> set[str]:
    """The addresses of a crowd."""
    return {f"r{number}@example.jp" for number in range(readers)}


def repeated(*takings: list[Taken]) -> int:
    """How many mails came more than once, over all relays; each of them has the Message-ID of the first."""
    taken = [mail for one in takings for mail in one]
    ids: dict[str, set[str]] = {}
    for mail in taken:
        ids.setdefault(mail.recipient, set()).add(mail.message_id)
    assert all(len(of_reader) == 1 for of_reader in ids.values())
    assert len({next(iter(of_reader)) for of_reader in ids.values()}) == len(ids)
    return sum(Counter(mail.recipient for mail in taken).values()) - len(ids)


def slowly(seconds: float) -> Callable[[str, str], str | None]:
    """A relay's plan: every mail takes it a while."""
    def plan(verb: str, _argument: str) -> str | None:
        if verb == ".":
            time.sleep(seconds)
        return None

    return plan


class Cable:
    """A way to PostgreSQL by TCP that can be cut: connections end, and no new ones are made. `url` leads over it."""

    def __init__(self, database_url: str) -> None:
        target = make_url(database_url)
        self._socket = f"{target.query['host']}/.s.PGSQL.{target.port or 5432}" if "host" in target.query else None
        self._address = (target.host or "127.0.0.1", target.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = target.set(host="127.0.0.1", port=self._listener.getsockname()[1], query={}).render_as_string(hide_password=False)
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                if self._socket is not None:
                    far = socket.socket(socket.AF_UNIX)
                    far.connect(self._socket)
                else:
                    far = socket.create_connection(self._address)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Nothing goes through any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
