"""What the connections to one relay share: how many there may be, how each is opened, and the rest it asks for."""

import socket
import threading
import time
from collections.abc import Callable, Mapping

from publisher.deliver.headers import split_mailbox
from publisher.deliver.message import Mail
from publisher.deliver.providers.base import MOST, Provider
from publisher.deliver.providers.opening import provider_for
from publisher.deliver.smtp import Connection, RelayTrouble
from publisher.deliver.verdict import Verdict
from publisher.i18n import _
from publisher.settings import Settings
from publisher.settings_sending import SINGLE, Relay, RelayEntry

OPENING_PAUSES = (0.2, 1.0)  # seconds between tries, for whoever opens
_PAUSES_AFTER_421 = (2.0, 10.0, 30.0)


class Lines:
    """The lines to one relay: at most `most`, each opened by `opener`, each for `per_connection` mails.

    `relay` is its name, `name` what people read. `allowed` is how many there may be for now. With `provider` they are calls of an API, which carry
    `per_call` mails at most.
    """

    def __init__(self, name: str, most: int, opener: "Callable[[], Connection | OneByOne]", *, relay: str = SINGLE, timeout: float = 60.0,
                 per_connection: int | None = None, provider: "Callable[[], Provider] | None" = None, per_call: int = 1) -> None:
        self.name, self.relay, self.most, self.opener, self.timeout = name, relay, most, opener, timeout
        self.provider, self.allowed, self.per_call = provider, most, per_call
        self._per_connection = per_connection
        self._lock = threading.Lock()
        self._rests, self._rest_until = 0, 0.0

    def rest(self, reason: str) -> None:
        """The relay wants a rest (RFC 5321 section 3.8), from all lines. Raises RelayTrouble when it goes on wanting one."""
        with self._lock:
            now = time.monotonic()
            if now < self._rest_until:
                return  # said over another line at the same time
            if self._rests >= len(_PAUSES_AFTER_421):
                raise RelayTrouble(_("the relay %(relay)s asks for a rest: %(reason)s", relay=self.name, reason=reason),
                                   remedy=_("the mails that wait are tried again later"))
            self._rest_until = now + _PAUSES_AFTER_421[self._rests]
            self._rests += 1

    def resting(self) -> float:
        """Seconds until the rest is over; 0 when there is none."""
        return max(0.0, self._rest_until - time.monotonic()) if self._rest_until else 0.0

    def works(self) -> None:
        """The relay took a mail: the next rest is a short one again."""
        self._rests = 0

    def is_worn(self, mails: int) -> bool:
        """Whether a connection that carried so many mails is opened anew."""
        return self._per_connection is not None and mails >= self._per_connection


def lines_to(settings: Settings, secrets: Mapping[str, str], entry: RelayEntry, most: int | None = None) -> Lines:
    """The lines to a relay: at most `most`, or as many as its entry says."""
    timeout = settings.mail.timeout.total_seconds()
    if entry.kind != "smtp":
        def provider() -> Provider:
            return provider_for(entry, secrets, timeout)

        return Lines(entry.name, most or entry.connections, lambda: OneByOne(provider()), relay=entry.name, timeout=timeout, provider=provider,
                     per_call=1 if entry.kind == "ses" else MOST)
    relay = Relay.parse(entry.url)
    # RFC 5321 section 4.1.1.1: the client names itself; a relay elsewhere may look the name up, one on this machine does not.
    local_name = "localhost" if relay.is_loopback else socket.getfqdn() or split_mailbox(settings.mail.sender)[1].rpartition("@")[2]
    return Lines(f"{relay.host}:{relay.port}", most or entry.connections, lambda: Connection(relay, secrets.get(entry.name), timeout, local_name),
                 relay=entry.name, timeout=timeout, per_connection=entry.per_connection)


def usual_relay(settings: Settings, *, whole: bool = False) -> RelayEntry:
    """The relay of mails that belong to no newsletter: the first that is for all, else the first.

    `whole`: for mails that carry another one, which Postmark does not take; it has them only where there is no other.
    """
    return min(settings.all_relays(), key=lambda entry: (whole and entry.kind == "postmark", bool(entry.domains or entry.newsletters)))


class OneByOne:
    """A provider for those who send mail by mail."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def send(self, mail: Mail) -> Verdict:
        """Give one mail; see `Provider.send`."""
        return self._provider.send([mail])[0]

    def close(self) -> None:
        """Give back what is open."""
        self._provider.close()


class Line:
    """One connection for those who send mail by mail, opened when it is needed and again when it broke."""

    def __init__(self, lines: Lines, ending: threading.Event) -> None:
        self._lines, self._ending = lines, ending
        self._connection: Connection | OneByOne | None = None

    def rest_over(self) -> bool:
        """Wait until the relay had its rest; True when the run ends meanwhile."""
        while (left := self._lines.resting()) > 0:
            if self._ending.wait(left):
                return True
        return False

    def connection(self) -> "Connection | OneByOne":
        """The open connection. Raises RelayTrouble after several tries."""
        for pause in (*OPENING_PAUSES, None):
            if self._connection is not None:
                break
            try:
                self._connection = self._lines.opener()
            except RelayTrouble as error:
                if not error.passing or pause is None or self._ending.wait(pause):
                    raise
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
