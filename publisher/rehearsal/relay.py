"""The evil relay of a rehearsal: an SMTP server on this machine that does to each mail what the plan says, and remembers everything.

One thread on a selector: it must not be what the sender waits for. It offers PIPELINING (RFC 2920) and answers whole groups at once.
"""

import contextlib
import heapq
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from itertools import count

from publisher.rehearsal.plan import Fate, Plan
from publisher.rehearsal.record import Record, Take

HOST = "127.0.0.1"
# RFC 6761 section 6.4: a name under .invalid is nobody's, on any machine.
DOMAIN = "rehearsal.invalid"
_READER = re.compile(rb"TO:\s*<reader-(\d+)@" + DOMAIN.replace(".", r"\.").encode() + rb">", re.IGNORECASE)
_TO = re.compile(rb"^To: .*?reader-(\d+)@" + DOMAIN.replace(".", r"\.").encode() + rb">?\r$", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^Message-ID: (<[^<>\s]+>)\r$", re.IGNORECASE | re.MULTILINE)
_LEAVE = re.compile(rb"^List-Unsubscribe: <http", re.IGNORECASE | re.MULTILINE)
_END = b"\r\n.\r\n"
_CHUNK = 1 << 18
# A line of commands is 512 octets long at most (RFC 5321 section 4.5.3.1.4); what is longer comes from no client of ours.
_LONGEST_LINE = 4096
_EHLO = b"250-" + DOMAIN.encode() + b"\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"


def address_of(reader: int) -> str:
    """The address that stands for a reader: no real one leaves the real database."""
    return f"reader-{reader}@{DOMAIN}"


class _Hung(Exception):
    """The relay ends the connection now."""


class _Talk:
    """One connection. Bytes go in by `feed`, answers are written at once; a talk that sleeps reads nothing."""

    def __init__(self, line: socket.socket, number: int, process: int, relay: "EvilRelay") -> None:
        self.line, self.process, self._relay = line, process, relay
        self._plan, self._record = relay.plan, relay.record
        self._limit = relay.plan.mails_on(number)
        self._buffer = bytearray()
        self._scanned = self._taken = 0
        self._reader: int | None = None
        self._fate = Fate.TAKEN
        self._in_body = False
        self._out: list[bytes] = []
        self.asleep = self.deaf = False

    def feed(self, data: bytes) -> None:
        """Take what came in. Raises _Hung when the connection ends."""
        if self.deaf:
            return
        self._buffer += data
        self.go_on()

    def go_on(self) -> None:
        """Work through what is there, until more is needed or an answer has to wait."""
        try:
            while not (self.asleep or self.deaf):
                if not (self._body() if self._in_body else self._command()):
                    break
        finally:
            if not self.asleep:
                self._flush()

    def _flush(self) -> None:
        if self._out:
            said, self._out = b"".join(self._out), []
            # Answers are short; who does not read them has gone.
            with contextlib.suppress(OSError):
                self.line.send(said)

    def _say(self, answer: str) -> None:
        self._out.append(answer.encode() + b"\r\n")

    def _command(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > _LONGEST_LINE:
                raise _Hung
            return False
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[:end + 1]
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._out.append(_EHLO)
        elif verb == b"MAIL":
            self._forget()
            self._say("250 2.1.0 ok")
        elif verb == b"RCPT":
            self._envelope(line)
        elif verb == b"DATA":
            self._data()
        elif verb == b"QUIT":
            self._say("221 2.0.0 bye")
            self._flush()
            raise _Hung
        elif verb in (b"RSET", b"NOOP", b"HELO"):
            self._forget()
            self._say("250 2.0.0 ok")
        else:
            self._say("502 5.5.1 what?")
        return True

    def _forget(self) -> None:
        self._reader, self._fate, self._in_body, self._scanned = None, Fate.TAKEN, False, 0

    def _envelope(self, line: bytes) -> None:
        found = _READER.search(line)
        if found is None:
            # An address that is no reader's of the rehearsal: a real one, perhaps.
            self._record.strangers += 1
            self._say("550 5.1.1 not in a rehearsal")
            return
        reader = int(found[1])
        attempt = self._record.attempt(reader)
        self._relay.rang(self._record.seen)
        self._reader, self._fate = reader, self._plan.fate(reader, attempt)
        # Many relays repeat the address; ours must not find its way into logs and outcomes.
        shown = f"<{address_of(reader)}>"
        if self._fate is Fate.NOBODY:
            self._refuse(f"550 5.1.1 {shown}: Recipient address rejected: User unknown")
        elif self._fate is Fate.LATER:
            self._refuse(f"{self._plan.later(reader, attempt)} {shown}: try again later")
        elif self._fate is Fate.CLOSING:
            self._refuse("421 4.3.2 come back later")
            self._end_silently()
        else:
            self._say(f"250 2.1.5 {shown} ok")

    def _refuse(self, answer: str) -> None:
        if answer.startswith("5") and self._reader is not None:
            self._record.refused.add(self._reader)
        self._reader = None
        self._say(answer)

    def _data(self) -> None:
        if self._reader is None:
            self._say("554 5.5.1 no valid recipients")  # RFC 2920 section 3.1
        elif self._fate is Fate.DISLIKED_AT_DATA:
            self._refuse("554 5.7.1 this message is not wanted")
        else:
            self._in_body, self._scanned = True, 0
            self._say("354 go on")

    def _body(self) -> bool:
        if self._fate is Fate.CUT and self._buffer:
            raise _Hung
        end = self._buffer.find(_END, self._scanned)
        if end < 0:
            self._scanned = max(0, len(self._buffer) - len(_END) + 1)
            return False
        head = bytes(self._buffer[:max(0, self._buffer.find(b"\r\n\r\n", 0, end)) + 2])
        del self._buffer[:end + len(_END)]
        self._after_the_dot(head)
        return True

    def _after_the_dot(self, head: bytes) -> None:
        reader, fate = self._reader, self._fate
        assert reader is not None  # a body follows a recipient only
        if fate is Fate.DROPPED:
            raise _Hung
        self._forget()
        if fate is Fate.DISLIKED:
            self._record.refused.add(reader)
            self._say("554 5.7.1 this message is not wanted")
        elif fate is Fate.LATER_AT_DOT:
            self._say("451 4.3.0 try again later")
        else:
            self._take(reader, head, answered=fate not in (Fate.LOST, Fate.SILENT))
            if fate is Fate.LOST:
                raise _Hung
            if fate is Fate.SILENT:
                self.deaf = True
                return
            self._say("250 2.0.0 taken")
            if fate is Fate.SLOW:
                self._relay.wake_later(self, self._plan.pause(reader))
            elif self._taken == self._limit:
                self._end_silently()

    def _take(self, reader: int, head: bytes, *, answered: bool) -> None:
        self._taken += 1
        found = _MESSAGE_ID.findall(head)
        to = _TO.search(head)
        if to is None or int(to[1]) != reader:
            self._record.fault("to")
        if len(found) != 1:
            self._record.fault("message-id")
        if not _LEAVE.search(head):
            self._record.fault("leave")
        self._record.take(reader, Take(self.process, answered, hash(found[0]) if found else 0))

    def _end_silently(self) -> None:
        """Say what there is to say, and then nothing more: an abrupt end could destroy an answer that is still under way (RFC 1122, 4.2.2.13)."""
        self._flush()
        with contextlib.suppress(OSError):
            self.line.shutdown(socket.SHUT_WR)
        self.deaf, self._reader = True, None

    def over(self) -> None:
        """The connection has ended, by whomever: a mail on it may have been anywhere."""
        if self._reader is not None:
            self._record.on_wire.add(self._reader)


class EvilRelay:
    """The relay as a context: it listens inside the block. `process` is the number of the sender that connects now.

    `plan` is set before the first sender connects: how many readers there are is known only after the scene is set for this relay's address.
    """

    def __init__(self, plan: Plan = Plan(seed=0, readers=1, kills=0)) -> None:  # noqa: B008 - it cannot be changed
        self.plan, self.record = plan, Record()
        self.process = 0
        self.bell = threading.Event()
        self._ring_at = 0
        self._numbers = count(1)
        self._sleepers: list[tuple[float, int, _Talk]] = []
        self._talks: dict[socket.socket, _Talk] = {}

    def __enter__(self) -> "EvilRelay":
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._listener.setblocking(False)
        self._stop, stopped = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for one in (self._listener, stopped):
            self._selector.register(one, selectors.EVENT_READ)
        self._stopped = stopped
        self._thread = threading.Thread(target=self._serve, name="evil-relay", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop.close()
        self._thread.join()
        for line in (*self._talks, self._listener, self._stopped):
            line.close()
        self._selector.close()

    @property
    def url(self) -> str:
        """Its address in the settings."""
        return f"smtp://{HOST}:{self.port}"

    @property
    def open_now(self) -> int:
        """How many connections are open."""
        return len(self._talks)

    def ring_at(self, seen: int) -> None:
        """Set `bell` when so many attempts have been seen altogether; at once when they have been."""
        self.bell.clear()
        self._ring_at = seen
        self.rang(self.record.seen)

    def rang(self, seen: int) -> None:
        """Called for each attempt."""
        if seen >= self._ring_at and not self.bell.is_set():
            self.bell.set()

    def wake_later(self, talk: _Talk, seconds: float) -> None:
        """Let a talk sleep: the answer it has given leaves afterwards."""
        talk.asleep = True
        heapq.heappush(self._sleepers, (time.monotonic() + seconds, next(self._numbers), talk))

    def _serve(self) -> None:
        while True:
            wait = max(0.0, self._sleepers[0][0] - time.monotonic()) if self._sleepers else None
            for key, _mask in self._selector.select(wait):
                if key.fileobj is self._stopped:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._hear(key.data)
            while self._sleepers and self._sleepers[0][0] <= time.monotonic():
                talk = heapq.heappop(self._sleepers)[2]
                talk.asleep = False
                self._guarded(talk, talk.go_on)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                line, _address = self._listener.accept()
                line.setblocking(False)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                talk = self._talks[line] = _Talk(line, next(self._numbers), self.process, self)
                self._selector.register(line, selectors.EVENT_READ, talk)
                with contextlib.suppress(OSError):
                    line.send(b"220 " + DOMAIN.encode() + b" ESMTP\r\n")

    def _hear(self, talk: _Talk) -> None:
        try:
            data = talk.line.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(talk)
            return
        self._guarded(talk, lambda: talk.feed(data))

    def _guarded(self, talk: _Talk, act: Callable[[], None]) -> None:
        try:
            act()
        except _Hung:
            # With nothing to linger for, the other side is told at once (SO_LINGER of 0 seconds: a reset).
            with contextlib.suppress(OSError):
                talk.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._close(talk)

    def _close(self, talk: _Talk) -> None:
        if self._talks.pop(talk.line, None) is None:
            return
        talk.over()
        self._selector.unregister(talk.line)
        talk.line.close()
