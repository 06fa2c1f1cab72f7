"""The door by LMTP (RFC 2033) or SMTP, behind the newsroom's own mail server: what is no address of ours is refused at RCPT, and 250 means done."""

import asyncio
import logging
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.mailroom.reception import Reception, TryLater, fault_of
from publisher.track import inbound
from subscribers.mailbox.recipients import domain

log = structlog.get_logger("publisher")
_THREADS = 4
_MOST_OPEN = 50
_MOST_RECIPIENTS = 100
# RFC 5321 section 4.5.3.2.7: a server waits five minutes for the next command.
_TIMEOUT = 300.0
_UNKNOWN = "550 5.1.1 no such address here"
_TAKEN, _LATER = "250 2.0.0 taken", "451 4.3.0 not now, try again later"
_TOO_LARGE, _TOO_LONG = "552 5.3.4 the mail is too large", "500 5.6.0 a line of the mail is too long"
_FULL = b"421 4.3.2 too many connections, try again later\r\n"
_PATH = re.compile(r"<(?:@[^<>:]*:)?([^<>]*)>|([^\s<>]+)")


class _Handler:
    """What aiosmtpd calls, by these names. Work is done in threads: the loop only carries bytes."""

    def __init__(self, reception: Reception) -> None:
        self.reception = reception
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="mail")
        self.open: set[asyncio.Transport] = set()

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """Take an address of ours and refuse every other one: whoever brings the mail tells its sender, and no mail of ours does."""
        if len(envelope.rcpt_tos) >= _MOST_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        if not self.reception.takes(address):
            return _UNKNOWN
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """One outcome a recipient; by SMTP, which knows one answer only, the mail comes again when any of them could not be dealt with."""
        data = envelope.content if isinstance(envelope.content, bytes) else b""
        sender = (envelope.mail_from or "").strip("<> ")
        answers = [await asyncio.get_running_loop().run_in_executor(self.pool, self._receive, sender, recipient, data)
                   for recipient in envelope.rcpt_tos]
        if isinstance(server, LMTP):
            return "\r\n".join(answers)
        return _TAKEN if all(answer == _TAKEN for answer in answers) else _LATER

    def _receive(self, sender: str, recipient: str, data: bytes) -> str:
        try:
            self.reception.receive(inbound.Envelope(sender, recipient), data)
        except TryLater:
            return _LATER
        except Exception as error:
            # The border of a thread: a fault of ours costs no mail, it stays with the server that brought it until we are mended.
            log.error("mail_failed", reason=fault_of(error))
            return _LATER
        return _TAKEN

    async def handle_exception(self, error: Exception) -> str:
        """A fault in the exchange itself."""
        log.error("mail_door_fault", reason=fault_of(error))
        return _LATER


class _Conduct(SMTP):
    """What both protocols share: bounds, addresses as they stand, and as many answers after the data as there are recipients by LMTP."""

    # Servers break lines at 998 octets (RFC 5321 section 4.5.3.1.6); one that does not is no reason to lose a mail.
    line_length_limit = 65536
    _turned_away = False
    _answers_due = 0

    def connection_made(self, transport: Any) -> None:
        """Turn away whoever is one too many."""
        handler: _Handler = self.event_handler
        if len(handler.open) >= _MOST_OPEN:
            self._turned_away = True
            transport.write(_FULL)
            transport.close()
            return
        handler.open.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Make room."""
        if self._turned_away:
            return
        self.event_handler.open.discard(self.transport)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """What somebody says who was turned away is not heard."""
        if not self._turned_away:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """The same for the end."""
        return None if self._turned_away else super().eof_received()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """The address as it stands: carriers' addresses break the grammar that the library holds them to."""
        found = _PATH.match(arg.strip())
        if found is None:
            return None, None
        address = found[1] if found[1] is not None else found[2]
        return address.strip() or "<>", arg.strip()[found.end():]

    async def smtp_DATA(self, arg: str) -> None:
        """Receive the mail; everything that is said after it is said for each recipient by LMTP (RFC 2033 section 4.2)."""
        self._answers_due = 0
        await super().smtp_DATA(arg)

    async def push(self, status: Any) -> None:
        """Answer. The library knows one answer to a mail; its own have no enhanced code either."""
        text = status.decode() if isinstance(status, bytes) else str(status)
        if text.startswith("354") and self.envelope is not None:
            self._answers_due = len(self.envelope.rcpt_tos) if isinstance(self, LMTP) else 1
        elif self._answers_due:
            known = {"552 Error: Too much mail data": _TOO_LARGE, "500 Line too long (see RFC5321 4.5.3.1.6)": _TOO_LONG}
            lines = known.get(text, text).split("\r\n")
            text = "\r\n".join(lines if len(lines) == self._answers_due else lines[:1] * self._answers_due)
            self._answers_due = 0
        await super().push(text)


class _LmtpConduct(_Conduct, LMTP):
    """LMTP."""


class _Controller(Controller):
    """Listens with one of the two."""

    def __init__(self, handler: _Handler, conduct: type[_Conduct], host: str, port: int, name: str, largest: int) -> None:
        self._conduct = conduct
        super().__init__(handler, hostname=host, port=port, server_hostname=name, data_size_limit=largest, timeout=_TIMEOUT, ident="publisher",
                         ready_timeout=10)

    def start(self) -> None:
        """Take the port first: the library says that it is taken only after its whole time to get ready."""
        # Gone with the server that is given it; in between nobody else can have the port.
        self._socket = socket.create_server((self.hostname, self.port), family=socket.AF_INET6 if ":" in self.hostname else socket.AF_INET)
        self.port = self._socket.getsockname()[1]
        super().start()

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._socket)

    def factory(self) -> SMTP:
        """The protocol of one connection (aiosmtpd calls this by its name)."""
        return self._conduct(self.handler, **self.SMTP_kwargs)


class MailServer:
    """The door, open between `start` and `stop`, in threads of its own."""

    def __init__(self, reception: Reception, listen: str) -> None:
        scheme, _separator, place = listen.partition("://")
        host, _colon, port = place.rpartition(":")
        self.address = listen
        self._handler = _Handler(reception)
        self._controller = _Controller(self._handler, _LmtpConduct if scheme == "lmtp" else _Conduct, host.strip("[]") or "127.0.0.1", int(port),
                                       domain(reception.settings) or "localhost", reception.settings.inbound.largest)
        # Its lines hold addresses.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    def start(self) -> None:
        """Listen. Raises PublisherError when the port is taken."""
        try:
            self._controller.start()
        except OSError as error:
            raise PublisherError(_("mail cannot be received at %(place)s: %(reason)s", place=self.address, reason=error.strerror or str(error)),
                                 remedy=_("another program may be using the port: change inbound.listen")) from error

    @classmethod
    def opened(cls, reception: Reception) -> "MailServer | None":
        """The open door, where `inbound.listen` wants one. Raises PublisherError when the port is taken."""
        listen = reception.settings.inbound.listen
        if listen is None:
            return None
        door = cls(reception, listen)
        door.start()
        return door

    def stop(self) -> None:
        """Close the door; what was being dealt with is brought to its end, and whoever got no answer brings it again."""
        closed = threading.Event()
        self._controller.loop.call_soon_threadsafe(self._hang_up, closed)
        closed.wait(2)
        self._controller.stop(no_assert=True)
        self._handler.pool.shutdown(wait=True, cancel_futures=True)

    def _hang_up(self, closed: threading.Event) -> None:
        for transport in list(self._handler.open):
            transport.abort()
        closed.set()
