"""What the engine asks of a provider's API, and what all of them share: verdicts, trouble, and calls that follow one another."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from publisher.deliver.message import Mail
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.verdict import Verdict
from publisher.i18n import _
from publisher.text.strike import without_addresses

# Mails a call. Providers take up to 1,000; but the answer is one for all of them, and when it is lost, so is what is known of each.
MOST = 50
_LONGEST_REASON = 300
_LONGEST_ANSWER = 2000
T = TypeVar("T")


class Provider(Protocol):
    """One line to a provider's API. One thread at a time."""

    most: int

    def send(self, mails: Sequence[Mail]) -> list[Verdict]:
        """Give at most `most` mails; one verdict each, in their order.

        Raises RelayTrouble when nothing of them was given and no reader is to blame.
        """

    def close(self) -> None:
        """Give back what is open."""


def trouble(relay: str, what: str, remedy: str, *, passing: bool = False) -> RelayTrouble:
    """Trouble with the relay called `relay`, to be raised: `what` goes on from its name."""
    made = RelayTrouble(_("the relay %(relay)s %(what)s", relay=relay, what=what), remedy=remedy)
    made.passing = passing
    return made


def reason_of(*words: object) -> str:
    """What a provider said, on one line and without any address: outcomes hold none."""
    return without_addresses(" ".join(" ".join(map(str, words)).split())[:_LONGEST_ANSWER])[:_LONGEST_REASON]


def lost(why: object) -> Verdict:
    """The verdict on a mail that had left as a whole when its answer was lost: nobody knows."""
    return Verdict("unknown", reason_of("no answer of the provider:", why))


def wants_rest(*words: object) -> Verdict:
    """The verdict on a mail that was not taken because there were too many: like 421, the whole line rests."""
    return Verdict("deferred", reason_of(*words), closing=True)


def in_turn(groups: Iterable[Sequence[T]], call: Callable[[Sequence[T]], list[Verdict]]) -> list[Verdict]:
    """The verdicts of several calls, one after the other; a group holds the mails of one call, as `call` takes them.

    As soon as one wants a rest, loses its answer or meets trouble, the mails of the others are not given any more and come back as deferred: nothing
    of them was taken. Trouble of the first call is raised (nothing was given at all); later it must not be, or what was taken would be given again.
    """
    verdicts: list[Verdict] = []
    rest: Verdict | None = None
    for group in groups:
        if rest is not None:
            verdicts += [rest] * len(group)
            continue
        try:
            found = call(group)
        except RelayTrouble as error:
            if not verdicts:
                raise
            found = [wants_rest(error.reason)] * len(group)
        verdicts += found
        last = next((verdict for verdict in found if verdict.state == "unknown" or verdict.closing), None)
        rest = wants_rest("not given:", last.reason) if last is not None else None
    return verdicts
