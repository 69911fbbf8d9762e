"""Look at a feed's bytes before anything reads them: one encoding, well-formed, no document type, not too much."""

import codecs
import html.entities
import re
from xml.parsers import expat

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
# Not allowed in XML at all (XML 1.0, section 2.2), but no reason to lose a whole feed.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Damaged(Exception):
    """These bytes are no feed that can be read. The text says why, in English, for operators."""


def checked(feed: bytes) -> bytes:
    """Return the feed as UTF-8 without its XML declaration. Raises Damaged.

    Refused are more than 5 MB, 500 entries or 100,000 elements, nesting deeper than 200, and any DOCTYPE but that of
    RSS 0.91, which is taken out: without one there are no entities, so nothing expands and nothing outside is read.
    """
    if len(feed) > MAX_BYTES:
        raise Damaged(f"it is larger than {MAX_BYTES} bytes")
    encoding = _encoding(feed)
    try:
        text = feed.decode(encoding)
    except UnicodeDecodeError as error:
        raise Damaged(f"it is not in the encoding {encoding}") from error
    utf8 = _ILLEGAL.sub("", _without_netscape(_DECLARATION.sub("", text))).encode("utf-8", "replace")
    try:
        _Walk().over(utf8)
    except expat.ExpatError as error:
        raise Damaged(f"it is not well-formed XML: {error}") from error
    return utf8


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
    try:
        name = codecs.lookup(name).name
    except LookupError as error:
        raise Damaged(f"nobody knows its encoding {name}") from error
    if not _OF_FEEDS.fullmatch(name):
        raise Damaged(f"{name} is no encoding of feeds")
    return "gb18030" if name.startswith("gb") else name


class _Walk:
    """One pass of expat over a feed that counts and, at a document type, stops."""

    def __init__(self) -> None:
        self._elements = self._entries = self._depth = 0
        # Namespaces as feedparser will see them, so that it meets no error that was not met here.
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def over(self, utf8: bytes) -> None:
        """Walk the whole document. Raises ExpatError or Damaged."""
        self._parser.Parse(utf8, True)

    def _doctype(self, *_declaration: object) -> None:
        raise Damaged("it declares a document type, which may define entities; without its DOCTYPE it would be read")

    def _start(self, name: str, _attributes: object) -> None:
        self._elements += 1
        self._depth += 1
        self._entries += name.rpartition(" ")[2].lower() in ("entry", "item")
        if self._entries > MAX_ENTRIES:
            raise Damaged(f"it has more than {MAX_ENTRIES} entries")
        if self._elements > _MAX_ELEMENTS or self._depth > _MAX_DEPTH:
            raise Damaged("it has too many elements, or too deep ones")

    def _end(self, _name: str) -> None:
        self._depth -= 1
