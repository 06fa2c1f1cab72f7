"""One connection to a relay: a mail goes in, a verdict comes out. The only room that knows smtplib.

Greeting, TLS and login are the library's; the exchange of a mail is ours, because only so is it known whether the final dot had left when a
connection broke (RFC 5321 section 4.2.5 and 6.1: before it nothing was taken, after it nobody knows).
"""

import re
import smtplib
import ssl

from publisher.deliver.headers import unquoted
from publisher.deliver.message import Mail
from publisher.deliver.verdict import Verdict
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings import Relay
from publisher.text.strike import without_addresses

_LONGEST_REASON = 300
_LONGEST_ANSWER = 2000
# RFC 3463 section 3.8: security and policy; Exim and qmail say it without a code. Postfix waits with all of it until RCPT (smtpd_delay_reject).
_POLICY = re.compile(r"\b5\.7\.\d|relay|rcpthosts|authenticat", re.IGNORECASE)
_NO_SUCH_READER = re.compile(r"\b5\.[12]\.\d")
_LOGIN_WANTED = (530, 535, 538)
_UNDERSTANDS_NO_QUOTES = (501, 553)


class RelayTrouble(PublisherError):
    """The relay takes no mail from us now: no connection, no TLS, no login, or it refuses the sender. No reader is to blame.

    `passing`: it did not answer, and may do so a moment later. A refused login is not tried again: that locks accounts.
    """

    passing = False


class ConnectionLost(Exception):
    """The connection ended before the final dot had left: nothing was taken, and the mail may go over another one."""


class Connection:
    """An open connection. Raises RelayTrouble when it cannot be opened."""

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

    def send(self, mail: Mail) -> Verdict:
        """Hand one mail over. Raises ConnectionLost before the final dot, RelayTrouble when the sender is refused."""
        try:
            refusal = self._envelope(mail)
            if refusal is not None:
                return refusal
            code, answer = self._smtp.docmd("DATA")
            if code != 354:
                return self._refused(code, answer, at_data=True)
            self._smtp.send(_stuffed(mail.data))
        except smtplib.SMTPServerDisconnected as error:
            raise ConnectionLost(str(error)) from error
        except OSError as error:
            raise ConnectionLost(error.strerror or str(error)) from error
        return self._after_the_dot()

    def _envelope(self, mail: Mail) -> Verdict | None:
        """MAIL and RCPT; None when both were taken."""
        code, answer = self._smtp.docmd(f"MAIL FROM:<{mail.sender}>")
        if code == 421 or 400 <= code < 500:
            return self._refused(code, answer)
        if code != 250:
            raise self._trouble(_("refuses the sender: %(reason)s", reason=said(code, answer)),
                                _("check mail.sender, and whether the relay wants a login"))
        code, answer = self._smtp.docmd(f"RCPT TO:<{mail.recipient}>")
        if code in _UNDERSTANDS_NO_QUOTES and unquoted(mail.recipient) != mail.recipient:
            code, answer = self._smtp.docmd(f"RCPT TO:<{unquoted(mail.recipient)}>")
        return None if code in (250, 251) else self._refused(code, answer)

    def _after_the_dot(self) -> Verdict:
        try:
            code, answer = self._smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return Verdict("unknown", f"no answer after the last byte: {error}"[:_LONGEST_REASON], closing=True)
        return Verdict("accepted", said(code, answer)) if 200 <= code < 300 else self._refused(code, answer, at_data=True)

    def _refused(self, code: int, answer: bytes, *, at_data: bool = False) -> Verdict:
        # RFC 5321 section 4.5.3.1.10: 552 at RCPT was written for "too many", and is to be read as temporary.
        state = "deferred" if code < 500 or (code == 552 and not at_data) else "refused"
        if code != 421:
            self._reset()
        reason = said(code, answer)
        policy = at_data or code in _LOGIN_WANTED or bool(_POLICY.search(reason) and not _NO_SUCH_READER.search(reason))
        return Verdict(state, reason, closing=code == 421, policy=policy)  # type: ignore[arg-type]

    def _reset(self) -> None:
        """Forget the envelope that was refused, or close when the relay is gone."""
        try:
            self._smtp.docmd("RSET")
        except (OSError, smtplib.SMTPException):
            self.close()

    def close(self) -> None:
        """Say goodbye without waiting for manners."""
        try:
            if self._smtp.sock is not None:
                self._smtp.sock.settimeout(2)
                self._smtp.quit()
        except (OSError, smtplib.SMTPException):
            self._smtp.close()


def _stuffed(data: bytes) -> bytes:
    """A mail as it travels after DATA: a dot that begins a line is doubled, and a lone dot ends it (RFC 5321 section 4.5.2)."""
    body = data.replace(b"\r\n.", b"\r\n..")
    body = b"." + body if body.startswith(b".") else body
    return (body if body.endswith(b"\r\n") else body + b"\r\n") + b".\r\n"


def said(code: int, answer: bytes | str) -> str:
    """What a relay said, on one line and without any address: outcomes hold none."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return f"{code} {without_addresses(' '.join(text.split())[:_LONGEST_ANSWER])}"[:_LONGEST_REASON]
