"""Where the pictures of a story stand: one leads it, others keep their places between two blocks of its text.

A picture leaves the text before that is cleaned, and its place in it is marked after that: so a mark is ours, whatever
a feed writes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from articles import cleaning, pictures_found
from articles.pictures_found import LEAD, MARKED, FoundPicture

_PLACE = re.compile(r'<figure data-picture="(\d+)"></figure>')
_TAG = re.compile(r"(<[^>]*>)")


def of_entry(content: str, beside: Sequence[FoundPicture], *, base: str | None) -> tuple[str, tuple[FoundPicture, ...]]:
    """Return a story's clean HTML with its pictures' places marked, and the pictures, each once.

    What leads it stands before its text; else it is the first of what the feed names `beside` it, unless the text
    has that one already.
    """
    marked, found = pictures_found.taken_out(content, base)
    body, leading = _between_blocks(cleaning.body(marked, base=base))
    lead = next((number for number in leading if not found[number].is_decorative), None)
    first = next(iter(beside), None)
    if lead is not None:
        twin = first if first and _same(first, found[lead]) else None
        leader = _joined(found[lead], twin)
    elif first is not None and not any(_same(first, other) for other in found):
        leader = first
    else:
        leader = None
    body, kept = _renumbered(body, found, without=None if leader is None else leader.url)
    return body, (*([] if leader is None else [replace(leader, position=LEAD)]), *kept)


def without_places(body: str) -> str:
    """Return a story's HTML without the places of its pictures."""
    return _PLACE.sub("", body)


def parts(body: str) -> list[str | int]:
    """Return a story's HTML cut at the places of its pictures: pieces of HTML, and the positions between them."""
    pieces = _PLACE.split(body)
    return [int(piece) if at % 2 else piece for at, piece in enumerate(pieces) if piece]


def _same(one: FoundPicture, other: FoundPicture) -> bool:
    return pictures_found.stem(one.url) == pictures_found.stem(other.url)


def _joined(picture: FoundPicture, twin: FoundPicture | None) -> FoundPicture:
    return picture if twin is None else replace(picture, credit=picture.credit or twin.credit)


def _between_blocks(text: str) -> tuple[str, list[int]]:
    """Move numbers from within the blocks of clean HTML to between them, as places; and tell which lead the text.

    A picture at the beginning of a block goes before it, any other after it. Those before the first text come
    after its first block, where nothing keeps the dateline from being found.
    """
    blocks = list(_blocks(text))
    leading: list[int] = []
    done: list[str] = []
    told = False
    for block, before, after in blocks:
        if not told:
            leading += before
            before = []
            if not block:
                leading += after
                continue
            told = True
            after = [*leading, *after]
        done += [*map(_place, before), block, *map(_place, after)]
    if not told:
        done = [*map(_place, leading)]
    return "".join(done), leading


def _blocks(text: str) -> Iterator[tuple[str, list[int], list[int]]]:
    """Yield each top-level block of clean HTML without numbers, with those before its text, and the others."""
    block: list[str] = []
    before: list[int] = []
    after: list[int] = []
    depth, has_text = 0, False
    for piece in _TAG.split(text):
        if piece.startswith("<"):
            depth += 0 if piece.startswith("<br") else -1 if piece.startswith("</") else 1
            block.append(piece)
        else:
            for at, part in enumerate(MARKED.split(piece)):
                if at % 2:
                    (after if has_text else before).append(int(part))
                else:
                    has_text = has_text or bool(part.strip())
                    block.append(part)
        if depth == 0 and (block or before or after):
            yield cleaning.without_empty("".join(block)), before, after
            block, before, after, has_text = [], [], [], False
    if block or before or after:
        yield cleaning.without_empty("".join(block)), before, after


def _place(number: int) -> str:
    return f'<figure data-picture="{number}"></figure>'


def _renumbered(body: str, found: Sequence[FoundPicture], *, without: str | None) -> tuple[str, list[FoundPicture]]:
    """Number the places from 1 in their order; a picture that leads, or was there before, has no second place."""
    kept: list[FoundPicture] = []
    met = set() if without is None else {pictures_found.stem(without)}

    def place(match: re.Match[str]) -> str:
        picture = found[int(match[1])]
        if pictures_found.stem(picture.url) in met:
            return ""
        met.add(pictures_found.stem(picture.url))
        kept.append(replace(picture, position=len(kept) + 1))
        return _place(len(kept))

    return _PLACE.sub(place, body), kept
