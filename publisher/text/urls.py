"""Addresses: which ones lead to the web, and when two spellings are the same one."""

import re
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import idna

# What campaigns and networks add to an address to follow the reader; the page is the same without.
_TRACKING = re.compile(
    r"(?:utm_\w+|mtm_\w+|pk_\w+|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid|twclid|ttclid|li_fat_id|igshid|igsh|mc_cid|mc_eid|_hsenc|_hsmi"
    r"|mkt_tok|vero_id|oly_anon_id|oly_enc_id|s_cid|srsltid|ref_src|ref_url|_ga|_gl|cmpid|ncid|at_medium|at_campaign)",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_BARE = re.compile(
    r"https?://[^\s<>\"'`{}|\\^\[\]\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u3040-\u30ff\u4e00-\u9fff]+", re.IGNORECASE)


def is_web_url(url: str) -> bool:
    """Whether `url` is an absolute http or https address with a host and without white space."""
    parts = _split(url)
    return parts is not None and not re.search(r"[\s<>\"\x00-\x1f]", url)


def canonical_url(url: str) -> str:
    """One spelling for all spellings of the same address: RFC 3986 section 6.2 (case, port, escapes), no fragment, no tracking, query sorted,
    no slash at the end, the host in ASCII. `m.` and AMP addresses stay what they are. What is no web address comes back as it is."""
    url = url.strip()
    parts = _split(url)
    if parts is None:
        return url
    scheme = parts.scheme.lower()
    host = _ascii_host(parts.hostname or "")
    port = f":{parts.port}" if parts.port and parts.port != _PORTS[scheme] else ""
    query = urlencode(sorted((name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.fullmatch(name)))
    return f"{scheme}://{host}{port}{_path(parts.path)}" + (f"?{query}" if query else "")


def first_url(text: str) -> str | None:
    """The first web address that stands bare in `text`, without the punctuation after it."""
    for found in _BARE.finditer(text[:20_000]):
        url = found[0].rstrip(".,;:!?*_~")
        while url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1].rstrip(".,;:!?*_~")
        if is_web_url(url):
            return url
    return None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018  (an impossible port is found here only)
    except ValueError:
        return None
    return parts if parts.scheme.lower() in _PORTS and parts.hostname else None


def _ascii_host(host: str) -> str:
    host = host.rstrip(".").lower()
    if ":" in host:  # RFC 3986 section 3.2.2: an IPv6 address stands in brackets
        return f"[{host}]"
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return quote(host)


def _path(path: str) -> str:
    escaped = quote(path, safe="/%:@!$&'()*+,;=-._~")
    escaped = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", escaped)
    return _ESCAPE.sub(_plain_escape, escaped).rstrip("/") or "/"


def _plain_escape(found: re.Match[str]) -> str:
    byte = int(found[0][1:], 16)
    return chr(byte) if byte in _UNRESERVED else found[0].upper()
