"""The connections to one relay as the wire holds them: sockets that do not block, with what is still to be sent."""

import selectors
import ssl

from publisher.deliver.claim import Claimed
from publisher.deliver.exchange import Exchange
from publisher.deliver.lines import Lines
from publisher.deliver.smtp import Connection

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class OpenLine:
    """One connection and its talk."""

    def __init__(self, pool: "Pool", connection: Connection, timeout: float) -> None:
        self.pool, self.connection, self.socket = pool, connection, connection.socket
        self.exchange: Exchange[Claimed] = Exchange(pipelining=connection.pipelining)
        self.is_tls = isinstance(self.socket, ssl.SSLSocket)
        self.unsent = memoryview(b"")
        self.timeout, self.deadline = timeout, 0.0
        self.leaving = False
        self.watched = selectors.EVENT_READ  # for what its socket is watched
        self.socket.setblocking(False)

    def flush(self) -> bool:
        """Send what there is to send; False when the rest has to wait. Raises OSError."""
        out = self.exchange.take()
        try:
            if out and not self.unsent and not self.is_tls:
                # Gathered by the kernel: a mail is not copied once more to stand beside the next envelope.
                sent = 0
                try:
                    sent = self.socket.sendmsg(out)
                finally:
                    if sent < sum(map(len, out)):
                        self.unsent = memoryview(b"".join(out))[sent:]
            elif out:
                self.unsent = memoryview(bytes(self.unsent) + b"".join(out))
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent):]
        except _WOULD_BLOCK:
            return False
        return True

    def receive(self) -> bytes | None:
        """What came; None when nothing did after all, empty at the end. Raises OSError."""
        try:
            data = self.socket.recv(65536)
            # What TLS has decrypted already is in no selector's sight.
            while self.is_tls and data and self.socket.pending():  # type: ignore[attr-defined]
                data += self.socket.recv(65536)
        except _WOULD_BLOCK:
            return None
        return data


class Pool:
    """The connections to one relay."""

    def __init__(self, lines: Lines) -> None:
        self.lines, self.name, self.most = lines, lines.relay, lines.most
        self.open: list[OpenLine] = []
        self.opening = self.tries = 0
        self.not_before = 0.0
        self.is_down = False

    def room(self) -> int:
        """How many connections there may be now."""
        return min(self.most, self.lines.allowed)
