"""The mails that a run has claimed and not yet given to a relay: written when it is their turn, held back where receivers take only so many."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock

from publisher.deliver.claim import Claimed
from publisher.deliver.dispatch.dispatch import Dispatch
from publisher.deliver.headers import BadHeader
from publisher.deliver.lines import Lines
from publisher.deliver.message import NO_MAIL, Mailings

_SCRIBES, _AT_A_SCRIBE = 2, 20
_NO_BOUND = 1_000_000


class Stock:
    """Claimed mails on their way to the lines. `unwritable` is told of one that no mail can be made of; `wake` when there are new ones.

    The hand at the database adds and takes out, the lines take one by one. `fault` is what broke a thread that writes, if anything did.
    """

    def __init__(self, relays: Mapping[str, Lines], mailings: Mailings, dispatch: Dispatch, unwritable: Callable[[Claimed, BadHeader], None],
                 wake: Callable[[], None]) -> None:
        self._mailings, self._dispatch, self._unwritable, self._wake = mailings, dispatch, unwritable, wake
        self._waiting: dict[str, deque[Claimed]] = {name: deque() for name in relays}
        # A provider puts mails together anew and signs for itself: ours would be thrown away, and costs the most of a mail (docs/providers.md).
        self._signed = {name for name, lines in relays.items() if lines.provider is None}
        self._parked: dict[str, deque[Claimed]] = {}
        self._aloft: Counter[str] = Counter()
        # Several lines and the hand at the database count what is aloft: a mail that is missed there would wait for ever.
        self._counting = Lock()
        self._scribes = ThreadPoolExecutor(_SCRIBES, thread_name_prefix="scribe") if mailings.are_signed and self._signed else None
        self.is_closed = False
        self.fault: Exception | None = None

    def close(self) -> None:
        """Give nothing out any more."""
        self.is_closed = True
        if self._scribes is not None:
            self._scribes.shutdown(cancel_futures=True)

    def add(self, mails: Sequence[Claimed]) -> None:
        """Take claimed mails in. What is signed is written ahead, by several: a signature leaves the interpreter to the others meanwhile."""
        self._mailings.prepare(mail.edition_id for mail in mails)
        if self._scribes is None:
            self._queue(mails)
            return
        for start in range(0, len(mails), _AT_A_SCRIBE):
            self._scribes.submit(self._write, mails[start:start + _AT_A_SCRIBE])

    def _queue(self, mails: Iterable[Claimed]) -> None:
        for mail in mails:
            self._waiting[mail.relay].append(mail)
        self._wake()

    def _write(self, mails: Sequence[Claimed]) -> None:
        try:
            if not self.is_closed:
                self._queue([mail for mail in mails if self._is_written(mail)])
        except Exception as error:
            # The border of a thread: whatever broke it ends the run and is seen there, or the run would wait for these mails for ever.
            self.fault = error

    def _is_written(self, mail: Claimed) -> bool:
        if mail.mail is not NO_MAIL:
            return True
        try:
            mailing, signed = self._mailings.of(mail.edition_id), mail.relay in self._signed
            mail.mail = mailing.to(mail.subscriber_id, mail.address, mail.first_tried_at, signed=signed)
        except BadHeader as error:
            self._unwritable(mail, error)
            return False
        return True

    def next_for(self, relay: str) -> Claimed | None:
        """The next mail for a relay, written; None when there is none now."""
        waiting = self._waiting[relay]
        while waiting and not self.is_closed:
            try:
                mail = waiting.popleft()
            except IndexError:
                return None
            if self._has_room(mail) and self._is_written(mail):
                return mail
        return None

    def waiting_for(self, relay: str) -> int:
        """How many mails wait for a relay."""
        return 0 if self.is_closed else len(self._waiting[relay])

    def _has_room(self, mail: Claimed) -> bool:
        """Whether its receivers take one more at once; one for which they have no room waits beside."""
        group = self._dispatch.group_of(mail.domain) if self._dispatch.bounds_receivers else None
        if group is None:
            return True
        with self._counting:
            if self._room_of(group) <= 0:
                self._parked.setdefault(group, deque()).append(mail)
                return False
            self._aloft[group] += 1
        mail.group = group
        return True

    def _room_of(self, group: str) -> int:
        most = self._dispatch.most_of(group)
        return most - self._aloft[group] if most is not None else _NO_BOUND

    def landed(self, mail: Claimed) -> None:
        """A mail that was given out is no longer on the wire: others for the same receivers may leave."""
        if mail.group is None:
            return
        group, mail.group = mail.group, None
        with self._counting:
            self._aloft[group] -= 1
            self._unpark(group)

    def _unpark(self, group: str) -> bool:
        """Let as many of those that wait beside go on as there is room for now; whether there were any."""
        parked, room = self._parked.get(group, ()), self._room_of(group)
        freed = [parked.popleft() for _one in range(min(len(parked), room))]  # type: ignore[union-attr]
        for mail in reversed(freed):
            self._waiting[mail.relay].appendleft(mail)
        return bool(freed)

    def put_back(self, mail: Claimed) -> None:
        """A mail of which nothing left is the next again."""
        self.landed(mail)
        self._waiting[mail.relay].appendleft(mail)

    def look_beside(self) -> None:
        """Receivers may take more at once than a moment ago, with nothing on its way to them that would land."""
        with self._counting:
            freed = [self._unpark(group) for group in list(self._parked)]
        if any(freed):
            self._wake()

    def taken_out(self, relays: Iterable[str]) -> list[Claimed]:
        """The mails that wait for relays which take none now, and those whose receivers rest: they are in the stock no more."""
        gone, found = set(relays), []
        with self._counting:
            for group, parked in self._parked.items():
                rests = self._dispatch.most_of(group) == 0
                stays = [mail for mail in parked if not rests and mail.relay not in gone]
                found += [mail for mail in parked if rests or mail.relay in gone]
                parked.clear()
                parked.extend(stays)
        for name in gone:
            with suppress(IndexError):  # the lines take from it as well
                while True:
                    found.append(self._waiting[name].popleft())
        return found
