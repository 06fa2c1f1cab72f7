"""Fetches one address without ever reaching the inside of the network: each address is checked, then connected to as checked."""

import ipaddress
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit, urlunsplit

import certifi
import httpx
import idna

from publisher import __version__
from publisher.errors import BadInput
from publisher.i18n import _
from publisher.ingest.decode import MAX_BYTES
from publisher.settings import Fetch, Settings
from publisher.text.clean import clean_line
from publisher.text.urls import is_web_url

MAX_REDIRECTS = 5
_CONNECT_SECONDS = 10.0
_REDIRECTS = (301, 302, 303, 307, 308)
_ACCEPT = ("application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, application/json;q=0.8, text/html;q=0.8, "
           "text/plain;q=0.7, */*;q=0.1")
# NAT64 (RFC 6052 section 2.1): the IPv4 address that is really reached stands in the last 32 bits.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server gave. `unchanged` says that it still is what the validators named (304): then there is no `data`."""

    url: str
    data: bytes = b""
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None
    unchanged: bool = False


def fetch(url: str, settings: Settings, *, etag: str | None = None, last_modified: str | None = None, accept: str = _ACCEPT,
          largest: int = MAX_BYTES) -> Fetched:
    """What is at `url`, redirects followed. Raises BadInput, in one line, for everything else: unreachable, refused, too large, too slow.

    `etag` and `last_modified` are the validators of the last reading (RFC 9110 section 13); `largest` is in bytes, unpacked.
    """
    headers = {"User-Agent": settings.fetch.user_agent or f"publisher/{__version__} (+{settings.site.url})", "Accept": accept,
               "Accept-Encoding": "gzip", "Connection": "close"}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    seen: list[str] = []
    here = urldefrag(url)[0]
    while True:
        seen.append(here)
        with _exchange(url, here, settings.fetch, headers) as response:
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return _answer(url, here, response, largest, asked=bool(etag or last_modified))
            here = _next(url, urljoin(here, response.headers["location"]), seen)


def _next(url: str, location: str, seen: list[str]) -> str:
    """The address a redirect leads to. Raises BadInput where it leads in a circle, too far, or out of the web."""
    there = urldefrag(location)[0]
    if not is_web_url(there):
        raise BadInput(url, _("it redirects to %(address)s, which is no web address", address=clean_line(there)[:200]))
    if there in seen:
        raise BadInput(url, _("it redirects in a circle, back to %(address)s", address=clean_line(there)[:200]))
    if len(seen) > MAX_REDIRECTS:
        raise BadInput(url, _("it redirects more than %(n)s times", n=MAX_REDIRECTS))
    return there


