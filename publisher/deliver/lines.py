"""The connections of a run: as many as the relay has room for, opened again when they break, all at rest when it asks for a rest."""

import socket
import threading
import time
from collections.abc import Callable

from publisher.deliver.headers import split_mailbox
from publisher.deliver.smtp import Connection, RelayTrouble
from publisher.i18n import _
from publisher.settings import Relay, Settings

_OPENING_TRIES = (0.2, 1.0)
_PAUSES_AFTER_421 = (2.0, 10.0, 30.0)


class NoRoom(Exception):
    """The relay takes no further connection, and others are open: the work goes on over those."""


class Lines:
    """What the lines to one relay share: at most `most`, each opened by `opener`; `name` is the relay's."""

    def __init__(self, name: str, most: int, opener: Callable[[], Connection]) -> None:
        self.name, self.most, self.opener = name, most, opener
        self.open = 0
        self.lock = threading.Lock()
        self._rests, self._rest_until = 0, 0.0

    def rest(self, reason: str) -> None:
        """The relay wants a rest (RFC 5321 section 3.8), from all lines. Raises RelayTrouble when it goes on wanting one."""
        with self.lock:
            now = time.monotonic()
            if now < self._rest_until:
                return  # said over another line at the same time
            if self._rests >= len(_PAUSES_AFTER_421):
                raise RelayTrouble(_("the relay %(relay)s asks for a rest: %(reason)s", relay=self.name, reason=reason),
                                   remedy=_("the mails that wait are tried again later"))
            self._rest_until = now + _PAUSES_AFTER_421[self._rests]
            self._rests += 1

    def rest_over(self, ending: threading.Event) -> bool:
        """Wait until the rest is over; True when the run ends meanwhile."""
        while (left := self._rest_until - time.monotonic()) > 0:
            if ending.wait(left):
                return True
        return False

    def works(self) -> None:
        """The relay took a mail: the next rest is a short one again."""
        self._rests = 0


def lines_to(settings: Settings, password: str | None, most: int) -> Lines:
    """The lines to the relay of the settings: at most `most`."""
    relay = Relay.parse(settings.mail.relay)
    timeout = settings.mail.timeout.total_seconds()
    # RFC 5321 section 4.1.1.1: the client names itself; a relay elsewhere may look the name up, one on this machine does not.
    local_name = "localhost" if relay.is_loopback else socket.getfqdn() or split_mailbox(settings.mail.sender)[1].rpartition("@")[2]
    return Lines(f"{relay.host}:{relay.port}", most, lambda: Connection(relay, password, timeout, local_name))


class Line:
    """A thread's connection, opened when it is needed and again when it broke."""

    def __init__(self, lines: Lines, ending: threading.Event) -> None:
        self._lines, self._ending = lines, ending
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """The open connection. Raises RelayTrouble after several tries, NoRoom when others are open."""
        if self._connection is None:
            self._connection = self._opened()
            with self._lines.lock:
                self._lines.open += 1
        return self._connection

    def _opened(self) -> Connection:
        for pause in (*_OPENING_TRIES, None):
            try:
                return self._lines.opener()
            except RelayTrouble as error:
                if error.passing and self._lines.open:
                    raise NoRoom from error
                if not error.passing or pause is None or self._ending.wait(pause):
                    raise
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            with self._lines.lock:
                self._lines.open -= 1
