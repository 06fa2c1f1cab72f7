"""The addresses at which mail comes in: LIST-subscribe@… and its siblings, and those that carry a token. Pure: nothing is asked of a database."""

import re
from dataclasses import dataclass
from typing import Literal

from publisher.links import BOUNCE, CONFIRM, NOTICE, read_leave_token, read_pair
from publisher.settings import Settings
from publisher.tokens import Keys

# request: commands in subject or body (LIST@ and LIST-request@). leave: u+TOKEN@. bounce: b+TOKEN@. complaint: complaints@.
Kind = Literal["subscribe", "unsubscribe", "confirm", "help", "request", "owner", "leave", "bounce", "complaint"]
_SUFFIXES: dict[str, Kind] = {"subscribe": "subscribe", "join": "subscribe", "unsubscribe": "unsubscribe", "leave": "unsubscribe", "help": "help",
                              "request": "request", "owner": "owner"}
_TOKENS: dict[str, Kind] = {"u": "leave", "b": "bounce"}
# RFC 5321 section 4.5.1: every domain that takes mail has a postmaster; RFC 2142 section 4 adds abuse.
_OPERATOR = ("postmaster", "abuse")
_COMPLAINTS = "complaints"
# What behind a list's name makes an address of its own, and the names that no list can have beside it.
ACTS = (*_SUFFIXES, "confirm")
TAKEN = (*_TOKENS, _COMPLAINTS, *_OPERATOR, "mailer-daemon")
# Whichever delimiter the newsroom uses today, mails of yesterday may hold another: the token decides.
_WITH_TOKEN = re.compile(r"(?P<before>.+?)[+=-](?P<token>[a-z2-7]{20,60})")


@dataclass(frozen=True, slots=True)
class Recipient:
    """What an address of ours is for. `list_name` is as publisher.toml spells it, and empty where the address belongs to no list."""

    kind: Kind
    list_name: str = ""
    token: str = ""


def domain(settings: Settings) -> str | None:
    """The domain of LIST-subscribe@… and its siblings, or None where no mail comes in."""
    return settings.inbound.domain or settings.mail.bounce_domain


def recipient_of(settings: Settings, address: str) -> Recipient | None:
    """What `address` is for, by its form alone; None when it is none of ours.

    The longest name of a list wins, so that a list called `x-help` has its own addresses and is not the help of a list called `x`.
    """
    local, _at, host = address.strip().strip("<>").rpartition("@")
    if host.lower().rstrip(".") not in {name for name in (settings.inbound.domain, settings.mail.bounce_domain) if name}:
        return None
    local = local.strip('"').lower()
    return _with_token(settings, local) or _plain(settings, local)


def _plain(settings: Settings, local: str) -> Recipient | None:
    names = {entry.name.lower(): entry for entry in reversed(settings.lists)}
    if local in names:
        return Recipient("request", names[local].name)
    if local == _COMPLAINTS:
        return Recipient("complaint")
    for name in sorted((name for name in names if local.startswith(f"{name}-")), key=len, reverse=True):
        kind = _SUFFIXES.get(local[len(name) + 1:])
        # Who is no reader yet cannot join a list that the pages do not offer either.
        if kind and (kind != "subscribe" or names[name].public):
            return Recipient(kind, names[name].name)
    return Recipient("owner") if local in _OPERATOR else None


def _with_token(settings: Settings, local: str) -> Recipient | None:
    found = _WITH_TOKEN.fullmatch(local)
    if found is None:
        return None
    before, token = found["before"], found["token"]
    if before in _TOKENS:
        return Recipient(_TOKENS[before], token=token)
    name, _dash, what = before.rpartition("-")
    if what != "confirm" or not name:
        return None
    # A list that was renamed since leaves its pending confirmations behind: the token is the proof.
    known = next((entry.name for entry in settings.lists if entry.name.lower() == name), "")
    return Recipient("confirm", known, token)


def genuine(keys: Keys, recipient: Recipient) -> bool:
    """Whether the token of `recipient` is one of ours; an address without a token has nothing to forge."""
    if recipient.kind == "leave":
        return read_leave_token(keys, recipient.token) is not None
    if recipient.kind == "confirm":
        return read_pair(keys, CONFIRM, recipient.token) is not None
    if recipient.kind == "bounce":
        return any(read_pair(keys, purpose, recipient.token) is not None for purpose in (BOUNCE, NOTICE))
    return True


def addresses(settings: Settings) -> list[tuple[str, Recipient]]:
    """Every address that is no secret, by list; one that a longer name of a list has taken is not among them. None where no mail comes in."""
    host, found = domain(settings), []
    if host is None:
        return []
    for entry in settings.lists:
        for what, kind in (("", "request"), *_SUFFIXES.items()):
            address = f"{entry.name}-{what}@{host}" if what else f"{entry.name}@{host}"
            if recipient_of(settings, address) == Recipient(kind, entry.name):  # type: ignore[arg-type]
                found.append((address, Recipient(kind, entry.name)))  # type: ignore[arg-type]
    return [*found, (f"{_COMPLAINTS}@{host}", Recipient("complaint")), (f"postmaster@{host}", Recipient("owner"))]
