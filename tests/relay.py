"""A real SMTP server that does what a test tells it: it takes, refuses, stalls, hangs up and loses answers."""

import base64
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

# What a plan may answer to: the verb ("MAIL", "RCPT", "DATA", "." …) and its argument; None means "as usual". "BODY" is asked when the first line of
# a body has been read: there the relay may hang up, or answer and hang up. "DATA" is asked also when everybody was refused: some servers say 354.
HANG_UP = "hang up"
SILENCE = "silence"
Plan = Callable[[str, str], str | None]


@dataclass(slots=True)
class Taken:
    """A mail that the relay took, whether or not its answer reached anybody."""

    sender: str
    recipient: str
    data: bytes

    @property
    def message_id(self) -> str:
        """The Message-ID of its header."""
        line = next(line for line in self.data.split(b"\r\n") if line.lower().startswith(b"message-id:"))
        return line.decode().partition(":")[2].strip()


@dataclass(slots=True)
class Seen:
    """One session: what it has said so far."""

    sender: str = ""
    recipient: str = ""
    has_sender: bool = False
    has_recipient: bool = False
    taken: int = 0
    login: bool = False
    is_over: bool = False


@dataclass
class Relay:
    """Listens on this machine inside its block. `plan` may change any answer; `credentials` and `tls` ask for a login and for STARTTLS.

    With `tls_at_once` the line is encrypted from the first byte. `closes_after` so many mails it closes without a word, as Yahoo does;
    `receive_buffer` is how many bytes the kernel takes in for it.
    """

    plan: Plan = lambda _verb, _argument: None
    credentials: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    tls_at_once: bool = False
    pipelining: bool = True
    closes_after: int | None = None
    receive_buffer: int | None = None
    taken: list[Taken] = field(default_factory=list)
    sessions: list[Seen] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    most_open: int = 0
    port: int = 0

    def __enter__(self) -> "Relay":
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        if self.receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_raised: object) -> None:
        # Closing alone leaves the thread in accept(), and the port open with it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            one.close()

    @property
    def url(self) -> str:
        """Its address in the settings."""
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def open_now(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def recipients(self) -> Counter[str]:
        """How often each reader's mail was taken."""
        return Counter(mail.recipient for mail in self.taken)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
                self.most_open = max(self.most_open, len(self._open))
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._talk(connection)
        except (OSError, ValueError):
            return
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _talk(self, connection: socket.socket) -> None:
        if self.tls is not None and self.tls_at_once:
            connection = self.tls.wrap_socket(connection, server_side=True)
        stream, seen = connection.makefile("rb"), Seen()
        self.sessions.append(seen)
        greeting = self.plan("CONNECT", "") or "220 relay.test ESMTP"
        connection.sendall(f"{greeting}\r\n".encode())
        while line := stream.readline():
            command = line.decode("utf-8", "replace").rstrip("\r\n")
            verb, _space, argument = command.partition(" ")
            verb = verb.upper()
            self.log.append(command)
            answer = self.plan(verb, argument) or self._usual(verb, argument, seen)
            if not self._say(connection, answer):
                return
            self._note(verb, answer, seen)
            if verb == "STARTTLS" and self.tls is not None:
                stream.close()
                connection = self.tls.wrap_socket(connection, server_side=True)
                stream, seen.login = connection.makefile("rb"), False
            elif verb == "AUTH" and answer.startswith("334"):
                self._say(connection, self._login(base64.b64decode(stream.readline()).split(b"\0"), seen))
            elif verb == "DATA" and answer.startswith("354"):
                if not self._say(connection, self._take(stream, seen)) or seen.is_over or seen.taken == self.closes_after:
                    return
            elif verb == "QUIT":
                return

    def _say(self, connection: socket.socket, answer: str) -> bool:
        if answer == HANG_UP:
            connection.shutdown(socket.SHUT_RDWR)
            return False
        if answer == SILENCE:
            threading.Event().wait(20)
            return False
        connection.sendall(f"{answer}\r\n".encode())
        return True

    def _usual(self, verb: str, argument: str, seen: Seen) -> str:
        if verb in ("EHLO", "HELO"):
            offers = ["relay.test", *(["PIPELINING"] if self.pipelining else []), *(["STARTTLS"] if self.tls and not self.tls_at_once else []),
                      *(["AUTH PLAIN"] if self.credentials else []), "8BITMIME"]
            return "\r\n".join(f"250{'-' if index < len(offers) - 1 else ' '}{offer}" for index, offer in enumerate(offers))
        if verb == "STARTTLS":
            return "220 go ahead" if self.tls else "502 not here"
        if verb == "AUTH":
            kind, _space, initial = argument.partition(" ")
            return self._login(base64.b64decode(initial).split(b"\0"), seen) if initial else "334 "
        if verb == "MAIL":
            if self.credentials and not seen.login:
                return "530 5.7.0 login first"
            if seen.has_sender:
                return "503 5.5.1 Error: nested MAIL command"
            seen.sender, seen.recipient = argument.partition(":<")[2].partition(">")[0], ""
            return "250 2.1.0 ok"
        if verb == "RCPT":
            seen.recipient = argument.partition(":<")[2].rpartition(">")[0]
            return "250 2.1.5 ok" if seen.has_sender else "503 5.5.1 Error: need MAIL command"
        if verb == "DATA" and not seen.has_recipient:
            # As Postfix has it.
            return "554 5.5.1 Error: no valid recipients" if seen.has_sender else "503 5.5.1 Error: need RCPT command"
        return {"DATA": "354 go on", "RSET": "250 ok", "NOOP": "250 ok", "QUIT": "221 bye"}.get(verb, "500 what?")

    def _note(self, verb: str, answer: str, seen: Seen) -> None:
        """What the answer makes of the transaction."""
        if verb in ("EHLO", "HELO", "RSET"):
            seen.has_sender = seen.has_recipient = False
        elif verb == "MAIL":
            seen.has_sender, seen.has_recipient = seen.has_sender or answer.startswith("2"), False
        elif verb == "RCPT":
            seen.has_recipient = seen.has_recipient or answer.startswith("2")

    def _login(self, parts: list[bytes], seen: Seen) -> str:
        seen.login = self.credentials is not None and [part.decode() for part in parts[1:]] == list(self.credentials)
        return "235 2.7.0 welcome" if seen.login else "535 5.7.8 no"

    def _take(self, stream: object, seen: Seen) -> str:
        lines: list[bytes] = []
        while (line := stream.readline()) not in (b".\r\n", b""):  # type: ignore[attr-defined]
            early = self.plan("BODY", seen.recipient) if not lines else None
            if early is not None:
                seen.is_over = True
                return early
            lines.append(line[1:] if line.startswith(b".") else line)
        if line == b"":
            return HANG_UP
        for_somebody, seen.has_sender, seen.has_recipient = seen.has_recipient, False, False
        if not for_somebody:
            return "554 5.5.1 Error: no valid recipients"
        answer = self.plan(".", seen.recipient)
        if answer is None or answer in (HANG_UP, SILENCE) or answer.startswith("2"):
            with self._lock:
                self.taken.append(Taken(seen.sender, seen.recipient, b"".join(lines)))
            seen.taken += 1
        return answer or "250 2.0.0 queued"
