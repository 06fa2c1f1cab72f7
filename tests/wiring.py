"""A wire by itself: hands that hold mails of any size, a real journal, and a relay on this machine."""

import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from publisher.deliver.claim import Claimed
from publisher.deliver.journal import Journal, forgotten_line, intent_line, outcome_line
from publisher.deliver.lines import Lines
from publisher.deliver.message import Mail
from publisher.deliver.smtp import Connection
from publisher.deliver.verdict import Verdict
from publisher.deliver.wire import Wire
from publisher.errors import PublisherError
from publisher.settings_sending import Relay

NOW = datetime(2025, 12, 4, 22, 0, tzinfo=UTC)


def body(number: int, size: int) -> bytes:
    """A mail of about `size` bytes, of which some lines begin with dots."""
    line = b".%d a line of the mail to reader %d, so that none is like another\r\n" % (number, number)
    return b"Message-ID: <%d@paper.example>\r\n\r\n" % number + line * max(1, size // len(line))


def mails(number: int, size: int = 2_000) -> list[Claimed]:
    """Mails to r0@example.jp, r1@example.jp …; the delivery of r7 has the id 8."""
    return [Claimed(index + 1, index + 1, f"r{index}@example.jp", 1, NOW, 1, mail=Mail("news@paper.example", f"r{index}@example.jp", body(index, size)))
            for index in range(number)]


class Hands:
    """What a run is to its wire, without a database: mails wait here and end here."""

    def __init__(self, waiting: Iterable[Claimed], folder: Path) -> None:
        self.waiting = deque(waiting)
        self.all = list(self.waiting)
        self.journal = Journal(folder, "test", 1)
        self.ends: list[tuple[Claimed, Verdict]] = []
        self.put_backs = 0
        self.trouble: PublisherError | None = None
        self._changed = threading.Condition()

    def next_for(self, _relay: str) -> Claimed | None:
        """The next mail."""
        try:
            return self.waiting.popleft()
        except IndexError:
            return None

    def waiting_for(self, _relay: str) -> int:
        """How many wait."""
        return len(self.waiting)

    def intent(self, mail: Claimed) -> bytes:
        """The journal's line."""
        return intent_line(mail.delivery_id, NOW)

    def outcome(self, mail: Claimed, verdict: Verdict) -> bytes:
        """An end."""
        with self._changed:
            self.ends.append((mail, verdict))
            self._changed.notify_all()
        return outcome_line(mail.delivery_id, verdict, NOW)

    def put_back(self, mail: Claimed, *, lost: bool = False) -> bytes:
        """As a run does it: at the second loss the mail is put off."""
        mail.losses += lost
        if mail.losses >= 2:
            return self.outcome(mail, Verdict("deferred", "the connection was lost twice"))
        self.put_backs += 1
        self.waiting.appendleft(mail)
        return forgotten_line(mail.delivery_id, NOW)

    def trouble_with(self, _relay: str, error: PublisherError) -> None:
        """The relay takes nothing now."""
        with self._changed:
            self.trouble = error
            self._changed.notify_all()

    def until(self, number: int, within: float = 20.0) -> None:
        """Wait for so many ends, or trouble."""
        deadline = time.monotonic() + within
        with self._changed:
            while len(self.ends) < number and self.trouble is None:
                assert self._changed.wait(deadline - time.monotonic()), f"{len(self.ends)} of {number} mails have ended"

    def send(self, lines: Lines) -> dict[str, Verdict]:
        """Send everything; what came of each reader's mail, each of which has ended once."""
        wire = Wire(self, [lines], self.journal.write)
        wire.wake()
        self.until(len(self.all))
        wire.end()
        wire.wait()
        self.journal.close(settled=False)
        assert wire.fault is None
        assert max(Counter(mail.delivery_id for mail, _verdict in self.ends).values(), default=1) == 1
        return {mail.address: verdict for mail, verdict in self.ends}


def lines(url: str, most: int = 4, *, timeout: float = 5.0, per_connection: int | None = None, send_buffer: int | None = None) -> Lines:
    """The lines to a relay; `send_buffer` is how many bytes the kernel takes from us before a write waits (it doubles it)."""
    relay = Relay.parse(url)

    def opened() -> Connection:
        connection = Connection(relay, None, timeout, "localhost")
        if send_buffer is not None:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        return connection

    return Lines("relay", most, opened, timeout=timeout, per_connection=per_connection)


def states(verdicts: dict[str, Verdict]) -> Counter[str]:
    """How many ended how."""
    return Counter(verdict.state for verdict in verdicts.values())
