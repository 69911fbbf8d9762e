"""Pieces of mail compiled once: rendered text cut at its places and encoded, so that a mail is a join of bytes.

The encoding is quoted-printable (RFC 2045, section 6.7) in whole lines: at most 76 columns, never a leading dot or
`From `, never two blanks in a row; so the bytes need no dot-stuffing and are their own canonical form (RFC 6376,
section 3.4), and a value of any length drops in without touching its neighbours.
"""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import css_inline

from core import mailtext

LINE = 76
_PLAIN = frozenset(range(33, 127)) - {ord("=")}


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

    @classmethod
    def from_json(cls, stored: str) -> "Part":
        """Read a stored part."""
        return cls.from_table(json.loads(stored))

    @classmethod
    def from_table(cls, table: Mapping[str, Sequence[str | list[str]]]) -> "Part":
        """Read a part out of parsed JSON."""
        return cls(_load(table["text"]), _load(table["html"]))


def shell_json(head: Part, foot: Part) -> str:
    """Return the frame of a mail as it is stored."""
    return f"[{head.to_json()}, {foot.to_json()}]"


def shell_from_json(stored: str) -> tuple[Part, Part]:
    """Read a stored frame: head and foot."""
    head, foot = json.loads(stored)
    return Part.from_table(head), Part.from_table(foot)


def _dump(pieces: Pieces) -> list[str | list[str]]:
    return [piece.decode("ascii") if isinstance(piece, bytes) else [piece.name] for piece in pieces]


def _load(rows: Sequence[str | list[str]]) -> Pieces:
    return tuple(row.encode("ascii") if isinstance(row, str) else PlaceOf(row[0]) for row in rows)


def encode(text: str) -> bytes:
    """Return `text` in quoted-printable, in whole lines: the last one ends hard or in a soft break (`=`)."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    encoded = [_encode_line(line) for line in lines[:-1]]
    tail = _encode_line(lines[-1])
    return b"".join(line + b"\r\n" for line in encoded) + (tail + b"=\r\n" if tail else b"")


def _encode_line(line: str) -> bytes:
    """Return one line with soft breaks inside where it is longer than 75 columns and the `=` of a break."""
    rows: list[bytes] = []
    row = b""
    for index, char in enumerate(line):
        token = _token(char, row, last=index == len(line) - 1)
        if len(row) + len(token) > LINE - 1:
            rows.append(row)
            row = b""
            token = _token(char, row, last=index == len(line) - 1)
        row += token
        if row == b"From":
            row = b"=46rom"
    rows.append(row)
    return b"=\r\n".join(rows)


def _token(char: str, row: bytes, *, last: bool) -> bytes:
    """Return the encoded form of one character in its place: all its octets stay on one line."""
    if char == " ":
        return b"=20" if last or not row or row.endswith(b" ") else b" "
    if char == "." and not row:
        return b"=2E"
    octets = char.encode("utf-8")
    return octets if len(octets) == 1 and octets[0] in _PLAIN else b"".join(b"=%02X" % octet for octet in octets)


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


def fill(pieces: Pieces, values: Mapping[str, str], *, as_html: bool) -> bytes:
    """Return the bytes with the values in their places, escaped for HTML where they stand in HTML."""
    return b"".join(
        piece
        if isinstance(piece, bytes)
        else encode(html.escape(values[piece.name]) if as_html else values[piece.name])
        for piece in pieces
    )


_document = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def inline_document(text: str) -> str:
    """Return an HTML document with its styles moved onto the elements; @media rules stay in the head."""
    return _document.inline(text)


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
