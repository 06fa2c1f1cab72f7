"""Copies the pictures of an issue's own stories: fetched as carefully as everything else, made small, without what the camera wrote into them."""

import io
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from sqlalchemy import select

from publisher.db import Database
from publisher.errors import BadInput
from publisher.i18n import _
from publisher.ingest.fetch import fetch
from publisher.models import Pick
from publisher.models_site import Picture
from publisher.pictures import key_of, wanted_picture
from publisher.settings import Settings
from publisher.text.clean import clean_line

# Twice the 552 px at which a mail shows it; a picture that is taller than wide is no taller than this.
WIDEST, TALLEST = 1104, 2208
LARGEST = 10_000_000
# What is decoded takes four bytes a pixel. A JPEG is decoded at an eighth of its size where that is enough, and telephones take 48 megapixels.
_MOST_PIXELS, _MOST_PIXELS_JPEG = 20_000_000, 64_000_000
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
_ACCEPT = "image/avif, image/webp, image/png, image/jpeg, image/gif;q=0.8"
_FEW_COLOURS = 256
# A drawing with transparent parts stays a PNG; a photograph with them would be megabytes.
_LARGEST_PNG = 600_000
_AT_ONCE, _IN_ALL = 4, 60.0
_TRY_AGAIN = timedelta(minutes=10)
# Many are fetched at once, one is decoded at a time: a large one takes some hundred megabytes.
_decoding = threading.Lock()
log = structlog.get_logger("publisher")


@dataclass(frozen=True, slots=True)
class Made:
    """A picture as it is kept."""

    data: bytes
    media_type: str
    width: int
    height: int


def copy_pictures(database: Database, settings: Settings, issue_id: int, now: datetime) -> int:
    """Fetch the pictures of an issue's own stories that have no copy yet; returns how many have one now.

    One that cannot be had costs only itself: the reason is kept with it and logged, and it is tried again at the earliest after ten minutes.
    """
    urls = _missing(database, issue_id, now)
    deadline = time.monotonic() + _IN_ALL
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pictures") as pool:
        made = list(pool.map(lambda url: _copy(url, settings, deadline), urls))
    for url, result in zip(urls, made, strict=True):
        if isinstance(result, str):
            log.warning("picture_not_copied", issue=issue_id, picture=url[:300], reason=result)
        _keep(database, url, result, now)
    return sum(isinstance(result, Made) for result in made)


def made_small(data: bytes) -> Made:
    """The picture in `data` as it is kept: upright, at most 1104 px wide, sRGB, without metadata. Raises ValueError with the reason."""
    try:
        # Pillow warns at its own limit and raises at twice that; ours is lower and looked at before anything is decoded.
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _encoded(_upright(opened))
    except UnidentifiedImageError as error:
        raise ValueError(_("it is no JPEG, PNG, WebP, AVIF or GIF")) from error
    except Image.DecompressionBombError as error:
        raise ValueError(_("it has too many pixels")) from error
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise ValueError(clean_line(str(error)) or type(error).__name__) from error


def _missing(database: Database, issue_id: int, now: datetime) -> list[str]:
    with database.reading() as session:
        snapshots = session.scalars(select(Pick.snapshot).where(Pick.issue_id == issue_id).order_by(Pick.position))
        wanted = list(dict.fromkeys(url for snapshot in snapshots if (url := wanted_picture(snapshot))))
        seen = session.execute(select(Picture.key, Picture.problem, Picture.fetched_at).where(Picture.key.in_([key_of(url) for url in wanted])))
        settled = {row.key for row in seen if row.problem is None or row.fetched_at > now - _TRY_AGAIN}
    return [url for url in wanted if key_of(url) not in settled]


def _copy(url: str, settings: Settings, deadline: float) -> Made | str:
    """The copy, or why there is none, in a sentence."""
    if time.monotonic() > deadline:
        return _("there was no time left for it")
    try:
        data = fetch(url, settings, accept=_ACCEPT, largest=LARGEST).data
        with _decoding:
            return made_small(data)
    except BadInput as error:
        return error.problem.reason
    except ValueError as error:
        return _("the picture cannot be read: %(reason)s", reason=error)


def _keep(database: Database, url: str, result: Made | str, now: datetime) -> None:
    key = key_of(url)
    with database.writing() as session:
        row = session.get(Picture, key)
        if row is not None and row.data is not None:
            return
        row = row or Picture(key=key, url=url)
        row.fetched_at = now
        if isinstance(result, Made):
            row.data, row.media_type, row.width, row.height, row.problem = result.data, result.media_type, result.width, result.height, None
        else:
            row.problem = result
        session.merge(row)


def _upright(opened: Image.Image) -> Image.Image:
    """The first frame, turned as the camera was held, small enough, in the colours of the web."""
    width, height = opened.size
    jpeg = opened.format in ("JPEG", "MPO")
    if width * height > (_MOST_PIXELS_JPEG if jpeg else _MOST_PIXELS) or width < 1 or height < 1:
        raise ValueError(_("it has too many pixels"))
    if jpeg:
        opened.draft("RGB", (2 * WIDEST, 2 * WIDEST))
    profile = opened.info.get("icc_profile")
    if opened.mode in ("RGB", "RGBA", "L"):
        opened.thumbnail((TALLEST, TALLEST), Image.Resampling.LANCZOS)  # before anything that copies it
    ImageOps.exif_transpose(opened, in_place=True)
    image = _in_srgb(opened, profile) if profile else opened
    image = image.convert("RGBA") if image.has_transparency_data else image.convert("RGB")
    image.thumbnail((WIDEST, TALLEST), Image.Resampling.LANCZOS)
    return image


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Telephones take pictures in Display P3; without their profile, which goes with the metadata, these would be pale."""
    mode = "RGBA" if image.has_transparency_data else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        changed = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a broken profile, or one for another kind of picture: the colours are taken as they are
    return changed if changed is not None else image


def _encoded(image: Image.Image) -> Made:
    """A drawing, or what is transparent, as PNG; a photograph as JPEG, as which a grey one is smaller although it has few colours."""
    photograph = Made(_saved(_on_white(image), "JPEG", quality=82, optimize=True, progressive=True), "image/jpeg", *image.size)
    transparent = image.mode == "RGBA" and any(image.getchannel("A").histogram()[:255])
    if transparent or image.getcolors(_FEW_COLOURS) is not None:
        data = _saved(image, "PNG", optimize=True)
        if len(data) <= (_LARGEST_PNG if transparent else len(photograph.data)):
            return Made(data, "image/png", *image.size)
    return photograph


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    # A new picture of the same pixels: nothing of what was read beside them can slip through.
    clean = Image.frombytes(image.mode, image.size, image.tobytes())
    written = io.BytesIO()
    clean.save(written, kind, **options)
    return written.getvalue()
