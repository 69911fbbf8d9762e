"""Pieces of mail compiled once: rendered text cut at its places and encoded, so that a mail is a join of bytes.

The encoding is quoted-printable (RFC 2045, section 6.7) in whole lines: at most 76 columns, never a leading dot or
`From `, never two blanks in a row; so the bytes need no dot-stuffing and are their own canonical form (RFC 6376,
section 3.4), and a value of any length drops in without touching its neighbours.
"""

import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import css_inline

from core import mailtext

ROW = 75
"""Columns of a line before the `=` of a soft break, with which it has 76."""
_HEADS = {b" ": b"=20", b".": b"=2E", b"From": b"=46rom"}
"""What must not stand at the beginning of a line, and how it is written there."""
_GOES_ON = frozenset(b"=%X" % octet for octet in range(8, 12))
"""How an octet begins that is not the first of its character: 80 to BF in UTF-8."""
_STRANGE = re.compile("[^ !-<>-~]+")
_AS_IT_IS = re.compile(r"(?:(?!\.|From)[!-<>-~]{75})*+(?:(?!\.|From)[!-<>-~]{1,74}+)?")
"""A text whose encoding is itself, as that of a link is."""
_CANONICAL = re.compile(r"(?:(?!\.|From |=_)(?=[ -~]{0,76}\r\n)(?:[ !-<>-~]++|=[0-9A-F]{2})*+=?\r\n)++")


@dataclass(frozen=True, slots=True)
class PlaceOf:
    """Where a personal value goes."""

    name: str


Pieces = tuple[bytes | PlaceOf, ...]
"""Encoded text and places, in order."""


@dataclass(frozen=True, slots=True)
class Part:
    """One compiled thing in both forms; a mail of text only leaves `html` out."""

    text: Pieces
    html: Pieces

    def to_json(self) -> str:
        """Return the part as it is stored."""
        return json.dumps({"text": _dump(self.text), "html": _dump(self.html)})

    @property
    def octets(self) -> int:
        """Return how long the part is without its personal values, text and HTML together."""
        return sum(len(piece) for piece in (*self.text, *self.html) if isinstance(piece, bytes))

    @property
    def html_octets(self) -> int:
        """Return how long its HTML is as a mail program decodes it, without its personal values."""
        return sum(_decoded(piece) for piece in self.html if isinstance(piece, bytes))

    @classmethod
    def from_json(cls, stored: str) -> "Part":
        """Read a stored part. Raises ValueError for anything that `to_json` could not have written."""
        return _part(_parsed(stored))


def shell_json(head: Part, foot: Part) -> str:
    """Return the frame of a mail as it is stored."""
    return f"[{head.to_json()}, {foot.to_json()}]"


def shell_from_json(stored: str) -> tuple[Part, Part]:
    """Read a stored frame: head and foot. Raises ValueError for anything that `shell_json` could not have written."""
    match _parsed(stored):
        case [head, foot]:
            return _part(head), _part(foot)
    raise ValueError("A stored frame has no head and foot.")


def _parsed(stored: str) -> object:
    try:
        return json.loads(stored)
    except (ValueError, RecursionError) as error:
        raise ValueError("A stored part of a mail is no JSON.") from error


def _part(table: object) -> Part:
    match table:
        case {"text": list(text), "html": list(markup)}:
            return Part(_load(text), _load(markup))
    raise ValueError("A stored part of a mail has no text and HTML.")


def _dump(pieces: Pieces) -> list[str | list[str]]:
    return [piece.decode("ascii") if isinstance(piece, bytes) else [piece.name] for piece in pieces]


def _load(rows: Iterable[object]) -> Pieces:
    return tuple(_piece(row) for row in rows)


def _piece(row: object) -> bytes | PlaceOf:
    match row:
        case [str(name)]:
            return PlaceOf(name)
        case str(lines) if _CANONICAL.fullmatch(lines):
            # What was damaged in the database must not add a header, or end the mail on its way to the relay.
            return lines.encode("ascii")
    raise ValueError("A stored part of a mail is not in whole lines of quoted-printable.")


def encode(text: str) -> bytes:
    """Return `text` in quoted-printable, in whole lines: the last one ends hard or in a soft break (`=`)."""
    if text and _AS_IT_IS.fullmatch(text):
        plain = text.encode("ascii")
        return b"=\r\n".join([plain[start : start + ROW] for start in range(0, len(plain), ROW)]) + b"=\r\n"
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    encoded = [_encode_line(line) for line in lines]
    if encoded[-1]:
        encoded[-1] += b"=\r\n"
    return b"\r\n".join(encoded)


def _encode_line(line: str) -> bytes:
    """Return one line with soft breaks inside where it is longer than a row."""
    octets = _STRANGE.sub(_octets, line).encode("ascii")
    rows = []
    start = 0
    while start < len(octets):
        row, length = _row(octets, start)
        rows.append(row)
        start += length
    return b"=\r\n".join(rows)


def _octets(match: re.Match[str]) -> str:
    return "=" + match[0].encode("utf-8").hex("=").upper()


