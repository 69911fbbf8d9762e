"""Pictures that a feed brings with a story, in its text and beside it: found and judged, before anything is fetched."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from articles import cleaning
from core import fetch

LEAD = 0
"""The position of the picture that leads a story; those in its text count from 1."""
MOST = 30
"""Pictures of one story; more are left out."""
TRACKER = 2
"""Pixels. Nothing whose width or height is stated as so little is a picture: it counts who reads, or makes room."""
ICON = 48
"""Pixels. What is stated to be no wider and no higher is a sign in the text, and gives way to its alt text."""
THUMB = 200
"""Pixels. What is stated to be narrower cannot lead a story."""
WIDE = 1200
"""Pixels. Of several sizes the smallest that has so many is asked for."""
MOST_ALT, MOST_CAPTION, MOST_CREDIT = 500, 600, 200
_MOST_URL = 2_000
_HTML_SPACE = " \t\r\n\f"
_OPEN, _CLOSE = "\ue002", "\ue003"
"""They enclose a picture's number while its text is cleaned. No text brings them in: they are taken out first."""
MARKED = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_IMAGE = re.compile(r"<img((?: [^>]*)?)>")
_ATTRIBUTE = re.compile(r' ([a-z-]+)="([^"]*)"')
_FIGURE = re.compile(r"<figure>((?:[^<]|<(?!/?figure>))*)</figure>")
_CAPTION = re.compile(r"<figcaption>(.*?)</figcaption>", re.DOTALL)
_SIZE = re.compile(r"\s*(\d{1,6})(?:\.\d*)?\s*(?:px)?\s*", re.IGNORECASE)
_FILE_NAME = re.compile(r"\S+\.(?:jpe?g|png|gif|webp|avif|tiff?)|(?:img|dsc|dscn|image|photo)[-_ ]?\d+", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:-\d{2,4}x\d{2,4}|-scaled)?\.[a-z]{3,4}$", re.IGNORECASE)
_IMAGE_FILE = re.compile(r"\.(?:jpe?g|png|gif|webp|avif)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """A picture as the feed gives it. Sizes are pixels, as stated; texts are plain; no alt is None."""

    url: str
    position: int = LEAD
    width: int | None = None
    height: int | None = None
    alt: str | None = None
    caption: str = ""
    credit: str = ""
    is_decorative: bool = False


def beside_text(item: Mapping[str, Any]) -> list[FoundPicture]:
    """Return the pictures that a feed names beside a story's text, best first.

    `item` is as feedparser has it: Media RSS, enclosures. The images of a JSON Feed come as Media RSS, too.
    """
    credit = cleaning.plain(", ".join(_credits(item)), most=MOST_CREDIT)
    media = [part for part in item.get("media_content", ()) if _is_image(part)]
    enclosed = [link for link in item.get("links", ()) if link.get("rel") == "enclosure" and _is_image(link)]
    groups: list[list[Mapping[str, Any]]] = [
        media,
        enclosed,
        list(item.get("media_thumbnail", ())),
    ]
    named = (_best([_named(part, credit) for part in group]) for group in groups)
    return [picture for picture in named if picture is not None]


def stem(url: str) -> str:
    """Return what two sizes of one picture have in common: no scheme, no query, no size at the end of its name."""
    address = urlsplit(url)
    return address.netloc.lower() + _SUFFIX.sub("", address.path)


def taken_out(content: str, base: str | None) -> tuple[str, list[FoundPicture]]:
    """Return the text with a number where each picture was, and the pictures by their numbers."""
    found: list[FoundPicture] = []
    markup = cleaning.with_pictures(content, base=base).replace(_OPEN, "").replace(_CLOSE, "")

    def image(match: re.Match[str]) -> str:
        attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(match[1])}
        picture = _pictured(attributes, base)
        if picture is None or len(found) >= MOST:
            return html.escape(_sign(attributes), quote=False)
        found.append(picture)
        return f"{_OPEN}{len(found) - 1}{_CLOSE}"

    def figure(match: re.Match[str]) -> str:
        numbers = [int(number) for number in MARKED.findall(match[1])]
        caption = _CAPTION.search(match[1])
        words = cleaning.plain(cleaning.text_of(caption[1]), most=MOST_CAPTION) if caption else ""
        if words and numbers and not found[numbers[0]].caption:
            # What has a caption says something: an empty alt only avoids saying it twice.
            first = found[numbers[0]]
            found[numbers[0]] = replace(first, caption=words, is_decorative=False, alt=first.alt or None)
        return "".join(f"{_OPEN}{number}{_CLOSE}" for number in numbers)

    markup = _IMAGE.sub(image, markup)
    while (shorter := _FIGURE.sub(figure, markup)) != markup:
        markup = shorter
    return markup, found


def _pictured(attributes: Mapping[str, str], base: str | None) -> FoundPicture | None:
    """Return the picture of an `img`; None for what is none: trackers, signs, what has no address on the web."""
    url = _address(attributes, base)
    width, height = (_pixels(attributes.get(name)) for name in ("width", "height"))
    sizes = [size for size in (width, height) if size is not None]
    if url is None or _is_tracker(sizes) or _is_sign(sizes):
        return None
    alt = attributes.get("alt")
    hidden = attributes.get("role") in ("presentation", "none") or attributes.get("aria-hidden") == "true"
    is_decorative = hidden or (alt is not None and not alt.strip())
    return FoundPicture(
        url, width=width, height=height, alt="" if is_decorative else _alt(alt), is_decorative=is_decorative
    )


def _sign(attributes: Mapping[str, str]) -> str:
    """Return what stands for a sign in the text, such as an emoji: its alt text."""
    sizes = [size for size in (_pixels(attributes.get(name)) for name in ("width", "height")) if size is not None]
    is_sign = _is_sign(sizes) and not _is_tracker(sizes)
    return cleaning.plain(_alt(attributes.get("alt")) or "", most=ICON) if is_sign else ""


def _is_tracker(sizes: Sequence[int]) -> bool:
    return any(size <= TRACKER for size in sizes)


def _is_sign(sizes: Sequence[int]) -> bool:
    return bool(sizes) and all(size <= ICON for size in sizes)


def _alt(text: str | None) -> str | None:
    """Return an alt text; None where there is none, or only the name of a file."""
    words = cleaning.plain(text or "", most=MOST_ALT)
    return None if not words or _FILE_NAME.fullmatch(words) else words


def _address(attributes: Mapping[str, str], base: str | None) -> str | None:
    listed = [*_listed(attributes.get("srcset", "")), *_listed(attributes.get("data-srcset", ""))]
    wide = [url for width, url in sorted(listed) if width >= WIDE] or [url for _width, url in sorted(listed)[-1:]]
    named = (attributes.get(name) for name in ("data-src", "data-lazy-src", "data-original", "src"))
    return next(filter(None, (_web(url, base) for url in (*wide[:1], *filter(None, named)))), None)


def _listed(srcset: str) -> Iterator[tuple[int, str]]:
    """Yield (width in pixels, address) of each candidate that states its width (HTML, section 4.8.4.2)."""
    for candidate in re.split(r",\s+", srcset):
        url, _space, descriptor = candidate.strip(_HTML_SPACE + ",").rpartition(" ")
        if descriptor.endswith("w") and descriptor[:-1].isascii() and descriptor[:-1].isdigit():
            yield int(descriptor[:6].rstrip("w")), url.strip()


def _web(url: str, base: str | None) -> str | None:
    """Return an absolute address that we would fetch; None for any other."""
    try:
        absolute = urljoin(base or "", url.strip(_HTML_SPACE))
        fetch.check(absolute)
    except (ValueError, fetch.FetchRefused):
        return None
    return absolute if len(absolute.encode("utf-8", "surrogatepass")) <= _MOST_URL else None


def _pixels(text: object) -> int | None:
    found = _SIZE.fullmatch(str(text)) if text is not None else None
    return int(found[1]) if found else None


def _is_image(part: Mapping[str, Any]) -> bool:
    """Say whether Media RSS or an enclosure names a picture: by its type or medium, else by the name of the file."""
    kind = str(part.get("type") or part.get("medium") or "").lower()
    path = urlsplit(str(part.get("url") or part.get("href") or "").partition("?")[0]).path if not kind else ""
    return kind.startswith("image") or bool(_IMAGE_FILE.search(path))


def _named(part: Mapping[str, Any], credit: str) -> FoundPicture | None:
    url = _web(str(part.get("url") or part.get("href") or ""), None)
    width, height = (_pixels(part.get(name)) for name in ("width", "height"))
    if url is None or any(size is not None and size < THUMB for size in (width, height)):
        return None
    return FoundPicture(url, width=width, height=height, credit=credit)


def _best(group: Sequence[FoundPicture | None]) -> FoundPicture | None:
    """Return the smallest that is wide enough, else the widest; without any width, the first."""
    there = [picture for picture in group if picture is not None]
    enough = [picture for picture in there if (picture.width or 0) >= WIDE]
    if enough:
        return min(enough, key=lambda picture: picture.width or 0)
    return max(there, key=lambda picture: picture.width or 0, default=None)


def _credits(item: Mapping[str, Any]) -> list[str]:
    """Return who made the pictures; Media RSS names those who had any part in it, mostly one."""
    said = (str(part.get("content") or "") for part in item.get("media_credit", ()) if isinstance(part, Mapping))
    return list(dict.fromkeys(filter(None, said)))
