"""Addresses that say where a reader came from: UTM parameters, added without touching anything else of the address."""

import re
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import idna

_UTM = ("utm_source", "utm_medium", "utm_campaign")
# RFC 3986 section 2: reserved and unreserved characters, and the escapes that are there already.
_KEPT = "%:/?#[]@!$&'()*+,;=-._~"


def with_campaign(url: str, *, source: str, medium: str, campaign: str) -> str:
    """`url` in ASCII with `utm_source`, `utm_medium` and `utm_campaign`; those of somebody else's campaign are replaced, query and fragment stay."""
    parts = urlsplit(url)
    query = "&".join(pair for pair in parts.query.split("&") if pair and unquote(pair.partition("=")[0]) not in _UTM)
    utm = "&".join(f"{name}={quote(value, safe='')}" for name, value in zip(_UTM, (source, medium, campaign), strict=True))
    return ascii_url(urlunsplit(parts._replace(query=f"{query}&{utm}" if query else utm)))


def ascii_url(url: str) -> str:
    """`url` in ASCII (RFC 3987 section 3.1): networks end a link at the first Japanese character."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    netloc = parts.netloc
    if not host.isascii():
        try:
            netloc = netloc.lower().replace(host, idna.encode(host, uts46=True).decode())
        except idna.IDNAError:
            netloc = quote(netloc, safe="@:[]")
    escaped = (re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", quote(part, safe=_KEPT)) for part in (parts.path, parts.query, parts.fragment))
    return urlunsplit((parts.scheme, netloc, *escaped))
