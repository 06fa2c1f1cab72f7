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
    """Refusals in a row. Threads may use it at the same time."""

    def __init__(self) -> None:
        self._held: list[tuple[Claimed, Verdict]] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._held)

    def hold_back(self, mail: Claimed, verdict: Verdict) -> bool:
        """Keep a refusal; True when there are too many in a row to be the readers' own."""
        with self._lock:
            self._held.append((mail, verdict))
            return len(self._held) >= _IN_A_ROW

    def taken_out(self) -> list[tuple[Claimed, Verdict]]:
        """What was held back, and nothing is held any more."""
        with self._lock:
            held, self._held = self._held, []
            return held


def refuses_all(relay: str, reason: str) -> RelayTrouble:
    """The sentence for whoever sends."""
    return RelayTrouble(_("the relay %(relay)s takes none of these mails: %(reason)s", relay=relay, reason=reason),
                        remedy=_("mend what it says; the readers it was asked for are tried again later"))
