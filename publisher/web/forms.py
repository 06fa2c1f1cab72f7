"""What a form brought, as text."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

# The longest value that is looked at; an address has 254 characters.
_LONGEST = 1000
_MOST = 200


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values in their order."""

    pairs: tuple[tuple[str, str], ...] = ()

    def one(self, name: str) -> str:
        """The first value of `name`, cut to what a form of ours may hold; empty where there is none."""
        return next((value[:_LONGEST] for given, value in self.pairs if given == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of `name`."""
        return [value[:_LONGEST] for given, value in self.pairs if given == name]


async def fields_of(request: Request) -> Fields:
    """The fields of a POST, urlencoded or multipart; what cannot be read brought nothing."""
    await request.body()  # kept, so that whoever else looks at it finds it: a form read from the wire is gone
    try:
        form = await request.form(max_files=0, max_fields=_MOST)
    except HTTPException:
        return Fields()  # a form of ours sends no files and is never broken
    return Fields(tuple((name, value) for name, value in form.multi_items() if isinstance(value, str)))


def foreign_origin(request: Request, site_url: str) -> str | None:
    """The site from which a form was sent, without page and query; None where that is ours or is not told.

    Referer says it where the site's policy lets it; Origin (RFC 6454) comes with every POST to another site.
    """
    for header in ("referer", "origin"):
        origin = origin_of(request.headers.get(header, ""))
        if origin is not None:
            return origin if origin != origin_of(site_url) else None
    return None


def origin_of(url: str) -> str | None:
    """Scheme, host and port of a web address in lower case, or None."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[a-z0-9._:-]{1,253}", host):
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port and (parts.scheme, port) not in (("http", 80), ("https", 443)) else "")
