"""Holds back refusals that may be our own fault, until it is known whose they are.

A relay that does not know us says so to every reader's name (Postfix answers "Relay access denied" at RCPT), and one that dislikes an
issue refuses it mail by mail. Neither makes a reader one to be given up: only when the same relay takes another mail is the refusal the reader's own.
"""

from threading import Lock

from publisher.deliver.claim import Claimed
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.verdict import Verdict
from publisher.i18n import _

_IN_A_ROW = 10


class Suspicion:
    """Refusals in a row, of each relay by itself: that another one takes mails says nothing of them. Threads may use it at the same time."""

    def __init__(self) -> None:
        self._held: dict[str, list[tuple[Claimed, Verdict]]] = {}
        self._count = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    def hold_back(self, mail: Claimed, verdict: Verdict) -> bool:
        """Keep a refusal; True when its relay gave too many in a row to be the readers' own."""
        with self._lock:
            held = self._held.setdefault(mail.relay, [])
            held.append((mail, verdict))
            self._count += 1
            return len(held) >= _IN_A_ROW

    def taken_out(self, relay: str) -> list[tuple[Claimed, Verdict]]:
        """What was held back of a relay, and nothing of it is held any more."""
        with self._lock:
            held = self._held.pop(relay, [])
            self._count -= len(held)
            return held


class TakesNothing(RelayTrouble):
    """So many refusals in a row that they are the relay's word about us or the issue: a person looks before more are asked for.

    `relay` and `said` are its name and its words.
    """

    relay = said = ""


def refuses_all(relay: str, reason: str, *, in_a_row: bool = False) -> RelayTrouble:
    """The sentence for whoever sends."""
    if in_a_row:
        trouble = TakesNothing(_("the relay %(relay)s takes none of these mails: %(reason)s", relay=relay, reason=reason),
                               remedy=_("the issue is paused: mend what it says, then publisher issues resume"))
        trouble.relay, trouble.said = relay, reason
        return trouble
    return RelayTrouble(_("the relay %(relay)s takes none of these mails: %(reason)s", relay=relay, reason=reason),
                        remedy=_("mend what it says; the readers it was asked for are tried again later"))
