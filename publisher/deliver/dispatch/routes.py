"""Which relays a mail may take, in which order: pure, and the same for the same mail, so that one tried again comes over the same relay."""

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings_sending import RelayEntry


class NoRelay(PublisherError):
    """No relay is left for the mails of a newsletter, or none was ever named for one of them. No reader is to blame."""

    @classmethod
    def all_down(cls, names: Iterable[str]) -> "NoRelay":
        """Every relay of the newsletter is down."""
        return cls(_("no relay takes mail now: %(names)s", names=", ".join(sorted(names))), remedy=_("the mails that wait are tried again later"))

    @classmethod
    def none_named(cls, domain: str, newsletter: str) -> "NoRelay":
        """publisher.toml names no relay for a mail."""
        return cls(_("no entry of relays is for the mails of %(newsletter)s to %(domain)s", newsletter=newsletter, domain=domain),
                   remedy=_("add an entry without domains and newsletters, which takes what the others do not"))


class Routes:
    """The relays of a newsletter: those that name the recipient domain, else those that name the newsletter, else those that name neither.

    Several share the mails by weight. Each mail has an order of its own among them, drawn from its number: when one relay is down its mails go to the
    others by their weights, and no other mail changes its relay (weighted rendezvous hashing: Schindelhauer and Schomaker, 2005).
    """

    def __init__(self, relays: Sequence[RelayEntry], newsletter: str) -> None:
        self.newsletter = newsletter
        ours = [entry for entry in relays if newsletter in entry.newsletters]
        self._usual = tuple(ours or [entry for entry in relays if not entry.domains and not entry.newsletters])
        self._by_domain = {domain: tuple(entry for entry in relays if domain in entry.domains) for entry in relays for domain in entry.domains}

    def all(self) -> list[RelayEntry]:
        """Every relay that a mail of the newsletter could take."""
        return list({entry.name: entry for entries in (self._usual, *self._by_domain.values()) for entry in entries}.values())

    @property
    def is_for_all(self) -> bool:
        """Whether every reader's mail has a relay, whatever the domain."""
        return bool(self._usual)

    def only(self) -> RelayEntry | None:
        """The relay that every mail takes; None when it depends on the mail."""
        return self._usual[0] if len(self._usual) == 1 and not self._by_domain else None

    def order(self, delivery_id: int, domain: str, down: Collection[str] = ()) -> list[RelayEntry]:
        """The relays of a mail that are not `down`, the first choice first; those of weight 0 only when no other is left.

        Empty when all of them are down. Raises NoRelay when none was named for it.
        """
        entries = self._by_domain.get(domain, self._usual)
        if not entries:
            raise NoRelay.none_named(domain, self.newsletter)
        left = [entry for entry in entries if entry.name not in down] if down else entries
        left = [entry for entry in left if entry.weight] or left
        return sorted(left, key=lambda entry: _distance(entry, delivery_id)) if len(left) > 1 else list(left)


def _distance(entry: RelayEntry, delivery_id: int) -> float:
    """Exponentially distributed with the weight as its rate: of several, each is the nearest as often as its share says."""
    drawn = hashlib.blake2b(f"{entry.name} {delivery_id}".encode(), digest_size=8).digest()
    return -math.log((int.from_bytes(drawn, "big") + 1) / 2**64) / (entry.weight or 1)
