"""Sends mails that are no issue: one process at a time, one connection, one mail in hand, so that a crash repeats one mail at most."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.deliver.dkim import signer_of, signing_domain
from publisher.deliver.headers import BadHeader
from publisher.deliver.lines import Line, Lines, lines_to, usual_relay
from publisher.deliver.message import Mail
from publisher.deliver.notice_claim import Taken, claim, recover, release, settle, waiting
from publisher.deliver.notice_message import notice_mail, recipient_of
from publisher.deliver.smtp import ConnectionLost
from publisher.deliver.verdict import Verdict
from publisher.deliver.worker import check_relay
from publisher.errors import BadInput, PublisherError
from publisher.letters import Letter
from publisher.locks import hold
from publisher.models_mail import Notice
from publisher.primary import sending
from publisher.settings import Settings
from publisher.tokens import Keys

Clock = Callable[[], datetime]
LetterOf = Callable[[Session, Notice], Letter]
LOCK = "notices"
# Some relays end a connection after a number of mails; a run that goes on for ever would never let its process stop for an update.
_ON_ONE_CONNECTION = 100
_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class NoticeCounts:
    """What came of one run."""

    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    unknown: int = 0
    skipped: int = 0

    @property
    def unfinished(self) -> int:
        """Notices that wait for another try."""
        return self.deferred + self.unknown


def send_notices(database: Database, settings: Settings, keys: Keys, letter_of: LetterOf, *, secrets: Mapping[str, str], clock: Clock,
                 stop: threading.Event | None = None) -> NoticeCounts:
    """Send every notice that is due. Costs one read when none is.

    They take the first relay that is for all. Raises Busy while another living process sends notices, Fenced and ClockBack before anything is sent,
    RelayTrouble when the relay takes none, PublisherError when its key or that of the signature is missing (the notice in hand is given back), and at
    the end, when every other one had its turn, BadInput for a broken template or whatever fault a notice met:
    that one is tried again later.
    """
    if not waiting(database, clock()):
        return NoticeCounts()
    check_relay(settings)
    with hold(database.engine, LOCK), sending(database, settings, clock):
        recover(database)
        run = _Run(database, settings, keys, letter_of, lines_to(settings, secrets, usual_relay(settings), 1), clock, stop or threading.Event())
        run.go()
    if run.fault is not None:
        raise run.fault
    return NoticeCounts(**run.done)


class _Run:
    """One run. `fault` is the first that a notice met before anything of it had left."""

    def __init__(self, database: Database, settings: Settings, keys: Keys, letter_of: LetterOf, lines: Lines, clock: Clock,
                 stop: threading.Event) -> None:
        self._database, self._settings, self._keys, self._letter_of = database, settings, keys, letter_of
        self._lines, self._clock, self._stop = lines, clock, stop
        self._line = Line(lines, stop)
        # A provider puts the mail together anew, and signs for itself.
        self._signer = signer_of(settings, signing_domain(settings)) if lines.provider is None else None
        self.done: Counter[str] = Counter()
        self.fault: Exception | None = None

    def go(self) -> None:
        """Take, send, settle, until nothing is due or somebody stops it."""
        try:
            for count in range(1, _AT_MOST + 1):
                if self._stop.is_set():
                    return
                taken, skipped = claim(self._database, self._clock())
                self.done["skipped"] += skipped
                if taken is None:
                    return
                self._deal_with(taken)
                if count % _ON_ONE_CONNECTION == 0:
                    self._line.close()
        finally:
            self._line.close()

    def _deal_with(self, taken: Taken) -> None:
        try:
            mail = self._written(taken)
            verdict = self._handed_over(mail) if isinstance(mail, Mail) else mail
        except PublisherError:
            # Nothing left: the relay takes none, or its key is missing.
            release(self._database, taken)
            raise
        if verdict is None:
            release(self._database, taken)
            return
        if verdict.state == "refused" and verdict.policy:
            # It refuses us or what we write, not this reader: with a word to its keeper it may be taken later.
            verdict = Verdict("deferred", verdict.reason, closing=verdict.closing, policy=True)
        self.done[settle(self._database, taken, verdict, self._settings.mail.retry_for, self._clock())] += 1
        if verdict.closing:
            self._line.close()
        if verdict.closing and verdict.state == "deferred":
            self._lines.rest(verdict.reason)
        elif verdict.state == "accepted":
            self._lines.works()

    def _written(self, taken: Taken) -> Mail | Verdict:
        """The mail, or why there is none: an address that no mail can carry is refused, a fault of ours waits until it is mended."""
        try:
            recipient_of(self._settings, taken)
        except BadHeader as error:
            return Verdict("refused", error.reason)
        try:
            with self._database.reading() as session:
                letter = self._letter_of(session, taken.notice)
            return notice_mail(self._settings, self._keys, letter, taken, self._signer)
        # Whatever it is, it costs this one and stops no other; it is raised when all had their turn.
        except Exception as error:
            self.fault = self.fault or error
            return Verdict("deferred", str(error) if isinstance(error, BadInput) else type(error).__name__)

    def _handed_over(self, mail: Mail) -> Verdict | None:
        """What the relay said; None when the run was stopped before anything was said to it."""
        if self._line.rest_over():
            return None
        try:
            return self._line.connection().send(mail)
        except ConnectionLost:
            # Some relays close after a number of mails without a word (Yahoo): that is no failure of this one.
            self._line.close()
        try:
            return self._line.connection().send(mail)
        except ConnectionLost as error:
            self._line.close()
            return Verdict("deferred", f"the connection was lost twice: {error}")
