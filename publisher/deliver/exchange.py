"""The exchange of mails over one open connection, as bytes in and bytes out: it knows no socket and no clock.

With PIPELINING (RFC 2920) the next envelope travels with the last body, so that a mail costs one round trip; at most one mail is without an answer.
DATA is the last command of its group (RFC 2920 section 3.1), and the body waits for its 354: until then nothing of the mail has left.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from publisher.deliver.answers import Verb, judged, lost, refuses_us, said
from publisher.deliver.dispatch.slowing import is_about_pace
from publisher.deliver.headers import unquoted
from publisher.deliver.message import Mail
from publisher.deliver.verdict import Verdict

# A mail server for carriers that knows its own addresses without quotes only.
_UNDERSTANDS_NO_QUOTES = (501, 553)
_DOT = b".\r\n"


class Item(Protocol):
    """What is sent: a mail, and whether it was on the wire before and its answer was lost."""

    mail: Mail
    again: bool


T = TypeVar("T", bound=Item)


@dataclass(slots=True)
class Ready(Generic[T]):
    """The relay waits for the body of this mail: write down that it is about to leave, then `go`."""

    item: T


@dataclass(slots=True)
class Done(Generic[T]):
    """What came of a mail."""

    item: T
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Refused(Generic[T]):
    """The relay takes nothing from us, or wants the connection to end; `item` had not left, if there was one."""

    item: T | None
    reason: str
    us: bool  # False: it only closes


@dataclass(frozen=True, slots=True)
class Garbled:
    """The other side does not speak SMTP, or answers what was not said yet: the connection is of no use; of its mails `broken` says what holds."""

    reason: str


Event = Ready[T] | Done[T] | Refused[T] | Garbled
_LAST = (Refused, Garbled)
# The answers to a whole mail and to the envelope that travelled with it, when all goes well.
_SMOOTH = re.compile(rb"250 ([^\r\n]*)\r\n250 [^\r\n]*\r\n25[01] [^\r\n]*\r\n354[^\r\n-]?[^\r\n]*\r\n")


@dataclass(slots=True)
class _Envelope(Generic[T]):
    item: T
    bare: bool = False  # the recipient is written without quotes
    failure: tuple[Verb, int, bytes] | None = None


class Exchange(Generic[T]):
    """One connection's talk after greeting and login. `offer` while `is_free`, feed `receive` with what comes, send what `take` gives."""

    def __init__(self, *, pipelining: bool) -> None:
        self.pipelining = pipelining
        self.done = 0
        self._inbox = b""
        self._lines: list[bytes] = []
        self._out: list[bytes] = []
        self._awaited: deque[Literal["RSET", "MAIL", "RCPT", "DATA", ".", "EMPTY"]] = deque()
        self._next: _Envelope[T] | None = None  # its envelope is on its way
        self._open: T | None = None  # its body is on its way, or its answer is
        self._must_reset = False
        self._behind = 0  # bytes that follow the last body's dot
        self._unsent = 0  # bytes that are still in our hands while answers are read
        self._waiting: deque[bytes] = deque()  # commands of an envelope that is said line by line

    @property
    def is_free(self) -> bool:
        """Whether another mail may be offered: its envelope travels now, or with the next body."""
        return self._next is None and (self.pipelining or self._open is None)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is awaited."""
        return not self._awaited and self._next is None and self._open is None

    @property
    def open_item(self) -> T | None:
        """The mail that has left and has no answer yet."""
        return self._open

    def offer(self, item: T) -> None:
        """Send this mail's envelope."""
        self._next = _Envelope(item)
        self._say_envelope(self._next)

    def go(self) -> None:
        """Let the body of the mail that is `Ready` leave. Offer the next one at once, before `take`: so they travel together."""
        assert self._next is not None
        self._open, self._next = self._next.item, None
        self._out += (stuffed(self._open.mail), _DOT)
        self._behind = 0
        self._awaited.append(".")

    def take(self) -> list[bytes]:
        """The bytes to send now, in pieces."""
        out, self._out = self._out, []
        return out

    def _say_envelope(self, envelope: _Envelope[T]) -> None:
        mail = envelope.item.mail
        recipient = unquoted(mail.recipient) if envelope.bare else mail.recipient
        commands = [f"MAIL FROM:<{mail.sender}>\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode(), b"DATA\r\n"]
        self._awaited += ("RSET", "MAIL", "RCPT", "DATA") if self._must_reset else ("MAIL", "RCPT", "DATA")
        if self._must_reset:
            commands.insert(0, b"RSET\r\n")
            self._must_reset = False
        if self.pipelining:
            self._say(b"".join(commands))
        else:
            self._say(commands[0])
            self._waiting = deque(commands[1:])

    def _say(self, data: bytes) -> None:
        self._out.append(data)
        self._behind += len(data)

    def receive(self, data: bytes, *, unsent: int = 0) -> "list[Event[T]]":
        """What the bytes from the other side mean, in order, while `unsent` bytes are in our hands. Behind Refused or Garbled nothing is read."""
        awaited = self._awaited
        if len(awaited) == 4 and awaited[0] == "." and awaited[1] == "MAIL" and not (unsent or self._out or self._inbox or self._lines):
            smooth = _SMOOTH.fullmatch(data)
            if smooth is not None:
                return self._went_smoothly(smooth[1])
        events: list[Event[T]] = []
        self._unsent = unsent + sum(map(len, self._out))
        *lines, self._inbox = (self._inbox + data).split(b"\n")
        for line in lines:
            # RFC 5321 section 4.2: a code begins with 2 to 5; "250-" goes on, "250 " or "250" ends an answer (section 4.2.1).
            if not line[:3].isdigit() or line[:1] not in b"2345":
                return [*events, Garbled(said(0, line[:80]))]
            if line[3:4] == b"-":
                if len(self._lines) < 100:
                    self._lines.append(line[4:].strip())
                continue
            text = line[4:].strip() if not self._lines else b" ".join([*self._lines, line[4:].strip()])
            self._lines = []
            found = self._answered(int(line[:3]), text)
            if found:
                events += found
                if isinstance(found[-1], _LAST):
                    return events
        return [*events, Garbled("a line without an end")] if len(self._inbox) > 10_000 else events

    def _went_smoothly(self, text: bytes) -> "list[Event[T]]":
        """A mail was taken and the next one is wanted: nearly every answer, in a third of the time that reading it verb by verb takes."""
        item, envelope = self._open, self._next
        assert item is not None
        assert envelope is not None
        self._awaited.clear()
        self._open = None
        self.done += 1
        return [Done(item, judged(".", 250, text)), Ready(envelope.item)]

    def _answered(self, code: int, text: bytes) -> "Sequence[Event[T]]":
        if not self._awaited:
            # Nobody asked: a relay that shuts down says 421 (RFC 5321 section 3.8).
            return (Refused(None, said(code, text), us=False),)
        verb = self._awaited.popleft()
        if verb == ".":
            return self._settled(code, text)
        if verb == "EMPTY":
            return self._failed()
        if verb == "RSET":
            if code == 421:
                return self._closed(code, text)
            if not self.pipelining:
                self._say(self._waiting.popleft())
            return ()
        return self._in_envelope(verb, code, text)

    def _settled(self, code: int, text: bytes) -> "Sequence[Event[T]]":
        item, early = self._open, self._unsent > self._behind
        assert item is not None
        if early and code < 400:
            return (Garbled("it takes a mail of which not everything has left"),)
        self._open = None
        self.done += 1
        done = Done(item, judged(".", code, text, again=item.again))
        # What of the body is still to come would be read as commands.
        return (done, Refused(None, said(code, text), us=False)) if early else (done,)

    def _closed(self, code: int, text: bytes) -> "Sequence[Event[T]]":
        """421 to a mail of which nothing had left: it is put off, and the connection ends.

        One that has carried mails may have carried its share (Exim: "too many messages in this connection"): then the mail takes another.
        """
        assert self._next is not None
        item, self._next = self._next.item, None
        self._awaited.clear()
        verdict = judged("MAIL", code, text)
        return (Refused(item, verdict.reason, us=False) if self.done and not is_about_pace(verdict) else Done(item, verdict),)

    def _in_envelope(self, verb: Literal["MAIL", "RCPT", "DATA"], code: int, text: bytes) -> "Sequence[Event[T]]":
        envelope = self._next
        assert envelope is not None
        if code == 421:
            return self._closed(code, text) if envelope.failure is None else (*self._failed(ends=True), Refused(None, said(code, text), us=False))
        if refuses_us(verb, code):
            self._next = None
            return (Refused(envelope.item, said(code, text), us=True),)
        # RFC 5321 section 4.2: of a code that is not expected the first digit counts.
        goes_on = code // 100 == (3 if verb == "DATA" else 2)
        if not goes_on:
            envelope.failure = envelope.failure or (verb, code, text)
        if verb == "DATA":
            return self._ready(envelope, goes_on=goes_on)
        if self.pipelining:
            return ()
        if envelope.failure is not None:
            # Nothing more of this envelope is said.
            self._awaited.clear()
            return self._failed()
        self._say(self._waiting.popleft())
        return ()

    def _ready(self, envelope: "_Envelope[T]", *, goes_on: bool) -> "Sequence[Event[T]]":
        if envelope.failure is None:
            return (Ready(envelope.item),)
        if not goes_on:
            return self._failed()
        if envelope.failure[0] == "MAIL":
            # Whom it goes on for nobody knows; an empty mail would reach him.
            return (*self._failed(ends=True), Garbled("it waits for a mail whose sender it refused"))
        # RFC 2920 section 3.1: taken for nobody; a lone dot ends it.
        self._say(_DOT)
        self._awaited.append("EMPTY")
        return ()

    def _failed(self, *, ends: bool = False) -> "Sequence[Event[T]]":
        """The envelope was refused: with quotes, once more without; else for good. `ends`: nothing more can be said over this connection."""
        envelope = self._next
        assert envelope is not None
        assert envelope.failure is not None
        verb, code, text = envelope.failure
        self._must_reset = True
        recipient = envelope.item.mail.recipient
        if verb == "RCPT" and code in _UNDERSTANDS_NO_QUOTES and not envelope.bare and unquoted(recipient) != recipient:
            if not ends:
                envelope.bare, envelope.failure = True, None
                self._say_envelope(envelope)
            return ()
        self._next = None
        return (Done(envelope.item, judged(verb, code, text, again=envelope.item.again)),)

    def broken(self, reason: str, *, unsent: int) -> "tuple[Done[T] | None, list[T]]":
        """What the end of the connection means, with `unsent` bytes still in our hands.

        The mail whose last byte had left is unknown; those of which not everything had left were not taken, and may go another way.
        """
        items = [self._next.item] if self._next is not None else []
        item, self._open, self._next = self._open, None, None
        left = sum(len(piece) for piece in self.take()) + unsent
        if item is None:
            return None, items
        return (Done(item, lost(reason)), items) if left <= self._behind else (None, [item, *items])


def stuffed(mail: Mail) -> bytes:
    """A mail as it travels after DATA, without the lone dot that ends it: a dot that begins a line is doubled (RFC 5321 section 4.5.2)."""
    if mail.is_plain:
        return mail.data
    body = mail.data.replace(b"\r\n.", b"\r\n..")
    body = b"." + body if body.startswith(b".") else body
    return body if body.endswith(b"\r\n") else body + b"\r\n"
