"""Which pictures have a copy here: mails and pages show the copy, or nothing, and never a picture on somebody else's server."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.links import PICTURE_ENDINGS, picture_url
from publisher.models_site import Picture


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that can be shown: its name, what it is, and its size in pixels."""

    key: str
    media_type: str
    width: int
    height: int

    def url(self, site_url: str) -> str:
        """Its address on our site."""
        return picture_url(site_url, self.key, self.media_type)


def key_of(url: str) -> str:
    """The name of the copy of the picture at `url`."""
    return hashlib.sha256(url.strip().encode("utf-8", "surrogatepass")).hexdigest()[:40]


def wanted_picture(snapshot: dict[str, object]) -> str | None:
    """The address of the picture of a story of our own, or None: what others wrote comes without their pictures."""
    url = str(snapshot.get("image_url") or "").strip()
    return url if url and snapshot.get("rights") == "own" else None


def copies(session: Session, urls: Iterable[str | None]) -> dict[str, Copy]:
    """The copies of those of the pictures that have one, by the address of the original."""
    keys = {key_of(url): url for url in urls if url}
    rows = session.execute(select(Picture.key, Picture.media_type, Picture.width, Picture.height).where(
        Picture.key.in_(keys), Picture.data.is_not(None), Picture.media_type.in_(PICTURE_ENDINGS)))
    return {keys[row.key]: Copy(row.key, row.media_type, row.width, row.height) for row in rows}
