"""Make the small picture that we serve of the large one that a publisher has: a JPEG that says nothing but itself.

Run as a program (core.apart), it reads a picture and writes its rendition.
"""

import io
import json
import sys
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image, ImageCms, UnidentifiedImageError

from core import apart

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
SIDE = 1_200
"""Pixels: no rendition is wider, or higher."""
MOST_BYTES = 150_000
MOST_PIXELS = 50_000_000
"""Of the original, by its header: what has more is not decoded. The largest cameras have as many."""
LEAST = 64
"""Pixels. What is neither so wide nor so high shows nothing."""
STRIP = 10
"""What is so many times as long as wide is a line, and no picture."""
_QUALITIES = (82, 72, 62)
_SMALLER = 0.8
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What to do about each value of EXIF's Orientation."""
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")

# What Pillow's readers have been seen to raise on damaged files.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, OverflowError, RuntimeError)

# Our own bound, which knows what to say, is looked at before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


class Refused(Exception):
    """It is no picture that we show, and never will be. The text says why, for operators."""


@dataclass(frozen=True, slots=True)
class Made:
    """A rendition: its size in pixels, and the JPEG."""

    width: int
    height: int
    content: bytes


def made_of(original: bytes) -> Made:
    """Return the rendition of a picture, made in a process of its own. Raises Refused or apart.FailedApart."""
    head, _line, content = apart.run("articles.renditions", original).partition(b"\n")
    facts = json.loads(head)
    if "refused" in facts:
        raise Refused(facts["refused"])
    return Made(facts["width"], facts["height"], content)


def make(original: bytes) -> Made:
    """Return the rendition of a picture. Raises Refused."""
    try:
        with Image.open(io.BytesIO(original), formats=FORMATS) as image:
            _check(image)
            return _small(_flat(_scaled(image)))
    except UnidentifiedImageError as error:
        raise Refused(f"it is no picture that we read ({', '.join(FORMATS)}), but {_kind(original)}") from error
    except MemoryError as error:
        raise Refused("it needs more memory than a picture may have") from error
    except _DAMAGED as error:
        raise Refused(f"it is damaged ({type(error).__name__})") from error


def _check(image: Image.Image) -> None:
    """Look at the header alone, before anything is decoded."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise Refused(f"it has {width} x {height} pixels, more than {MOST_PIXELS}")
    if width < LEAST and height < LEAST:
        raise Refused(f"it has {width} x {height} pixels: no picture, but a sign or a tracker")
    if max(width, height) > STRIP * min(width, height):
        raise Refused(f"it has {width} x {height} pixels: no picture, but a line")


def _scaled(image: Image.Image) -> Image.Image:
    """Return the first frame, no larger than a rendition, upright."""
    orientation = 1
    with suppress(Exception):  # EXIF may be anything; without it, the picture is upright as it is.
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    if image.mode in ("P", "PA", "1"):  # Of a palette, colours between two others could not be had.
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE, SIDE))
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _flat(image: Image.Image) -> Image.Image:
    """Return it in sRGB on white, in an image of its own that has no metadata."""
    if image.mode in _DEEP:
        image = image.convert("F").point(lambda value: value * (1 / 257)).convert("L")
    sheet = Image.new("RGB", image.size, "white")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        sheet.paste(layer, mask=layer.getchannel("A"))
    else:
        sheet.paste(_in_srgb(image))
    return sheet


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return colours as every screen shows them; a profile that is damaged counts as none."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            turned = ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
            if turned is not None:
                return turned
    return image.convert("RGB")


def _small(sheet: Image.Image) -> Made:
    """Return the JPEG: in good quality if that is small enough, else in less, else smaller."""
    while True:
        for quality in _QUALITIES:
            jpeg = io.BytesIO()
            sheet.save(jpeg, "JPEG", quality=quality, optimize=True, progressive=True)
            if jpeg.tell() <= MOST_BYTES:
                return Made(*sheet.size, jpeg.getvalue())
        width, height = sheet.size
        sheet = sheet.resize((max(1, round(width * _SMALLER)), max(1, round(height * _SMALLER))))


def _kind(original: bytes) -> str:
    head = original[:1_000].lstrip().lower()
    if b"<svg" in head:
        return "SVG, which can carry programs"
    return "a page" if head.startswith((b"<!doctype", b"<html")) else "something else"


def _main() -> None:
    apart.bound()
    original = sys.stdin.buffer.read()
    try:
        made = make(original)
    except Refused as error:
        sys.stdout.write(json.dumps({"refused": str(error)}) + "\n")
        return
    facts = json.dumps({"width": made.width, "height": made.height})
    sys.stdout.buffer.write(facts.encode() + b"\n" + made.content)


if __name__ == "__main__":
    _main()
