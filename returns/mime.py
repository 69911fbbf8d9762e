"""A bounded reader of mails: headers and parts of whatever a stranger sent, in flat memory and without recursion.

The standard library's parser is not used: it follows a mail into any depth by recursion, and keeps all of it.
"""

import binascii
import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_OCTETS = 256 * 1024
"""So much of a mail is looked at. What a report says stands before the mail that it returns."""
MAX_DEPTH = 8
"""Parts are opened this deep; what is deeper is left as one piece. A report with the whole mail in it needs four."""
MAX_PARTS = 64
MAX_HEADERS = 400
MAX_HEADER = 16_384
"""Characters of one header; the rest of it is left out."""
_BOUNDARY = re.compile(r"""\bboundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))""", re.IGNORECASE)
_CHARSET = re.compile(r"""\bcharset\s*=\s*"?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_TYPE = re.compile(r"\s*([A-Za-z0-9.+-]{1,80}/[A-Za-z0-9.+-]{1,80})")
_NAME = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_BLANK = re.compile(rb"\r?\n(?=\r?\n)")
_NEWLINE = ord("\n")
_NO_DIGITS = re.compile(rb"[^A-Za-z0-9+/]+")
_MAILS = ("message/rfc822", "message/global", "message/news")
_KNOWN = re.compile(
    "utf-(8|16|16-be|16-le|7)|ascii|iso8859-[0-9]+|cp[0-9]+|koi8-[rtu]|gb2312|gbk|gb18030|big5|big5hkscs|shift_jis"
    "|euc_(jp|kr)|iso2022_(jp|kr)|mac-(roman|cyrillic|greek)|tis-620|johab"
)
"""Charsets that a text may be in. Python has codecs beside them that unpack, or take the square of the time."""


@dataclass(frozen=True, slots=True)
class Part:
    """A mail or a part of one: its headers with small names, its octets as they came, and what is in it."""

    headers: Sequence[tuple[str, str]]
    body: bytes
    parts: Sequence["Part"]

    @property
    def kind(self) -> str:
        """Return the content type in small letters; `text/plain` where none is said (RFC 2045, section 5.2)."""
        found = _TYPE.match(self.first("content-type"))
        return found[1].lower() if found else "text/plain"

    def first(self, name: str) -> str:
        """Return the first header of that name, or nothing."""
        return next((value for header, value in self.headers if header == name), "")

    def every(self, *names: str) -> list[str]:
        """Return all headers of these names, from the top."""
        return [value for header, value in self.headers if header in names]

    def own(self) -> Iterator["Part"]:
        """Return the part and those that belong to it. What it carries as another mail is not its own."""
        yield self
        if self.kind not in _MAILS:
            for part in self.parts:
                yield from part.own()

    def octets(self) -> bytes:
        """Return the body with its transfer encoding undone (RFC 2045, section 6), as far as it can be."""
        encoding = self.first("content-transfer-encoding").strip().lower()
        try:
            if encoding == "base64":
                # What was cut off somewhere is read as far as it goes.
                digits = _NO_DIGITS.sub(b"", self.body)
                whole = digits[: len(digits) - (len(digits) % 4 == 1)]
                return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))
            if encoding == "quoted-printable":
                return binascii.a2b_qp(self.body)
        except binascii.Error:
            return self.body
        return self.body

    def text(self) -> str:
        """Return the body as text. A charset that is unknown or not true to its name costs characters, no more."""
        named = _CHARSET.search(self.first("content-type"))
        return decoded(self.octets(), named[1] if named else "utf-8")


def decoded(octets: bytes, charset: str) -> str:
    """Return octets as text in a charset, else in UTF-8, else in Latin-1; without NUL."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = "utf-8"
    if not _KNOWN.fullmatch(name):
        name = "utf-8"
    try:
        text = octets.decode(name)
    except (UnicodeError, ValueError):
        text = octets.decode("utf-8", "replace") if name != "utf-8" else octets.decode("latin-1")
    return text.replace("\0", "")


def parse(raw: bytes) -> Part:
    """Read a mail, of which MAX_OCTETS count. Never raises."""
    raw = raw[:MAX_OCTETS]
    if raw.startswith(b"From "):
        # The line that a Unix mailbox has before each mail.
        raw = raw.partition(b"\n")[2]
    return _part(raw, depth=0, room=[MAX_PARTS])


def _part(raw: bytes, *, depth: int, room: list[int]) -> Part:
    """Read a part; `room` holds how many more there may be, over the whole mail."""
    headers, body = _split(raw)
    found = Part(headers, body, ())
    if depth >= MAX_DEPTH:
        return found
    if found.kind in _MAILS:
        pieces = [found.octets()]
    elif found.kind.startswith("multipart/"):
        pieces = _pieces(found.first("content-type"), body, room[0])
    else:
        return found
    room[0] -= len(pieces)
    return Part(headers, body, tuple(_part(piece, depth=depth + 1, room=room) for piece in pieces))


def _split(raw: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body, which a blank line parts (RFC 5322, section 2.1)."""
    if raw.startswith((b"\n", b"\r\n")):
        return [], raw.partition(b"\n")[2]
    blank = _BLANK.search(raw)
    head, rest = (raw[: blank.start()], raw[blank.end() :]) if blank else (raw, b"")
    return fields(head), rest.partition(b"\n")[2]


def fields(head: bytes) -> list[tuple[str, str]]:
    """Return names in small letters and values, unfolded (RFC 5322, section 2.2.3), whatever octets are in them."""
    found: list[tuple[str, bytearray]] = []
    for line in head.split(b"\n"):
        named = _NAME.match(line)
        if line[:1] in (b" ", b"\t"):
            if found and len(found[-1][1]) < MAX_HEADER:
                found[-1][1].extend(b" " + line.strip())
        elif named and len(found) < MAX_HEADERS:
            found.append((named[1].decode("ascii").lower(), bytearray(line[named.end() :].strip())))
    return [(name, decoded(bytes(value[:MAX_HEADER]), "utf-8")) for name, value in found]


def _pieces(content_type: str, body: bytes, most: int) -> list[bytes]:
    """Return the parts of a multipart (RFC 2046, section 5.1.1), the last one also when the end of it is missing."""
    named = _BOUNDARY.search(content_type)
    edge = (named[1] or named[2]).rstrip().encode("utf-8", "replace") if named else b""
    if not edge:
        return []
    found: list[bytes] = []
    start: int | None = None
    for begin, after, is_last in _edges(body, b"--" + edge):
        if start is not None:
            found.append(body[start:begin])
        if is_last or len(found) >= most:
            return found[:most]
        start = after
    return found if start is None or len(found) >= most else [*found, body[start:]]


def _edges(body: bytes, edge: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield where the lines that part a multipart begin, with the line end before them, and end; and the last one."""
    at = body.find(edge)
    while at >= 0:
        line_end = body.find(b"\n", at)
        after = len(body) if line_end < 0 else line_end + 1
        rest = body[at + len(edge) : min(after, at + len(edge) + 80)].rstrip(b" \t\r\n")
        if (at == 0 or body[at - 1] == _NEWLINE) and rest in (b"", b"--"):
            begin = at - (at > 0) - (body[at - 2 : at - 1] == b"\r" if at > 1 else False)
            yield begin, after, rest == b"--"
        at = body.find(edge, after)
