"""Pictures are kept small, upright, in the colours of the web, and without what the camera wrote into them."""

import io
import zlib

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from publisher.ingest.pictures import made_small


def photograph(width: int, height: int) -> Image.Image:
    """Many colours, light above and dark below, red at the left and green at the right."""
    return Image.merge("RGB", [Image.linear_gradient("L").rotate(angle).resize((width, height)) for angle in (270, 90, 180)])


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def read(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
def test_every_kind_becomes_one_that_each_mail_program_shows(kind: str) -> None:
    made = made_small(saved(photograph(1600, 900), kind))
    opened = read(made.data)
    assert (made.width, made.height) == opened.size == (1104, 621)
    assert (made.media_type, opened.format) in (("image/jpeg", "JPEG"), ("image/png", "PNG"))
    assert len(made.data) < 300_000


def test_a_small_picture_is_not_blown_up_and_a_tall_one_is_no_tower() -> None:
    assert (made_small(saved(photograph(300, 200), "JPEG")).width, made_small(saved(photograph(300, 200), "JPEG")).height) == (300, 200)
    made = made_small(saved(photograph(500, 9000), "PNG"))
    assert made.height == 2208
    assert (made_small(saved(photograph(1, 1), "PNG")).width) == 1


def test_a_photograph_stands_as_the_camera_was_held_and_forgets_where() -> None:
    """EXIF orientation 6: what was the left edge is the top; the place and the name of the camera are gone."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Example Camera"
    exif.get_ifd(0x8825)[1] = "N"
    data = saved(photograph(1200, 600), "JPEG", exif=exif, comment=b"a secret comment")
    assert b"Example Camera" in data
    made = made_small(data)
    opened = read(made.data)
    assert opened.size == (600, 1200)
    assert dict(opened.getexif()) == {}
    assert b"Example Camera" not in made.data
    assert b"secret" not in made.data
    left = photograph(1200, 600).getpixel((5, 300))
    assert all(abs(one - other) < 30 for one, other in zip(opened.getpixel((300, 5)), left, strict=True))


def test_words_inside_a_png_are_forgotten_too() -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", "a secret name")
    made = made_small(saved(Image.new("RGB", (40, 40), "red"), "PNG", pnginfo=words))
    assert made.media_type == "image/png"
    assert b"secret" not in made.data


def test_a_drawing_keeps_its_transparent_ground_and_its_few_colours() -> None:
    drawing = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    drawing.paste((181, 52, 26, 255), (50, 20, 150, 80))
    made = made_small(saved(drawing, "PNG"))
    assert made.media_type == "image/png"
    assert read(made.data).convert("RGBA").getpixel((5, 5))[3] == 0


def test_a_photograph_with_transparent_parts_gets_a_white_ground() -> None:
    noise = Image.effect_noise((1104, 1104), 100)
    data = saved(Image.merge("RGBA", [noise, noise.rotate(90), noise.rotate(180), Image.linear_gradient("L").resize((1104, 1104))]), "PNG")
    made = made_small(data)
    assert made.media_type == "image/jpeg"
    assert min(read(made.data).getpixel((550, 2))) > 200


def test_other_colours_become_those_of_the_web() -> None:
    """CMYK from a printer, grey, a palette with a transparent colour, sixteen bits; a profile is applied, a broken one passed over."""
    grey = Image.linear_gradient("L")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for data in (saved(photograph(50, 50).convert("CMYK"), "JPEG"), saved(grey, "JPEG"), saved(photograph(50, 50).quantize(20), "GIF", transparency=3),
                 saved(Image.new("I;16", (9, 9), 30_000), "PNG"), saved(photograph(50, 50), "PNG", icc_profile=profile),
                 saved(photograph(50, 50), "JPEG", icc_profile=b"no profile at all"),
                 saved(photograph(50, 50), "JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())):
        assert read(made_small(data).data).mode in ("RGB", "RGBA")


def _bomb(side: int) -> bytes:
    """A PNG that says that it is large, in a few bytes: its size is looked at, its pixels never are."""
    data = bytearray(saved(Image.new("1", (8, 8)), "PNG"))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "no JPEG, PNG"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG, PNG"), (b"<html>", "no JPEG, PNG"),
    (b"\xff\xd8\xff\xe0 no picture", "."), (_bomb(20_000), "too many pixels"), (_bomb(5_001), "too many pixels"), (saved(photograph(900, 900), "PNG")[:2000], "truncated"),
    (saved(photograph(90, 90), "TIFF"), "no JPEG, PNG"), (saved(photograph(90, 90), "BMP"), "no JPEG, PNG")])
def test_what_is_no_picture_is_refused_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        made_small(data)
    assert "0x" not in str(refused.value)
    assert str(refused.value)
