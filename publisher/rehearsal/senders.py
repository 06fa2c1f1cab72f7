"""The senders of a rehearsal as seen from the desk: one at a time, begun and killed through the process that forks them (child.py)."""

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.rehearsal import child
from publisher.rehearsal.stage import PATIENCE, Stage
from publisher.settings_environment import without_ours

# How long a kill or a beginning may take, in seconds, on a machine that has other things to do.
_ANSWER = 60.0
_CHUNK = 4096
KILLED = -9


class Senders:
    """A context: inside it senders can be begun, one after the other; afterwards none is left. Raises PublisherError when they cannot be begun."""

    def __init__(self, stage: Stage) -> None:
        self._words = stage.place.folder / "sender.err"
        self._order = {"settings": stage.raw, "issue": stage.issue_id, "began": stage.began.isoformat(), "patience": PATIENCE}
        self._folder = stage.place.folder
        self._said = b""
        self._pid: int | None = None
        self._code: int | None = None

    def __enter__(self) -> "Senders":
        with self._words.open("ab") as words:
            # A session of its own: Ctrl-C at the terminal is for us, and we end it.
            self._nursery = subprocess.Popen([sys.executable, "-m", child.__name__, str(self._folder)], stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=words, env=without_ours(), start_new_session=True)
        self._tell(json.dumps(self._order))
        return self

    def __exit__(self, *_raised: object) -> None:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        # The end of its input: it kills the sender, and ends.
        self._nursery.stdin.close()
        try:
            self._nursery.wait(10)
        except subprocess.TimeoutExpired:
            self._nursery.kill()
            self._nursery.wait()
        self._nursery.stdout.close()

    def begin(self) -> None:
        """Let the next one send."""
        self._pid = self._code = None
        self._tell("begin")
        self._hear(lambda: self._pid is not None)

    def ended(self) -> int | None:
        """The exit code of the present one, or None while it lives."""
        self._hear(lambda: True)
        return self._code

    def kill(self) -> int:
        """SIGKILL. The exit code: KILLED, or another one when it had ended by itself."""
        if self._code is None:
            self._tell("kill")
            self._hear(lambda: self._code is not None)
        assert self._code is not None
        return self._code

    def memory(self) -> float:
        """The most memory that the present one has taken, in megabytes; 0 where the system does not tell (proc(5), VmHWM)."""
        try:
            status = Path(f"/proc/{self._pid}/status").read_text("ascii", errors="replace")
        except OSError:
            return 0.0
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def last_words(self) -> str:
        """What senders said last of their troubles."""
        lines = self._words.read_text("utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    def _tell(self, line: str) -> None:
        assert self._nursery.stdin is not None
        try:
            self._nursery.stdin.write(line.encode() + b"\n")
            self._nursery.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None

    def _hear(self, enough: Callable[[], bool]) -> None:
        """Read what there is to read, and wait until it is enough."""
        assert self._nursery.stdout is not None
        deadline = time.monotonic() + _ANSWER
        while True:
            while select.select([self._nursery.stdout], [], [], 0)[0]:
                data = os.read(self._nursery.stdout.fileno(), _CHUNK)
                if not data:
                    raise self._dead()
                self._understand(data)
            if enough():
                return
            if not select.select([self._nursery.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise self._dead()

    def _understand(self, data: bytes) -> None:
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            word, _space, number = line.partition(b" ")
            if word == b"began":
                self._pid = int(number)
            elif word == b"ended":
                self._code = int(number)

    def _dead(self) -> PublisherError:
        return PublisherError(_("the process that starts the senders has ended: %(reason)s", reason=self.last_words()))