def _row(octets: bytes, start: int) -> tuple[bytes, int]:
    """Return the row that begins at `start`, and how many of `octets` are in it: some blanks and dots grow."""
    # Three more than fit: they show whether a character goes on there.
    taken = octets[start : start + ROW + 3]
    head = next((head for head in _HEADS if taken.startswith(head)), b"")
    row = _HEADS.get(head, b"") + taken[len(head) :].replace(b"  ", b" =20")
    if row.endswith(b" ") and start + len(taken) == len(octets):
        row = row[:-1] + b"=20"
    row = row[: _fitting(row)]
    grown = row.count(b"=20") + row.startswith((b"=2E", b"=46"))
    return row, len(row) - 2 * grown


def _fitting(row: bytes) -> int:
    """Return how much of a row fits without cutting through the octets of a character."""
    if len(row) <= ROW:
        return len(row)
    inside = row.find(b"=", ROW - 2, ROW)
    end = ROW if inside < 0 else inside
    while row[end : end + 2] in _GOES_ON:
        end -= 3
    return end


def _decoded(encoded: bytes) -> int:
    """Return how many octets encoded lines stand for: a soft break for none, an escape for one, a line end for one."""
    soft, lines = encoded.count(b"=\r\n"), encoded.count(b"\r\n")
    return len(encoded) - 3 * soft - 2 * (encoded.count(b"=") - soft) - (lines - soft)


def cut(text: str) -> Pieces:
    """Return rendered text as encoded pieces and places (see core.mailtext.place)."""
    pieces: list[bytes | PlaceOf] = []
    position = 0
    for match in mailtext.PLACE.finditer(text):
        pieces += [encode(text[position : match.start()]), PlaceOf(match[1])]
        position = match.end()
    pieces.append(encode(text[position:]))
    return tuple(piece for piece in pieces if piece)


def places(*parts: Part) -> frozenset[str]:
    """Return the names of all places in the parts."""
    pieces = (piece for part in parts for piece in (*part.text, *part.html))
    return frozenset(piece.name for piece in pieces if isinstance(piece, PlaceOf))


def forms(value: str) -> tuple[bytes, bytes]:
    """Return a value as it drops into text and, escaped, into HTML."""
    in_text = encode(value)
    escaped = html.escape(value)
    return in_text, in_text if escaped == value else encode(escaped)


def fill(pieces: Pieces, values: Mapping[str, bytes]) -> bytes:
    """Return the bytes with the encoded values in their places. Raises ValueError for a place without a value."""
    try:
        return b"".join([piece if isinstance(piece, bytes) else values[piece.name] for piece in pieces])
    except KeyError as error:
        raise ValueError(f"A mail has a place for {error}, but its delivery brings no such value.") from error


def filled(part: Part, values: Mapping[str, str]) -> Part:
    """Return a part with some of its places filled: what many parts have in common is compiled once."""
    encoded = {name: forms(value) for name, value in values.items()}

    def of(pieces: Pieces, form: int) -> Pieces:
        named = (encoded[one.name][form] if isinstance(one, PlaceOf) and one.name in encoded else one for one in pieces)
        return merged(named)

    return Part(of(part.text, 0), of(part.html, 1))


def merged(pieces: Iterable[bytes | PlaceOf]) -> Pieces:
    """Return the same pieces, as few as can be: neighbours that are bytes become one."""
    fewer: list[bytes | PlaceOf] = []
    run: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            run.append(piece)
        else:
            fewer += (b"".join(run), piece) if run else (piece,)
            run.clear()
    return (*fewer, b"".join(run)) if run else tuple(fewer)


_CHARSET = '<meta charset="utf-8">'
_document = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def inline_document(text: str) -> str:
    """Return an HTML document with its styles moved onto the elements; @media rules stay in the head."""
    # What is left of the style goes to the head's begin, where how the text is encoded has to stand (HTML, 4.2.5.4).
    return _document.inline(text.replace(_CHARSET, "", 1)).replace("<head>", f"<head>{_CHARSET}", 1)


def inline_fragment(text: str, css: str) -> str:
    """Return a piece of HTML with the styles of `css` moved onto its elements."""
    return _document.inline_fragment(text, css)


@lru_cache(maxsize=256)
def compile_mail(mail: mailtext.Mail) -> Part:
    """Return a whole rendered mail as one part. Kept, since a resent confirmation is often the same text."""
    return Part(cut(_ended(mail.text)), cut(_ended(inline_document(mail.html))))


def compile_shell(mail: mailtext.Mail) -> tuple[Part, Part]:
    """Return head and foot of a rendered frame, cut where it says `place('blocks')`. Raises ValueError without one."""
    mark = str(mailtext.place("blocks"))
    text_head, text_mark, text_foot = mail.text.partition(mark)
    html_head, html_mark, html_foot = inline_document(mail.html).partition(mark)
    if not text_mark or not html_mark:
        raise ValueError("A shell needs a place for its blocks in the text and in the HTML.")
    head = Part(cut(text_head), cut(html_head))
    return head, Part(cut(_ended(text_foot)), cut(_ended(html_foot)))


def _ended(text: str) -> str:
    """The end of a part must be a hard line break, so that no soft break stands before a boundary."""
    return text if text.endswith("\n") else text + "\n"
