"""Renditions: whatever a publisher's picture is, ours is small, upright, a JPEG, and says nothing but itself."""

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from articles import renditions
from articles.renditions import MOST_BYTES, SIDE
from core import apart
from tests.articles.images import halves, noise, opened, packed, photo

SECRET = b"Taken at home by Ann"


def with_secrets(orientation: int = 1) -> dict[str, Any]:
    """Return what a camera writes into a picture: where, by whom, and which way up."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B], exif[0x010E] = orientation, SECRET.decode(), SECRET.decode()
    exif.get_ifd(0x8825)[2] = (22.0, 17.0, 1.0)
    return {"exif": exif, "comment": SECRET}


def assert_ours(made: renditions.Made) -> Image.Image:
    image = opened(made.content)
    assert image.format == "JPEG" and image.mode == "RGB"
    assert image.size == (made.width, made.height)
    assert 1 <= made.width <= SIDE and 1 <= made.height <= SIDE
    assert len(made.content) <= MOST_BYTES
    assert not image.getexif() and not {"icc_profile", "comment", "exif", "xmp"} & image.info.keys()
    assert SECRET not in made.content
    return image


@given(
    st.integers(1, 1_500),
    st.integers(1, 1_500),
    st.sampled_from(["RGB", "L", "1", "P", "CMYK", "LA", "RGBA", "I;16", "YCbCr"]),
    st.sampled_from(renditions.FORMATS),
    st.integers(1, 8),
    st.booleans(),
)
def test_every_rendition_is_small_and_says_nothing(width, height, mode, kind, orientation, is_noisy):
    image = noise(width, height).convert(mode) if is_noisy and mode != "I;16" else Image.new(mode, (width, height))
    try:
        original = packed(image, kind, **(with_secrets(orientation) if kind in ("JPEG", "WEBP", "AVIF") else {}))
    except (OSError, ValueError):  # Not every format has every mode.
        original = packed(image.convert("RGB"), kind)
    try:
        made = renditions.make(original)
    except renditions.Refused as error:
        assert "no picture, but" in str(error)
        assert (width < renditions.LEAST and height < renditions.LEAST) or (
            max(width, height) > renditions.STRIP * min(width, height)
        )
    else:
        assert_ours(made)


@given(st.integers(0, 20_000), st.binary(max_size=30), st.sampled_from(renditions.FORMATS))
def test_a_damaged_picture_is_refused_or_small(at, noise_, kind):
    original = packed(halves(300, 200), kind)
    at %= len(original)
    try:
        made = renditions.make(original[:at] + noise_ + original[at + len(noise_) :])
    except renditions.Refused:
        return
    assert_ours(made)


@given(st.binary(max_size=2_000))
def test_bytes_that_are_no_picture_are_refused(original):
    with pytest.raises(renditions.Refused):
        renditions.make(original)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_stands_upright_and_does_not_say_where_it_was_taken(orientation):
    lying = packed(halves(3_000, 1_000), **with_secrets(orientation))
    assert SECRET in lying
    image = assert_ours(renditions.make(lying))
    assert image.size == ((1_200, 400) if orientation <= 4 else (400, 1_200))
    red_first = image.getpixel((5, 5))
    assert isinstance(red_first, tuple)
    assert (red_first[0] > 200) == (orientation in (1, 4, 5, 6)), "which corner is red says which way up it is"


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (halves(400, 300, "CMYK"), "JPEG"),
        (halves(400, 300, "P"), "PNG"),
        (halves(400, 300, "P"), "GIF"),
        (halves(400, 300), "WEBP"),
        (halves(400, 300), "AVIF"),
        (halves(400, 300, "RGBA"), "PNG"),
        (halves(400, 300), "PNG"),
    ],
)
def test_colours_stay_what_they_are(image, kind):
    made = assert_ours(renditions.make(packed(image, kind)))
    left, right = made.getpixel((20, 150)), made.getpixel((380, 150))
    assert isinstance(left, tuple) and isinstance(right, tuple)
    assert left[0] > 180 and left[2] < 90
    assert right[2] > 120 and right[0] < 90


def test_what_is_transparent_is_white():
    see_through = Image.new("RGBA", (200, 200), (255, 0, 0, 0))
    grey = Image.new("LA", (200, 200), (0, 0))
    keyed = packed(Image.new("P", (200, 200), 0), "GIF", transparency=0)
    for original in (packed(see_through, "PNG"), packed(grey, "PNG"), keyed, packed(see_through, "WEBP")):
        assert assert_ours(renditions.make(original)).getpixel((100, 100)) == (255, 255, 255)


def test_sixteen_bits_of_grey_become_eight_and_not_all_white():
    for size in (200, 2_000):
        value = assert_ours(renditions.make(packed(Image.new("I;16", (size, size), 0x8000), "PNG"))).getpixel((9, 9))
        assert isinstance(value, tuple) and abs(value[0] - 128) < 3


def test_of_a_moving_picture_the_first_frame_is_shown():
    frames = [Image.new("RGB", (200, 200), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP"):
        moving = packed(frames[0], kind, save_all=True, append_images=frames[1:], duration=40)
        value = assert_ours(renditions.make(moving)).getpixel((100, 100))
        assert isinstance(value, tuple) and value[0] > 240 and value[1] < 20


def test_a_chart_with_few_colours_is_made_smaller_without_steps():
    lines = Image.new("P", (2_400, 1_200))
    lines.putpalette([255, 255, 255, 0, 0, 0])
    for at in range(0, 2_400, 4):
        lines.paste(1, (at, 0, at + 1, 1_200))
    shown = assert_ours(renditions.make(packed(lines, "PNG")))
    values = {shown.getpixel((at, 300)) for at in range(100, 140)}
    assert all(isinstance(one, tuple) and 120 < one[0] < 250 for one in values), "black lines and white ones are mixed"


def test_a_small_picture_is_not_made_larger():
    made = renditions.make(photo(320, 240))
    assert (made.width, made.height) == (320, 240)


def test_a_picture_that_no_quality_makes_small_becomes_smaller():
    original = packed(noise(1_200, 1_200), quality=95)
    assert len(original) > 4 * MOST_BYTES
    made = renditions.make(original)
    assert_ours(made)
    assert made.width < 1_200


def claimed(width: int, height: int, pixels: bytes = bytes(1_000), colours: int = 2) -> bytes:
    """Return a PNG of a few bytes whose header claims any size: a decompression bomb before it goes off."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels, 1)) + chunk(b"IEND", b"")


