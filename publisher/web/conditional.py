"""Answers that a reader's program may have already: validators out, 304 back (RFC 9110 section 13)."""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.datastructures import Headers
from starlette.responses import Response


def etag_of(body: bytes) -> str:
    """A strong validator of `body`."""
    return '"' + hashlib.sha256(body).hexdigest()[:32] + '"'


def conditional(asked: Headers, body: bytes, media_type: str, etag: str, modified: datetime | None, headers: dict[str, str]) -> Response:
    """`body`, or 304 without it where `asked` shows that it is known. `modified` is an aware moment; fractions of a second are not told."""
    given = headers | {"ETag": etag} | ({"Last-Modified": format_datetime(modified.astimezone(UTC), usegmt=True)} if modified else {})
    if _is_known(asked, etag, modified):
        return Response(None, 304, given)
    return Response(body, 200, given, media_type)


def _is_known(asked: Headers, etag: str, modified: datetime | None) -> bool:
    named = asked.get("if-none-match")
    # Section 13.1.3: with If-None-Match the moment is not looked at.
    if named is not None:
        return named.strip() == "*" or etag in {name.strip().removeprefix("W/") for name in named.split(",")}
    since = asked.get("if-modified-since")
    if since is None or modified is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except ValueError:
        return False
    return modified.replace(microsecond=0) <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
