"""What takes mails to relays: one wire for all that speak SMTP, and for each provider a crew of threads that call its API."""

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from publisher.deliver.claim import Claimed
from publisher.deliver.lines import OPENING_PAUSES, Lines
from publisher.deliver.providers.base import Provider
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.verdict import Verdict
from publisher.deliver.wire import Hands, Wire
from publisher.errors import PublisherError

_LOOK_EVERY = 0.25
Write = Callable[[bytes], None]


class Carrier(Protocol):
    """Takes mails from the hands it was made with. `fault` is what broke it."""

    fault: Exception | None

    def wake(self) -> None:
        """There are new mails; begins to work with the first."""

    def lives(self) -> bool:
        """Whether it can take mails."""

    def end(self) -> None:
        """Begin nothing more."""

    def wait(self) -> None:
        """Wait until what had left has its answer."""


def carriers_of(hands: Hands, relays: Iterable[Lines], journal: Write) -> list[Carrier]:
    """The carriers to these relays; none has begun yet."""
    relays = list(relays)
    by_smtp = [lines for lines in relays if lines.provider is None]
    made: list[Carrier] = [Wire(hands, by_smtp, journal)] if by_smtp else []
    return made + [Crew(hands, lines, journal) for lines in relays if lines.provider is not None]


class Crew:
    """So many threads as there may be calls to a provider at once. A call carries several mails, and its answer speaks of each."""

    def __init__(self, hands: Hands, lines: Lines, journal: Write) -> None:
        self._hands, self._lines, self._journal = hands, lines, journal
        self._threads = [threading.Thread(target=self._live, args=(number,), name=f"{lines.relay}-{number}", daemon=True)
                         for number in range(lines.most)]
        self._ending = threading.Event()
        self._news = threading.Condition()
        self.fault: Exception | None = None

    def wake(self) -> None:
        """There are new mails; begins to work with the first."""
        for thread in self._threads[:max(1, self._hands.waiting_for(self._lines.relay))]:
            if thread.ident is None:
                thread.start()
        with self._news:
            self._news.notify_all()

    def lives(self) -> bool:
        """Whether it can take mails."""
        return self.fault is None

    def end(self) -> None:
        """Begin nothing more."""
        self._ending.set()
        with self._news:
            self._news.notify_all()

    def wait(self) -> None:
        """Wait until what had left has its answer."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _live(self, number: int) -> None:
        provider: Provider | None = None
        try:
            while not self._ending.is_set():
                # While the provider wants fewer at once the last threads rest (allowed: none while it rests, then one more after each quiet minute).
                if number >= self._lines.allowed or self._lines.resting() or not self._hands.waiting_for(self._lines.relay):
                    with self._news:
                        self._news.wait(_LOOK_EVERY)
                    continue
                provider = provider or self._opened()
                self._send(provider, self._mails(provider.most))
        except PublisherError as error:
            self._hands.trouble_with(self._lines.relay, error)
        except Exception as error:
            # The border of a thread: whatever broke it ends the run and is seen there, or the run would wait for its mails for ever.
            self.fault = error
        finally:
            if provider is not None:
                provider.close()

    def _opened(self) -> Provider:
        assert self._lines.provider is not None
        return self._lines.provider()

    def _mails(self, most: int) -> list[Claimed]:
        found: list[Claimed] = []
        while len(found) < most and (mail := self._hands.next_for(self._lines.relay)) is not None:
            found.append(mail)
        return found

    def _send(self, provider: Provider, mails: list[Claimed]) -> None:
        """Give mails and take the answers. Raises RelayTrouble when the provider takes none now; what was not given is put back."""
        if not mails:
            return
        self._journal(b"".join([self._hands.intent(mail) for mail in mails]))
        try:
            verdicts = self._given(provider, mails)
        except RelayTrouble:
            self._journal(b"".join([self._hands.put_back(mail) for mail in reversed(mails)]))
            raise
        notes, trouble = [], None
        for mail, verdict in zip(mails, verdicts, strict=True):
            try:
                notes.append(self._hands.outcome(mail, verdict))
            except RelayTrouble as error:
                trouble = error  # the others of the call have left all the same
        self._journal(b"".join(notes))
        if trouble is not None:
            raise trouble
        self._rest_after(verdicts)

    def _given(self, provider: Provider, mails: list[Claimed]) -> list[Verdict]:
        for pause in OPENING_PAUSES:
            try:
                return provider.send([mail.mail for mail in mails])
            except RelayTrouble as error:
                if not error.passing or self._ending.wait(pause):
                    raise
        return provider.send([mail.mail for mail in mails])

    def _rest_after(self, verdicts: list[Verdict]) -> None:
        closing = next((verdict for verdict in verdicts if verdict.closing and verdict.state == "deferred"), None)
        if closing is not None:
            self._lines.rest(closing.reason)
        elif any(verdict.state == "accepted" for verdict in verdicts):
            self._lines.works()
