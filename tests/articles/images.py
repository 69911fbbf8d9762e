"""Pictures that tests let in, made as cameras, editors and enemies make them."""

import io
import random
from typing import Any

from PIL import Image


def packed(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Return an image that no JPEG makes small: the same one each time."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, (width, height), random.Random(width * height).randbytes(width * height * bands))


def halves(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Return an image whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width // 2, height))
    return image.convert(mode)


def opened(content: bytes) -> Image.Image:
    """Return a JPEG, decoded."""
    image = Image.open(io.BytesIO(content), formats=["JPEG"])
    image.load()
    return image


def photo(width: int = 1600, height: int = 900, colour: str = "teal") -> bytes:
    """Return a plain photograph."""
    return packed(Image.new("RGB", (width, height), colour))
