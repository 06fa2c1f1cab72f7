"""Serves the copies of pictures: for ever the same under their name, to whoever asks."""

import re

from sqlalchemy import select
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response

from publisher.db import Database
from publisher.links import PICTURE_ENDINGS
from publisher.models_site import Picture
from publisher.web.conditional import conditional

_NAME = re.compile(r"([0-9a-f]{40})\.([a-z]{3,4})")
# A year is the longest that a cache understands (RFC 9111 section 1.2.2 and its forerunner RFC 2616 section 14.21).
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "cross-origin"}


class Pictures:
    """The pictures under /pictures/."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def serve(self, name: str, asked: Headers) -> Response:
        """The picture of that name. Raises HTTPException 404."""
        found = _NAME.fullmatch(name)
        if not found:
            raise HTTPException(404)
        with self._database.reading() as session:
            row = session.execute(select(Picture.data, Picture.media_type).where(Picture.key == found[1], Picture.data.is_not(None))).one_or_none()
        if row is None or PICTURE_ENDINGS.get(row.media_type) != found[2]:
            raise HTTPException(404)
        # What a name stands for never changes, so the name is its validator.
        return conditional(asked, row.data, row.media_type, f'"{found[1]}"', None, _FOR_EVER)