REFUSED = {
    "a hundred megapixels": (claimed(10_000, 10_000), "more than 50000000"),
    "more than there are numbers for": (claimed(2**31 - 1, 2**31 - 1), "more than"),
    "a tracker": (photo(1, 1), "a tracker"),
    "an icon": (photo(32, 32), "a sign"),
    "a line": (photo(20_000, 1), "a line"),
    "cut off": (packed(noise(600, 400))[:9_000], "damaged"),
    "a header alone": (claimed(600, 400), "damaged"),
    "SVG": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "SVG"),
    "a page as a JPEG": (b"<!DOCTYPE html><title>Not found</title>", "a page"),
    "TIFF": (packed(Image.new("L", (200, 200)), "TIFF"), "something else"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "something else"),
    "nothing": (b"", "something else"),
}


@pytest.mark.parametrize(("original", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_picture_for_a_story_is_refused_with_its_reason(original, why):
    with pytest.raises(renditions.Refused, match=why):
        renditions.make(original)


def test_a_process_of_its_own_makes_the_same_and_says_why_not():
    original = photo()
    assert renditions.made_of(original) == renditions.make(original)
    with pytest.raises(renditions.Refused, match="10000 x 10000 pixels"):
        renditions.made_of(REFUSED["a hundred megapixels"][0])


def test_the_largest_picture_that_is_taken_fits_into_its_bounds():
    side = 7_071
    with_alpha = claimed(side, side, bytes((4 * side + 1) * side), colours=6)
    assert len(with_alpha) < 2_000_000
    assert renditions.made_of(with_alpha).width == SIDE


def test_a_process_that_fails_fails_alone(monkeypatch):
    monkeypatch.setattr(apart, "MEMORY", 1)
    with pytest.raises(apart.FailedApart):
        apart.run("articles.nothing_there", b"")