@contextmanager
def _exchange(url: str, here: str, rules: Fetch, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """One request to one checked address; `url` is what problems name."""
    parts = _parts(url, here)
    host = _ascii_host(url, parts)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    deadline = _Deadline(rules.timeout)
    timeout = httpx.Timeout(deadline.seconds, connect=min(_CONNECT_SECONDS, deadline.seconds))
    failure: httpx.HTTPError | None = None
    try:
        with httpx.Client(trust_env=False, verify=_tls(), timeout=timeout, follow_redirects=False) as client:
            for address in _allowed(url, host, port, rules):
                request = client.build_request("GET", _at(parts, address, port), headers=headers | {"Host": _host_header(parts, host)},
                                               extensions={"sni_hostname": host, "trace": deadline.trace})
                try:
                    with _plainly(url, here, deadline):
                        response = client.send(request, stream=True)
                except _Unreached as error:
                    failure = error.cause
                    continue
                with _plainly(url, here, deadline):
                    yield response
                return
    finally:
        deadline.end()
    raise BadInput(url, _("%(host)s does not answer: %(reason)s", host=host, reason=_reason(failure)))


class _Unreached(Exception):
    """No connection came about: the next address of the same host may do."""

    def __init__(self, cause: httpx.HTTPError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Deadline:
    """Ends an exchange that lasts too long as a whole: a server that drips a byte now and then outlasts every timeout of a single read."""

    def __init__(self, limit: timedelta) -> None:
        self.seconds = limit.total_seconds()
        self.passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(self.seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Learn the socket in use (httpx, "Extensions: trace")."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.passed:
                self._cut()

    def _cut(self) -> None:
        self.passed = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """The exchange is over."""
        self._timer.cancel()


@contextmanager
def _plainly(url: str, here: str, deadline: _Deadline) -> Iterator[None]:
    """What httpx raises, as one line for a person."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        if "CERTIFICATE" in str(error).upper():
            raise BadInput(url, _("its certificate is not valid: %(reason)s", reason=_reason(error))) from error
        raise _Unreached(error) from error
    except httpx.TimeoutException as error:
        raise _too_slow(url, deadline) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        if deadline.passed:
            raise _too_slow(url, deadline) from error
        raise BadInput(url, _("the connection to %(host)s broke: %(reason)s", host=urlsplit(here).hostname, reason=_reason(error))) from error


def _too_slow(url: str, deadline: _Deadline) -> BadInput:
    return BadInput(url, _("no whole answer within %(n)s seconds", n=round(deadline.seconds)))


def _reason(error: Exception | None) -> str:
    return clean_line(str(error or ""))[:200] or type(error).__name__


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()  # the machine's own as well: an intranet has an authority of its own
    return context


def _parts(url: str, here: str) -> SplitResult:
    if not is_web_url(here):
        raise BadInput(url, _("this is no web address"), remedy=_("it begins with https:// or http://"))
    return urlsplit(here)


def _ascii_host(url: str, parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise BadInput(url, _("%(host)s is no name of a host", host=clean_line(host)[:200])) from error


def _host_header(parts: SplitResult, host: str) -> str:
    named = f"[{host}]" if ":" in host else host
    return named if parts.port is None or parts.port == (443 if parts.scheme == "https" else 80) else f"{named}:{parts.port}"


def _at(parts: SplitResult, address: Address, port: int) -> str:
    """The same request, to the address that was checked: what a second look-up would say does not matter any more."""
    host = f"[{address}]" if address.version == 6 else str(address)
    return urlunsplit((parts.scheme, f"{host}:{port}", parts.path or "/", parts.query, ""))


def _allowed(url: str, host: str, port: int, rules: Fetch) -> list[Address]:
    """The addresses of `host` that may be reached. Raises BadInput where there is none."""
    try:
        # The resolver has time limits of its own (resolv.conf); Python cannot interrupt it.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadInput(url, _("there is no host %(host)s", host=clean_line(host)[:200])) from error
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
    networks = [ipaddress.ip_network(network) for network in rules.allow]
    allowed = [address for address in addresses if is_open(address) or any(_real(address) in network for network in networks)]
    if not allowed:
        raise BadInput(url, _("%(host)s is at %(address)s, inside a private or reserved network", host=host, address=addresses[0]),
                       remedy=_("where that is meant, add its network to fetch.allow"))
    return allowed


def _real(address: Address) -> Address:
    """The address that is really reached behind one that carries another."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def is_open(address: Address) -> bool:
    """Whether an address is on the open internet: not private, loopback, link-local, shared, reserved, multicast, nor a tunnel to such."""
    real = _real(address)
    if isinstance(real, ipaddress.IPv6Address) and (real.is_site_local or real.teredo):
        return False
    return real.is_global and not real.is_multicast and not real.is_reserved and not real.is_unspecified


def _answer(url: str, here: str, response: httpx.Response, largest: int, *, asked: bool) -> Fetched:
    etag, last_modified = (response.headers.get(name) for name in ("etag", "last-modified"))
    if response.status_code == HTTPStatus.NOT_MODIFIED and asked:
        return Fetched(here, etag=etag, last_modified=last_modified, unchanged=True)
    if response.status_code != HTTPStatus.OK:
        raise BadInput(url, _("the server answers %(status)s", status=_status(response.status_code)))
    return Fetched(here, _body(url, response, largest), response.headers.get("content-type", ""), etag, last_modified)


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _body(url: str, response: httpx.Response, largest: int) -> bytes:
    """The body, unpacked as it comes and never further than the limit: a bomb of a few kilobytes stops early."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip", "deflate", ""):
        raise BadInput(url, _("the server sends an encoding that was not asked for: %(name)s", name=clean_line(coding)[:40]))
    stated = response.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > largest:
        raise _too_large(url, largest)
    chunks = response.iter_raw() if coding in ("identity", "") else _unpacked(url, response.iter_raw())
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > largest:
            raise _too_large(url, largest)
    return bytes(data)


def _too_large(url: str, largest: int) -> BadInput:
    return BadInput(url, _("what it sends is larger than %(n)s MB", n=largest // 1_000_000))


def _unpacked(url: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    step = 256 * 1024
    unpacker = zlib.decompressobj(wbits=47)  # 47: gzip or zlib, told by its header
    try:
        for packed in chunks:
            while packed:
                if unpacker.eof:  # RFC 1952 section 2.2: members may follow one another
                    unpacker = zlib.decompressobj(wbits=47)
                yield unpacker.decompress(packed, step)
                packed = unpacker.unconsumed_tail or unpacker.unused_data
        yield unpacker.flush(step)
    except zlib.error as error:
        raise BadInput(url, _("what it sends cannot be unpacked: %(reason)s", reason=error)) from error
