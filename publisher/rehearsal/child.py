"""The sending process of a rehearsal: sends the scratch newsroom's issue to its end, and is killed on the way.

Run as `python -m publisher.rehearsal.child FOLDER`: a process that loads the engine once and forks a sender each time it is told to, because fifty
kills would cost fifty starts of Python. What it has to know comes by standard input, so that no password of a database stands in a file, an argument
or the environment: a line of JSON, then `begin` and `kill`. It answers with lines of `began PID` and `ended CODE`. When its input ends, whoever
started it has died, and nothing goes on sending.
"""

import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from publisher.clock import utc_now
from publisher.db import Database
from publisher.deliver.slices import next_moment, slices_of
from publisher.deliver.worker import send_issue
from publisher.errors import Busy, PublisherError
from publisher.settings import Settings
from publisher.tokens import Keys, read_key_file

# Exit codes: the issue is at its end; the database was lost; the engine got no further; it has a fault.
DONE, CUT, STUCK, FAULT = 0, 75, 70, 1
# How often it is looked whether a sender has ended by itself, in seconds.
_LOOK = 0.02
KEY_FILE = "rehearsal.key"
_CLOCK_FILE = "clock"
# A minute of the newsroom's in a second of ours: what is deferred comes due while others are still being sent.
_PACE = 60
# So often in a row the engine may come back without getting on, a moment apart, before it is given up.
_PATIENCE = 60


class FastClock:
    """A clock that runs fast from `began` on, and can be put forward; the next process goes on with it. It never goes back."""

    def __init__(self, folder: Path, began: datetime) -> None:
        self._file, self._began = folder / _CLOCK_FILE, began
        self._ahead = float(self._file.read_text("ascii")) if self._file.exists() else 0.0

    def __call__(self) -> datetime:
        return self._began + (utc_now() - self._began) * _PACE + timedelta(seconds=self._ahead)

    def go_to(self, moment: datetime) -> None:
        """Put it forward to `moment`, on the disk first."""
        self._ahead += max(0.0, (moment - self()).total_seconds()) + 1
        draft = self._file.with_suffix(".part")
        draft.write_text(repr(self._ahead), "ascii")
        os.replace(draft, self._file)


def impatient(database: Database, seconds: float) -> None:
    """Let a lock of SQLite be waited for no longer than this: a rehearsal cannot wait half a minute for each."""
    @event.listens_for(database.engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")


def send_all(database: Database, settings: Settings, keys: Keys, issue_id: int, clock: FastClock) -> int:
    """Send until every row has ended, or waits for a person. Returns an exit code."""
    left, stuck = None, 0
    while stuck < _PATIENCE:
        try:
            counts = send_issue(database, settings, keys, issue_id, secrets={}, clock=clock)
        except Busy:
            # The lock of a process that was just killed: its server needs a moment to notice.
            time.sleep(0.1)
            stuck += 1
            continue
        except PublisherError as error:
            print(error, file=sys.stderr, flush=True)
            time.sleep(0.05)
            clock.go_to(clock() + timedelta(minutes=1))
            stuck += 1
            continue
        if not counts.unfinished:
            return DONE
        moment = _next(database, settings, issue_id)
        if moment is None and counts.unfinished == counts.unknown:
            return DONE  # held for a person: on_unknown = "hold"
        stuck = stuck + 1 if counts == left else 0
        left = counts
        clock.go_to(moment or clock() + timedelta(minutes=1))
    print("the engine came back again and again without getting on", file=sys.stderr, flush=True)
    return STUCK


def _next(database: Database, settings: Settings, issue_id: int) -> datetime | None:
    """When the next mail is due that nobody has to decide about."""
    spans, resend = slices_of(database, issue_id, settings.mail.slice_size), settings.newsletters[0].resends
    with database.reading() as session:
        moments = [moment for span in spans if (moment := next_moment(session, span, resend=resend)) is not None]
    return min(moments, default=None)


def _end_with(alive: int) -> None:
    """End at once when the other end of this pipe is closed: whoever counts our mails has died."""
    def watch() -> None:
        os.read(alive, 1)
        os._exit(STUCK)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def send(folder: Path, order: dict[str, Any]) -> int:
    """What a sender does; returns its exit code."""
    settings = Settings.model_validate(order["settings"])
    database = Database(settings.database_url)
    if database.is_sqlite:
        impatient(database, order["patience"])
    try:
        return send_all(database, settings, Keys(read_key_file(folder / KEY_FILE)), order["issue"],
                        FastClock(folder, datetime.fromisoformat(order["began"])))
    except DBAPIError as error:
        print(str(error.orig).splitlines()[0], file=sys.stderr, flush=True)
        return CUT


class Nursery:
    """Forks senders, kills them, and says how they ended."""

    def __init__(self, folder: Path, order: dict[str, Any]) -> None:
        self._folder, self._order = folder, order
        self._sender = 0

    def begin(self) -> None:
        """Fork a sender. It ends when we do: its end of the pipe is closed then."""
        alive, ours = os.pipe()
        self._sender = os.fork()
        if self._sender == 0:
            os.close(ours)
            _end_with(alive)
            os._exit(self._life())
        os.close(alive)
        self._ours = ours
        print(f"began {self._sender}", flush=True)

    def _life(self) -> int:
        try:
            return send(self._folder, self._order)
        except BaseException:
            # A fault of the engine: how it came about belongs into the file of last words, and the code says the rest.
            traceback.print_exc()
            return FAULT
        finally:
            sys.stderr.flush()

    def kill(self) -> None:
        """SIGKILL, where one is alive."""
        if self._sender:
            os.kill(self._sender, signal.SIGKILL)
            self.look(wait=True)

    def look(self, *, wait: bool = False) -> None:
        """Say so when the sender has ended."""
        ended, status = os.waitpid(self._sender, 0 if wait else os.WNOHANG) if self._sender else (0, 0)
        if ended:
            self._sender = 0
            os.close(self._ours)
            print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


def main(folder: Path) -> None:
    """Do as the lines of standard input say, until it ends."""
    # Unbuffered: select would not see a line that waits in a buffer.
    with open(0, "rb", buffering=0, closefd=False) as commands:
        nursery = Nursery(folder, json.loads(commands.readline()))
        line = b" "
        while line:
            while not select.select([commands], [], [], _LOOK)[0]:
                nursery.look()
            line = commands.readline()
            if line == b"begin\n":
                nursery.begin()
            else:
                nursery.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
