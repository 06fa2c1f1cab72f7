"""Opens connections to a relay. The only room that knows smtplib: greeting, TLS and login are the library's, the exchange of mails is ours."""

import smtplib
import socket
import ssl

from publisher.deliver.answers import said
from publisher.deliver.exchange import Done, Exchange, Garbled, Ready, Refused
from publisher.deliver.message import Mail
from publisher.deliver.verdict import Verdict
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings_sending import Relay


class RelayTrouble(PublisherError):
    """The relay takes no mail from us now: no connection, no TLS, no login, or it refuses the sender. No reader is to blame.

    `passing`: it did not answer, and may do so a moment later. A refused login is not tried again: that locks accounts.
    """

    passing = False


class ConnectionLost(Exception):
    """The connection ended before the final dot had left: nothing was taken, and the mail may go over another one."""


class _Single:
    """One mail by itself."""

    def __init__(self, mail: Mail) -> None:
        self.mail, self.again = mail, False


class Connection:
    """An open connection, greeted and logged in. Raises RelayTrouble when it cannot be opened."""

    def __init__(self, relay: Relay, password: str | None, timeout: float, local_name: str) -> None:
        self._relay = relay
        try:
            self._smtp = self._greeted(timeout, local_name)
            try:
                self._made_ready(password)
            except (OSError, smtplib.SMTPException):
                self._smtp.close()
                raise
        except smtplib.SMTPAuthenticationError as error:
            raise self._trouble(_("refuses the login of %(user)s: %(reason)s", user=relay.user, reason=said(error.smtp_code, error.smtp_error)),
                                _("check the user name in mail.relay and PUBLISHER_RELAY_PASSWORD")) from error
        except ssl.SSLError as error:
            raise self._trouble(_("offers no trustworthy TLS: %(reason)s", reason=error.reason or str(error)),
                                _("check the host name in mail.relay and the certificate of the relay")) from error
        except smtplib.SMTPNotSupportedError as error:
            raise self._trouble(_("does not offer what mail.relay asks for: %(reason)s", reason=str(error)),
                                _("choose smtp://, smtp+starttls:// or smtps:// as the relay wants it")) from error
        except smtplib.SMTPResponseException as error:
            trouble = self._trouble(_("turns us away: %(reason)s", reason=said(error.smtp_code, error.smtp_error)), _("ask whoever runs it"))
            trouble.passing = error.smtp_code < 500  # too many connections, mostly
            raise trouble from error
        except (OSError, smtplib.SMTPException) as error:
            trouble = self._trouble(_("does not answer: %(reason)s", reason=getattr(error, "strerror", None) or str(error) or type(error).__name__),
                                    _("check mail.relay, and that the relay is running"))
            trouble.passing = True
            raise trouble from error
        assert self._smtp.sock is not None
        self.socket: socket.socket = self._smtp.sock
        # One write holds a whole body and the next envelope: nothing is gained by waiting for more (RFC 2920 section 3.1 asks for this).
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Only an EHLO can offer it; a server that knows HELO alone has no list.
        self.exchange: Exchange[_Single] = Exchange(pipelining=self.pipelining)

    @property
    def pipelining(self) -> bool:
        """Whether commands may travel together (RFC 2920)."""
        return self._smtp.has_extn("pipelining")

    def _greeted(self, timeout: float, local_name: str) -> smtplib.SMTP:
        relay = self._relay
        if relay.security == "tls":
            return smtplib.SMTP_SSL(relay.host, relay.port, local_name, timeout=timeout, context=ssl.create_default_context())
        return smtplib.SMTP(relay.host, relay.port, local_name, timeout)

    def _made_ready(self, password: str | None) -> None:
        if self._relay.security == "starttls":
            self._smtp.starttls(context=ssl.create_default_context())
        self._smtp.ehlo_or_helo_if_needed()
        if self._relay.user:
            self._smtp.login(self._relay.user, password or "")

    def _trouble(self, what: str, remedy: str) -> RelayTrouble:
        return RelayTrouble(_("the relay %(host)s:%(port)s %(what)s", host=self._relay.host, port=self._relay.port, what=what), remedy=remedy)

    def refuses_us(self, reason: str) -> RelayTrouble:
        """The trouble of a relay that does not take our sender."""
        return self._trouble(_("refuses the sender: %(reason)s", reason=reason), _("check mail.sender, and whether the relay wants a login"))

    def send(self, mail: Mail) -> Verdict:
        """Hand one mail over, and wait for the answer. Raises ConnectionLost before the final dot, RelayTrouble when the sender is refused."""
        exchange, item = self.exchange, _Single(mail)
        if not exchange.is_idle:
            raise ConnectionLost("the connection was given up")
        exchange.offer(item)
        unsent = 0
        try:
            while True:
                out = b"".join(exchange.take())
                unsent = len(out)
                self.socket.sendall(out)
                unsent = 0
                verdict = self._heard(self.socket.recv(65536))
                if verdict is not None:
                    return verdict
        except OSError as error:
            self._smtp.close()
            done, _items = exchange.broken(getattr(error, "strerror", None) or str(error), unsent=unsent)
            if done is None:
                raise ConnectionLost(getattr(error, "strerror", None) or str(error)) from error
            return done.verdict

    def _heard(self, data: bytes) -> Verdict | None:
        if not data:
            raise ConnectionResetError("it closed the connection")
        events = self.exchange.receive(data)
        verdict = next((event.verdict for event in events if isinstance(event, Done)), None)
        last = events[-1] if events else None
        if isinstance(last, Refused | Garbled):
            self._smtp.close()  # the next mail needs another one
            if verdict is None and isinstance(last, Refused) and last.us:
                raise self.refuses_us(last.reason)
            if verdict is None:
                raise ConnectionResetError(last.reason)
        elif isinstance(last, Ready):
            self.exchange.go()
        return verdict

    def close(self) -> None:
        """Say goodbye without waiting for manners: also one that reads no more keeps nobody waiting."""
        try:
            if self._smtp.sock is not None:
                self._smtp.sock.setblocking(False)
                self._smtp.sock.send(b"QUIT\r\n")
        except OSError:
            pass
        finally:
            self._smtp.close()
