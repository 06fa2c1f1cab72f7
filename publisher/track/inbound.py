"""Mail that comes in is obeyed here: who asks to join is asked back, who wants to leave leaves, and a machine gets no answer.

Everything can be done twice without harm: the same mail handed over again is known by its hash, and where a crash came between the deed and
the note of it, the deed itself changes nothing the second time.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.links import read_leave_token
from publisher.models_mail import Notice, Received
from publisher.notices import write_notice
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.track.returned import handle_returned
from subscribers.addresses import Address, NotAnAddress, parse_address
from subscribers.consent import Evidence
from subscribers.mailbox.commands import Command, command_of, declines
from subscribers.mailbox.reading import read
from subscribers.mailbox.recipients import Recipient, genuine, recipient_of
from subscribers.mailbox.replies import answerable, answers_by_itself, came_back, is_authenticated, refers_to, silence
from subscribers.models import ReaderListRow, Subscriber, Subscription
from subscribers.registry.confirming import confirm
from subscribers.registry.joining import Ask, ask
from subscribers.registry.people import person
from subscribers.registry.readers import leave
from subscribers.registry.suppressions import is_suppressed
from subscribers.registry.writing import insert_absent

log = structlog.get_logger("publisher")
_DAY, _MONTH, _HOUR = timedelta(hours=24), timedelta(days=30), timedelta(hours=1)
_MOST_LEAVE_MAILS, _MOST_HELP_MAILS = 3, 30


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of one mail to one recipient. `sender` is empty for the null sender, and None where no server told it."""

    sender: str | None
    recipient: str


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a mail, in at most 32 characters: for the log, never for its sender.

    asked, waits, suppressed, busy, refused: of a wish to join. confirmed, used, expired, void, gone: of a confirmation. left, leave-asked,
    not-a-reader: of a wish to leave. help. returned:…: of a bounce or complaint. silent:…: why nothing was done. again: known already.
    """

    outcome: str


def takes(settings: Settings, keys: Keys, recipient: str) -> bool:
    """Whether mail to this address is taken: said at RCPT already, so that nothing is ever sent back later. Asks no database."""
    found = recipient_of(settings, recipient)
    return found is not None and genuine(keys, found)


def handle(database: Database, settings: Settings, keys: Keys, envelope: Envelope, data: bytes, now: datetime) -> Handled:
    """Do what a mail asks for; the same mail to the same recipient once more does nothing.

    Mail to an owner is not for this room: it is `silent:owner` (see `mailroom/forwarding.py`). Raises SQLAlchemyError where the database does not
    answer: the mail is to be handed over again.
    """
    digest = digest_of(envelope, data)
    if known(database, digest):
        return Handled("again")
    recipient = recipient_of(settings, envelope.recipient)
    if recipient is None or not genuine(keys, recipient):
        return Handled("silent:unknown")
    if recipient.kind in ("bounce", "complaint"):
        outcome = f"returned:{handle_returned(database, settings, keys, envelope.recipient, data, now)}"
    else:
        outcome = _Mail(_Room(database, settings, keys, now), envelope, recipient, data, digest).obeyed()
    remember(database, digest, outcome, now)
    log.info("mail_handled", kind=recipient.kind, list=recipient.list_name or None, outcome=outcome)
    return Handled(outcome)


def digest_of(envelope: Envelope, data: bytes) -> str:
    """By what a mail to one recipient is known again."""
    return hashlib.sha256(envelope.recipient.strip().lower().encode("utf-8", "surrogateescape") + b"\0" + data).hexdigest()


def known(database: Database, digest: str) -> bool:
    """Whether this mail was dealt with before."""
    with database.reading() as session:
        return session.get(Received, digest) is not None


def remember(database: Database, digest: str, outcome: str, now: datetime) -> None:
    """Note that a mail was dealt with; one that was noted with its deed stays as it is."""
    with database.writing() as session:
        _note(session, digest, outcome, now)


def _note(session: Session, digest: str, outcome: str, now: datetime) -> None:
    insert_absent(session, Received, [{"digest": digest, "outcome": outcome[:32], "at": now}])


@dataclass(frozen=True, slots=True)
class _Room:
    """Where a mail is obeyed."""

    database: Database
    settings: Settings
    keys: Keys
    now: datetime


class _Mail:
    """One mail to one address of a list, being obeyed."""

    def __init__(self, room: _Room, envelope: Envelope, recipient: Recipient, data: bytes, digest: str) -> None:
        self.database, self.settings, self.keys, self.now = room.database, room.settings, room.keys, room.now
        self.recipient, self.sender, self.digest = recipient, envelope.sender, digest
        self.address = envelope.recipient.strip("<> ").lower()
        self.too_large = len(data) > room.settings.inbound.largest
        self.mail = read(data[:room.settings.inbound.largest])
        self.trusted = room.settings.inbound.authenticated_by

    def obeyed(self) -> str:
        """Do it, and say what came of it."""
        if self.recipient.kind == "leave":
            return self._leave_by_token()
        if self.too_large:
            return "silent:too-large"
        why = silence(self.mail, self.sender) or self._from_ourselves()
        if why:
            return f"silent:{why}"
        doors: dict[str, Callable[[], str]] = {
            "subscribe": self._subscribe, "unsubscribe": self._unsubscribe, "help": self._help, "request": self._command,
            "confirm": lambda: self._confirm(self.recipient.token)}
        return doors[self.recipient.kind]() if self.recipient.kind in doors else f"silent:{self.recipient.kind}"

    def _from_ourselves(self) -> str | None:
        """A mail that claims to come from one of our own addresses would have us talk to ourselves."""
        for address in (self.sender or "", self.mail.author.key if self.mail.author else ""):
            if recipient_of(self.settings, address) is not None or address.lower() == _bare(self.settings.mail.sender):
                return "own-address"
        return None

    def _loops(self) -> bool:
        domains = {_bare(self.settings.mail.sender).rpartition("@")[2], self.settings.inbound.domain or "", self.settings.mail.bounce_domain or ""}
        return refers_to(self.mail, domains - {""})

    def _command(self) -> str:
        command = command_of(self.mail.subject, self.mail.lines) or Command("help")
        if command.verb == "confirm":
            # The same token in the subject: some programs write to the list instead of the address in Reply-To.
            return self._confirm(command.token) if genuine(self.keys, Recipient("confirm", token=command.token)) else "silent:forged"
        if command.verb == "subscribe":
            entry = self.settings.reader_list(self.recipient.list_name)
            return self._subscribe() if entry is not None and entry.public else self._help()
        return self._unsubscribe() if command.verb == "unsubscribe" else self._help()

    def _subscribe(self) -> str:
        author = answerable(self.mail, self.sender, self.trusted)
        if author is None:
            return "silent:unproved"
        if self._loops():
            return "silent:loop"
        with self.database.reading() as session:
            list_id = self._list_id(session)
            language = self._language(session, list_id)
        if list_id is None:
            return "silent:no-list"
        wanted = Ask(author, [list_id], "mail", language, origin=self.address, in_reply_to=self.mail.message_id)
        outcome = ask(self.database, self.keys, self._cautious(), wanted, self.now).outcome
        return "asked" if outcome == "mailed" else outcome

    def _cautious(self) -> Settings:
        """The settings, in which no list is joined without a confirmation unless a server has proved who writes: anybody can write a From."""
        if is_authenticated(self.mail, self.trusted):
            return self.settings
        lists = tuple(entry.model_copy(update={"opt_in": "double"}) for entry in self.settings.lists)
        return self.settings.model_copy(update={"lists": lists})

    def _confirm(self, token: str) -> str:
        """The token is the proof, whoever sends it; a note of absence has been kept out before. Who answers with a refusal confirms nothing."""
        if declines(self.mail.subject, self.mail.lines):
            return "silent:declined"
        pending = confirm(self.database, self.keys, self.settings, token, self.now, "mail")
        if pending is None:
            return "gone"
        return "confirmed" if pending.status == "joined" else pending.status

    def _leave_by_token(self) -> str:
        """Whoever holds the token may leave; a provider's program as well, however its mail looks. Only what answers or reports is no wish."""
        if came_back(self.mail, self.sender) or answers_by_itself(self.mail):
            return "silent:automatic"
        ids = read_leave_token(self.keys, self.recipient.token)
        if ids is None:
            return "silent:forged"
        list_id, subscriber_id, issue_id = ids
        if not leave(self.database, list_id, subscriber_id, Evidence("mail", f"mail to the leave address, issue {issue_id}"), self.now):
            return "not-a-reader"
        may_answer = silence(self.mail, self.sender) or self._from_ourselves()
        author = None if may_answer else answerable(self.mail, self.sender, self.trusted)
        self._say_goodbye(list_id, subscriber_id, author)
        return "left"

    def _unsubscribe(self) -> str:
        author = answerable(self.mail, self.sender, self.trusted)
        if author is None:
            return "silent:unproved"
        with self.database.reading() as session:
            list_id = self._list_id(session)
            found = session.execute(select(Subscription.subscriber_id, Subscription.state).join(Subscriber).where(
                Subscriber.address_key == author.key, Subscription.list_id == list_id)).one_or_none()
        if list_id is None or found is None or found.state == "left":
            return "not-a-reader"
        if is_authenticated(self.mail, self.trusted):
            evidence = Evidence("mail", "mail from the reader's address, proved by the receiving server", origin=self.address)
            if leave(self.database, list_id, found.subscriber_id, evidence, self.now) and found.state == "subscribed":
                self._say_goodbye(list_id, found.subscriber_id, author)
            return "left"
        return self._ask_whether_to_leave(list_id, author) if found.state == "subscribed" else "not-a-reader"

    def _say_goodbye(self, list_id: int, subscriber_id: int, author: Address | None) -> None:
        """Tell the reader, when it is he who wrote and he may be answered."""
        with self.database.writing() as session:
            reader = session.get(Subscriber, subscriber_id)
            if author is None or reader is None or reader.address_key != author.key or is_suppressed(session, self.keys, author, reader.address_hash):
                return
            write_notice(session, "goodbye", subscriber_id, reader.language or self._language(session, list_id), self.now, list_id=list_id,
                         in_reply_to=self.mail.message_id)
            _note(session, self.digest, "left", self.now)

    def _ask_whether_to_leave(self, list_id: int, author: Address) -> str:
        with self.database.writing() as session:
            return self._answered(session, "leave", author, list_id, _MOST_LEAVE_MAILS) or "leave-asked"

    def _help(self) -> str:
        author = answerable(self.mail, self.sender, self.trusted)
        if author is None:
            return "silent:unproved"
        if self._loops():
            return "silent:loop"
        with self.database.writing() as session:
            return self._answered(session, "help", author, self._list_id(session), _MOST_HELP_MAILS) or "help"

    def _answered(self, session: Session, kind: str, author: Address, list_id: int | None, most: int) -> str | None:
        """Write the answer, once a day for one address and `most` in thirty days; why it was not written, or None."""
        if is_suppressed(session, self.keys, author):
            return "suppressed"
        if self._too_many(session, author):
            return "busy"
        subscriber_id = person(session, self.keys, author, self.now)
        reader = session.get_one(Subscriber, subscriber_id)
        if is_suppressed(session, self.keys, author, reader.address_hash):
            return "suppressed"
        mine = select(func.count()).select_from(Notice).where(Notice.kind == kind, Notice.subscriber_id == subscriber_id)
        today, lately = (session.scalar(mine.where(Notice.created_at > self.now - span)) or 0 for span in (_DAY, _MONTH))
        if today or lately >= most:
            return "waits"
        write_notice(session, kind, subscriber_id, reader.language or self._language(session, list_id), self.now, list_id=list_id,
                     in_reply_to=self.mail.message_id)
        _note(session, self.digest, kind, self.now)
        return None

    def _too_many(self, session: Session, author: Address) -> bool:
        """The limits of signing up hold for these answers too, each hour: for one mail domain and in all."""
        lately = (select(func.count()).select_from(Notice).where(Notice.kind.in_(("help", "leave")), Notice.created_at > self.now - _HOUR))
        of_domain = lately.join(Subscriber, Subscriber.id == Notice.subscriber_id).where(
            Subscriber.address_key.endswith("@" + author.key.rpartition("@")[2], autoescape=True))
        limits = self.settings.signup
        return (session.scalar(lately) or 0) >= limits.in_all or (session.scalar(of_domain) or 0) >= limits.per_domain

    def _list_id(self, session: Session) -> int | None:
        return session.scalar(select(ReaderListRow.id).where(ReaderListRow.name == self.recipient.list_name, ReaderListRow.present))

    def _language(self, session: Session, list_id: int | None) -> str:
        """Japanese to whoever writes Japanese, else the language of the list."""
        if any("\u3041" <= letter <= "\u30ff" or "\u4e00" <= letter <= "\u9fff" for letter in self.mail.subject):
            return "ja"
        name = session.scalar(select(ReaderListRow.name).where(ReaderListRow.id == list_id)) if list_id is not None else None
        newsletters = self.settings.newsletters_of(name or "")
        return self.settings.language_of(newsletters[0]) if newsletters else self.settings.site.language


def _bare(mailbox: str) -> str:
    """The address of `Name <address>`, in lower case."""
    text = mailbox.rpartition("<")[2].rstrip("> ").strip()
    try:
        return parse_address(text).key
    except NotAnAddress:
        return text.lower()
