"""The door by IMAP: a mailbox is looked at now and then. What is ours is dealt with and moved, the rest stays as it lies, nothing is deleted."""

import imaplib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import getaddresses
from urllib.parse import unquote, urlsplit

import structlog
from imap_tools import BaseMailBox, ImapToolsError, MailBox, MailboxFolderCreateError, MailboxLoginError, MailBoxStartTls, MailBoxUnencrypted

from publisher.errors import Busy, PublisherError
from publisher.i18n import _
from publisher.jobs import Press
from publisher.locks import hold
from publisher.mailroom.reception import NotForwardedNow, Reception, TryLater, fault_of
from publisher.models_mail import Mailbox
from publisher.settings_secrets import imap_password
from publisher.settings_sending import is_loopback
from publisher.track.inbound import Envelope
from subscribers.mailbox.reading import Incoming, read_headers

log = structlog.get_logger("publisher")
EVERY = timedelta(seconds=5)
_LONGEST_REST = timedelta(minutes=15)
_TIMEOUT = 30.0
# In one look; the next one goes on.
_MOST_MAILS = 500
_MOST_FAILURES = 3
# In this order: what servers write down of the envelope says more than what the sender wrote.
_ENVELOPE = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to")
_WRITTEN = ("to", "cc")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mailbox is."""

    security: str
    host: str
    port: int
    user: str
    folder: str

    @classmethod
    def parse(cls, url: str) -> "Place":
        """The place of an address such as `imaps://user@imap.example.jp/INBOX`."""
        parts = urlsplit(url)
        security = {"imaps": "tls", "imap+starttls": "starttls"}.get(parts.scheme, "none")
        port = parts.port or (993 if security == "tls" else 143)
        return cls(security, parts.hostname or "", port, unquote(parts.username or ""), unquote(parts.path.strip("/")) or "INBOX")

    @property
    def name(self) -> str:
        """Under what the database remembers it."""
        return f"{self.user} {self.host}:{self.port} {self.folder}"[:200]


class MailboxDuty:
    """The duty of a service: looks at the mailbox every `inbound.poll`, and more seldom while it cannot."""

    def __init__(self) -> None:
        self._next: datetime | None = None
        self._rest = timedelta(0)

    def work(self, press: Press, clock: Callable[[], datetime], stop: threading.Event) -> None:
        """Look, if it is time. Raises PublisherError when the mailbox cannot be opened; a login that is refused, tried on, locks accounts."""
        inbound = press.settings.inbound
        if not inbound.imap or (self._next is not None and clock() < self._next):
            return
        try:
            look(Reception(press.database, press.settings, press.keys, press.secrets, clock), imap_password(), stop)
        except Busy:
            self._next = clock() + inbound.poll
            raise
        except PublisherError:
            self._rest = min(max(inbound.poll, self._rest * 2), max(_LONGEST_REST, inbound.poll))
            self._next = clock() + self._rest
            raise
        self._rest, self._next = timedelta(0), clock() + inbound.poll


def look(reception: Reception, password: str | None, stop: threading.Event) -> int:
    """Deal with every mail that came since the last look; how many were ours. Raises PublisherError, and Busy while another process looks."""
    place = Place.parse(reception.settings.inbound.imap or "")
    with hold(reception.database.engine, "mailbox"), _opened(place, password) as box:
        return _Look(reception, box, place, stop).run()


@contextmanager
def _opened(place: Place, password: str | None) -> Iterator[BaseMailBox]:
    """The mailbox with its folder selected. What goes wrong with it becomes a PublisherError, without any address."""
    where = f"{place.host}:{place.port}"
    try:
        box = _connected(place)
        try:
            box.login(place.user, password or "", initial_folder=place.folder)
            # What a server can do, some say only to those who have logged in (Dovecot: MOVE).
            box.client.capabilities = tuple(str(box.client.capability()[1][0], "ascii", "replace").upper().split())
            yield box
        finally:
            _goodbye(box)
    except MailboxLoginError as error:
        raise PublisherError(_("the mailbox at %(where)s refuses the login", where=where),
                             remedy=_("check the user name in inbound.imap and PUBLISHER_IMAP_PASSWORD")) from error
    except ssl.SSLError as error:
        raise PublisherError(_("the mailbox at %(where)s offers no trustworthy TLS: %(reason)s", where=where, reason=error.reason or str(error)),
                             remedy=_("check the host name in inbound.imap and the certificate of the server")) from error
    except (OSError, ImapToolsError, imaplib.IMAP4.error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise PublisherError(_("the mailbox at %(where)s cannot be read: %(reason)s", where=where, reason=reason),
                             remedy=_("check inbound.imap, and that the server is running")) from error


def _connected(place: Place) -> BaseMailBox:
    if place.security == "tls" or (place.security == "starttls" and place.port == 993):  # which speaks TLS from the first byte
        return MailBox(place.host, place.port, timeout=_TIMEOUT, ssl_context=ssl.create_default_context())
    if place.security == "starttls":
        return MailBoxStartTls(place.host, place.port, timeout=_TIMEOUT, ssl_context=ssl.create_default_context())
    if not is_loopback(place.host):
        raise PublisherError(_("the mailbox at %(where)s would be read without encryption", where=f"{place.host}:{place.port}"),
                             remedy=_("write imaps:// or imap+starttls:// in inbound.imap"))
    return MailBoxUnencrypted(place.host, place.port, timeout=_TIMEOUT)


def _goodbye(box: BaseMailBox) -> None:
    try:
        box.logout()
    except (OSError, ImapToolsError, imaplib.IMAP4.error):
        box.client.shutdown()  # the server is gone already


class _Look:
    """One look through the folder."""

    def __init__(self, reception: Reception, box: BaseMailBox, place: Place, stop: threading.Event) -> None:
        self.reception, self.box, self.place, self.stop = reception, box, place, stop
        self.failures, self.unforwarded = 0, 0

    def run(self) -> int:
        """Deal with each mail, move those that were ours, and remember how far the folder was read."""
        validity = self._validity()
        last = self._remembered(validity)
        found = sorted(int(uid) for uid in self.box.uids(f"UID {last + 1}:*", charset=None))
        done, settled, waits = [], last, False
        for uid in [uid for uid in found if uid > last][:_MOST_MAILS]:
            if self.stop.is_set() or self.failures >= _MOST_FAILURES:
                break
            try:
                if self._deal_with(uid):
                    done.append(uid)
            except TryLater as error:
                if isinstance(error, NotForwardedNow):
                    self.unforwarded += 1
                else:
                    self.failures += 1
                # One that a person has to look at stays where a person sees it.
                waits = waits or not error.hopeless
            settled = settled if waits else uid
        if done:
            self._move(done)
        self._remember(validity, settled)
        return len(done)

    def _validity(self) -> int:
        answer = self.box.client.response("UIDVALIDITY")[1]
        if answer and answer[0]:
            return int(answer[0])
        return self.box.folder.status(self.place.folder, ["UIDVALIDITY"])["UIDVALIDITY"]

    def _remembered(self, validity: int) -> int:
        """The last UID that was dealt with. UIDs of another UIDVALIDITY say nothing (RFC 9051 section 2.3.1.1): everything is looked at anew."""
        with self.reception.database.reading() as session:
            row = session.get(Mailbox, self.place.name)
        return row.last_uid if row is not None and row.uid_validity == validity else 0

    def _remember(self, validity: int, last: int) -> None:
        with self.reception.database.writing() as session:
            session.merge(Mailbox(name=self.place.name, uid_validity=validity, last_uid=last))

    def _deal_with(self, uid: int) -> bool:
        """Whether the mail was ours. One that breaks us costs itself only: it stays, and is not looked at again. Raises TryLater."""
        headers = read_headers(self._fetch(uid, "BODY.PEEK[HEADER]") or b"")
        recipients = self._recipients(headers)
        if not recipients:
            return False
        if self.unforwarded >= _MOST_FAILURES and any(self.reception.is_for_a_person(recipient) for recipient in recipients):
            raise NotForwardedNow("the relay takes nothing now")
        # One byte more than is read tells that a mail is too large; what is larger still is never fetched.
        data = self._fetch(uid, f"BODY.PEEK[]<0.{self.reception.settings.inbound.largest + 1}>")
        if data is None:
            return False
        try:
            for recipient in recipients:
                self.reception.receive(Envelope(_sender(headers), recipient), data)
        except TryLater:
            raise
        except Exception as error:
            # The border of one mail: whatever it met in us, the others are dealt with.
            log.error("mail_failed", uid=uid, reason=fault_of(error))
            return False
        return True

    def _fetch(self, uid: int, what: str) -> bytes | None:
        """A part of the mail, without marking it as seen; None when it has gone meanwhile."""
        answer, parts = self.box.client.uid("FETCH", str(uid), f"({what})")
        if answer != "OK":
            raise imaplib.IMAP4.error(answer)
        return next((part[1] for part in parts if isinstance(part, tuple)), None)

    def _recipients(self, headers: Incoming) -> list[str]:
        """The addresses of ours that the mail came to: the one a server noted, else those in To and Cc."""
        for name in _ENVELOPE:
            for _phrase, address in getaddresses(headers.all(name)):
                if self.reception.takes(address):
                    return [address]
        written = getaddresses([value for name in _WRITTEN for value in headers.all(name)])
        return list(dict.fromkeys(address.lower() for _phrase, address in written if self.reception.takes(address)))

    def _move(self, uids: list[int]) -> None:
        """Into the folder for what is done. Where a server cannot move one mail without touching others, they stay and are remembered."""
        wanted, can = [str(uid) for uid in uids], self.box.client.capabilities
        if "MOVE" not in can and "UIDPLUS" not in can:
            log.warning("mail_not_moved", reason="the server offers neither MOVE nor UIDPLUS")
            return
        folder = self._folder()
        if "MOVE" in can:
            self.box.move(wanted, folder, chunks=100)
            return
        self.box.copy(wanted, folder, chunks=100)
        for command in (("STORE", ",".join(wanted), "+FLAGS.SILENT", r"(\Deleted)"), ("EXPUNGE", ",".join(wanted))):
            # RFC 4315: only these, not what somebody else has marked.
            self.box.client.uid(*command)

    def _folder(self) -> str:
        """The folder for what is done, made where it is absent; below INBOX where a server wants it there."""
        name = self.reception.settings.inbound.done_folder
        delimiter = next((info.delim for info in self.box.folder.list("", "INBOX")), "/") or "/"
        for candidate in (name, f"INBOX{delimiter}{name}"):
            if self.box.folder.exists(candidate):
                return candidate
        try:
            self.box.folder.create(name)
        except MailboxFolderCreateError:
            name = f"INBOX{delimiter}{name}"
            self.box.folder.create(name)
        self.box.folder.subscribe(name, True)
        return name


def _sender(headers: Incoming) -> str | None:
    """The envelope's sender as the last server noted it (RFC 5321 section 4.4); None where none did."""
    noted = headers.all("return-path")
    return noted[0].strip().strip("<>").strip() if noted else None
