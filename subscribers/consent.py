"""How a person agreed or left: rows that are only ever added. They hold ids, keyed hashes and words, never an address."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, insert
from sqlalchemy.orm import Session, aliased

from publisher.tokens import Keys
from subscribers.models import Consent

# What a person did, or what was done for them. By ASKED nobody is on a list yet.
ASKED, CONFIRMED, IMPORTED, ADDED, REJOINED, UNDONE = "asked", "confirmed", "imported", "added", "rejoined", "undone"
CHANGED, LIFTED = "changed", "lifted"
# Each of these ends consent: an older request to join can no longer be confirmed.
LEFT, REMOVED, COMPLAINED, BOUNCED, ERASED = "left", "removed", "complained", "bounced", "erased"
ENDING = (LEFT, REMOVED, COMPLAINED, BOUNCED, ERASED)
# The list of a row that is about every list.
EVERY_LIST = 0
_CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Evidence:
    """How it happened. `door`: web, embed, mail, one-click, command, import, provider; `wording` says it in a sentence of ours or an operator's.

    `wording_id` is the text that was shown, `origin` the page or mail address of ours where it happened, `client_hash` comes from `client_hash`.
    """

    door: str
    wording: str = ""
    wording_id: int | None = None
    origin: str | None = None
    client_hash: str | None = None
    request_id: int | None = None


def record(session: Session, list_id: int, subscriber_ids: Sequence[int], action: str, evidence: Evidence, now: datetime,
           moments: Mapping[int, datetime] | None = None) -> None:
    """Write down that each of these persons did `action`; `moments` holds the moment of those whose own is known (an import brings it)."""
    if subscriber_ids:
        row = {"list_id": list_id, "action": action, **asdict(evidence)}
        session.execute(insert(Consent), [row | {"subscriber_id": one, "at": (moments or {}).get(one, now)} for one in subscriber_ids])


def only_by_themselves(subscriber_id: object) -> ColumnElement[bool]:
    """Whether this person (a number, or a column of the query around) was suppressed once and has not said since that they want mail.

    Whoever lifts a suppression cannot consent in their place: no import, no form that somebody filled in puts them on any list.
    """
    lifted, since = aliased(Consent), aliased(Consent)
    own_word = exists().where(since.subscriber_id == lifted.subscriber_id, since.action.in_((CONFIRMED, REJOINED)), since.at > lifted.at)
    return exists().where(lifted.subscriber_id == subscriber_id, lifted.action == LIFTED, ~own_word)


def client_hash(keys: Keys, client: str | None) -> str | None:
    """The keyed hash of a network address: an IPv4 address, or the /64 of an IPv6 one, which is one household (RFC 6177)."""
    return client_hashes(keys, client)[0] if client else None


def client_hashes(keys: Keys, client: str) -> list[str]:
    """The same under every key, newest first."""
    return keys.digests(_CLIENT, household(client))


def household(client: str) -> str:
    """The network address that counts as one: an IPv4 address, or the /64 of an IPv6 one (RFC 6177); what is no address stays as it is."""
    try:
        address = ipaddress.ip_address(client.strip("[]").partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)
