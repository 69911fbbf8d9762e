"""Look at a feed's bytes before anything reads them: one encoding, well-formed, no document type, not too much."""

import codecs
import html.entities
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import escape

MAX_BYTES = 5_000_000
MAX_ENTRIES = 500
_MAX_ELEMENTS = 100_000
_MAX_DEPTH = 200

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    ("<?".encode("utf-16-le"), "utf-16-le"),
    ("<?".encode("utf-16-be"), "utf-16-be"),
)
_DECLARATION = re.compile(r"^\ufeff?\s*<\?xml\b[^>]{0,200}\?>")
_DECLARED = re.compile(rb"""^\s*<\?xml\b[^>]{0,100}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
# Python has codecs that are no encodings of feeds, and one (punycode) whose time grows with the square.
_OF_FEEDS = re.compile(
    "utf-8|ascii|iso8859-.+|cp125.|cp874|tis-620|koi8-.|gb.+|big5.*|euc_.+|shift_jis|cp932|iso2022_.+"
)
# RSS 0.91 as Netscape defined it has one document type, which brings the Latin letters of HTML and nothing else. It is
# taken out before anything is read, so that nothing is ever fetched for it, and any other one is refused.
_NETSCAPE = re.compile(
    r"""^(\s*+(?:<!--(?:(?!-->).)*+-->\s*+)*+)<!DOCTYPE\s+rss\s+
    PUBLIC\s+(["'])-//Netscape[ ]Communications//DTD[ ]RSS[ ]0\.91//EN\2\s+(["'])https?://[^"'<>\s\[\]]{1,200}\3\s*>""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_LATIN = {name: chr(code) for name, code in html.entities.name2codepoint.items() if 0xA0 <= code <= 0xFF}
_ENTITY = re.compile(r"&([A-Za-z0-9]{2,8});")
# What may follow an ampersand; and what is not looked into for any.
_AMPERSAND = re.compile(
    r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)"
    r"|&(?:(#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)?",
    re.DOTALL,
)
# Not allowed in XML at all (XML 1.0, section 2.2), but no reason to lose a whole feed.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Damaged(Exception):
    """These bytes are no feed that can be read. The text says why, in English, for operators."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A feed as UTF-8 without its XML declaration, well-formed; `damage` says what was wrong with it, if anything."""

    utf8: bytes
    damage: str = ""


def checked(feed: bytes, *, charset: str = "") -> Checked:
    """Return a feed that can be read: what is whole of it. Raises Damaged.

    `charset` is what its server said; it counts where nothing else is said and it is not UTF-8 (RFC 7303).
    Of a feed that is not well-formed there remain the entries that ended before it went wrong, if there are any.

    Refused are more than 5 MB, 500 entries or 100,000 elements, nesting deeper than 200, and any DOCTYPE but that of
    RSS 0.91, which is taken out: without one there are no entities, so nothing expands and nothing outside is read.
    """
    if len(feed) > MAX_BYTES:
        raise Damaged(f"it is larger than {MAX_BYTES} bytes")
    text = _ILLEGAL.sub("", _without_netscape(_DECLARATION.sub("", _decoded(feed, charset))))
    try:
        return Checked(_walked(text))
    except expat.ExpatError as error:
        return _mended(text, f"it is not well-formed XML: {error}")


def _walked(text: str) -> bytes:
    utf8 = text.encode("utf-8", "replace")
    _Walk(utf8).to_the_end()
    return utf8


def _mended(text: str, why: str) -> Checked:
    """Return what can be read of a feed that is not well-formed. Raises Damaged when that is nothing."""
    utf8 = _AMPERSAND.sub(_reference, text).encode("utf-8", "replace")
    walk = _Walk(utf8)
    try:
        walk.to_the_end()
    except expat.ExpatError as error:
        if not walk.whole:
            raise Damaged(why) from error
        return Checked(utf8[: walk.whole] + walk.ends(), why)
    return Checked(utf8, why)


def _decoded(feed: bytes, charset: str) -> str:
    encoding = _encoding(feed)
    try:
        return feed.decode(encoding)
    except UnicodeDecodeError as error:
        if charset and not _DECLARED.match(feed) and encoding == "utf-8":
            with suppress(Damaged, UnicodeDecodeError):
                return feed.decode(_known(charset.lower()))
        raise Damaged(f"it is not in the encoding {encoding}") from error


def _reference(found: re.Match[str]) -> str:
    """Return what an ampersand must have meant: a letter that HTML names, a character that may be there, or itself."""
    if found[0][0] == "<":
        return found[0]  # What is in CDATA and comments is meant as it stands.
    name = found[1]
    if name is None:
        return "&amp;"
    if name[0] != "#":
        letter = html.entities.html5.get(f"{name};")
        return found[0] if letter is None else escape(letter, {'"': "&quot;", "'": "&apos;"})
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    bad = number > sys.maxunicode or 0xD800 <= number < 0xE000 or _ILLEGAL.match(chr(number))
    return "" if bad else found[0]


def _without_netscape(text: str) -> str:
    """Return a feed without the document type of RSS 0.91, and with the letters that it would have named."""
    found = _NETSCAPE.match(text)
    if not found:
        return text
    return _ENTITY.sub(lambda name: _LATIN.get(name[1], name[0]), found[1] + text[found.end() :])


def _encoding(feed: bytes) -> str:
    """Return the encoding by byte order mark, else as declared, else UTF-8 (XML 1.0, appendix F)."""
    for mark, encoding in _MARKS:
        if feed.startswith(mark):
            return encoding
    declared = _DECLARED.match(feed)
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    if name.startswith(("utf-16", "utf-32", "ucs")):
        return "utf-8"  # We could read that, so it is not.
    return _known(name)


def _known(name: str) -> str:
    """Return the name of a codec for an encoding of feeds. Raises Damaged."""
    try:
        name = codecs.lookup(name).name
    except LookupError as error:
        raise Damaged(f"nobody knows its encoding {name}") from error
    if not _OF_FEEDS.fullmatch(name):
        raise Damaged(f"{name} is no encoding of feeds")
    return "gb18030" if name.startswith("gb") else name


class _Walk:
    """One pass of expat over a feed that counts and, at a document type, stops.

    `whole` is where the last whole entry ended, in bytes; 0 if there was none.
    """

    def __init__(self, utf8: bytes) -> None:
        self.whole = 0
        self._utf8 = utf8
        self._elements = self._entries = 0
        self._open: list[str] = []
        self._around: tuple[str, ...] = ()
        # Namespaces as feedparser will see them, so that it meets no error that was not met here.
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.namespace_prefixes = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def to_the_end(self) -> None:
        """Walk the whole document. Raises ExpatError or Damaged."""
        self._parser.Parse(self._utf8, True)

    def ends(self) -> bytes:
        """Return the tags that close what was open where the last whole entry ended."""
        return "".join(f"</{_tag(name)}>" for name in reversed(self._around)).encode()

    def _doctype(self, *_declaration: object) -> None:
        raise Damaged("it declares a document type, which may define entities; without its DOCTYPE it would be read")

    def _start(self, name: str, _attributes: object) -> None:
        self._elements += 1
        self._open.append(name)
        self._entries += _is_entry(name)
        if self._entries > MAX_ENTRIES:
            raise Damaged(f"it has more than {MAX_ENTRIES} entries")
        if self._elements > _MAX_ELEMENTS or len(self._open) > _MAX_DEPTH:
            raise Damaged("it has too many elements, or too deep ones")

    def _end(self, name: str) -> None:
        self._open.pop()
        at = self._parser.CurrentByteIndex
        if _is_entry(name) and self._utf8.startswith(b"</", at):
            self.whole, self._around = self._utf8.index(b">", at) + 1, tuple(self._open)


def _is_entry(name: str) -> bool:
    return _tag(name).rpartition(":")[2].lower() in ("entry", "item")


def _tag(name: str) -> str:
    """Return an element's name as it is written; expat says its space, its own name, and its prefix if it has one."""
    _space, local, prefix = [*([""] if " " not in name else []), *name.split(" "), ""][:3]
    return f"{prefix}:{local}" if prefix else local
