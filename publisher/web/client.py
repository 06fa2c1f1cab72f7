"""Whose request it is: the peer's address, or, behind a proxy that is trusted, the one that the proxy names."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import cache

from starlette.requests import Request

from publisher.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# RFC 7239 section 4: pairs of a token and a token or quoted string, parted by ";" within an element and by "," between elements.
_PAIR = re.compile(r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s,;"]*)\s*(;|,|$)""")
# More than any chain of proxies has; what is longer was written by somebody who wants it to be read for long.
_LONGEST = 4000


def client_of(request: Request, settings: Settings) -> str:
    """The network address that a request came from; empty where there is none (a socket in the file system).

    The header `web.client_header` is believed only from a peer within `web.trusted_proxies`. Each proxy appends the address it was asked
    from, so the last one that is no trusted proxy counts: what stands before it was written by the client. `X-Forwarded-For`, headers with
    one address, and `Forwarded` (RFC 7239) are read; where what counts is no address, the peer is the client.
    """
    peer = request.client.host if request.client else ""
    trusted = _networks(settings.web.trusted_proxies)
    found = _address(peer)
    if found is None or not _within(found, trusted):
        return peer if found is None else str(found)
    name = settings.web.client_header
    values = ",".join(request.headers.getlist(name))[-_LONGEST:]
    named = _forwarded(values) if name.lower() == "forwarded" else values.split(",")
    return str(_last_stranger(named, trusted) or found)


def _last_stranger(named: Iterable[str], trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> Address | None:
    for text in reversed(list(named)):
        address = _address(_without_port(text))
        if address is None or not _within(address, trusted):
            return address
    return None


def _forwarded(value: str) -> Iterator[str]:
    """What each element of `Forwarded` names behind `for`, an empty text where it names nothing; nothing at all where it cannot be read."""
    elements, named, place = [], "", 0
    while place < len(value):
        pair = _PAIR.match(value, place)
        if pair is None:
            return
        place = pair.end()
        if pair[1].lower() == "for":
            named = re.sub(r"\\(.)", r"\1", pair[2][1:-1]) if pair[2].startswith('"') else pair[2]
        if pair[3] != ";":
            elements.append(named)
            named = ""
    yield from elements


def _without_port(text: str) -> str:
    """`192.0.2.1:4711` and `[2001:db8::1]:4711` without what follows the address."""
    text = text.strip()
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::[0-9]+)?", text)
    if bracketed:
        return bracketed[1]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows IPv4 clients as ::ffff:192.0.2.1 (RFC 4291 section 2.5.5.2).
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _within(address: Address, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)


@cache
def _networks(texts: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
