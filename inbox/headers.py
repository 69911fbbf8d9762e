"""Read header fields as a person would: unfolded, encoded words decoded, never failing on a broken one."""

import base64
import quopri
import re
from email.message import Message

# RFC 2047, section 2, a little lenient: some senders leave spaces inside a word.
_WORD = re.compile(r"=\?([^?\s]+)\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def fields(message: Message) -> tuple[tuple[str, str], ...]:
    """Return all fields as (name, readable value), in the order they stand in."""
    return tuple((printable(name), readable(value)) for name, value in message.raw_items())


def first(message: Message, name: str) -> str:
    """Return the readable value of the first field called `name`, or "" when there is none."""
    wanted = name.lower()
    return next((readable(value) for given, value in message.raw_items() if given.lower() == wanted), "")


def readable(raw: str) -> str:
    """Return a raw field value unfolded, its encoded words (RFC 2047) decoded, control characters marked."""
    text = _FOLD.sub("", printable(raw, keep_lines=True)).strip()
    if "=?" in text:
        text = _without_words(text)
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\n", " "))


def printable(text: str, *, keep_lines: bool = False) -> str:
    """Return what the parser gave with raw bytes read as UTF-8 (RFC 6532) and control characters marked."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if keep_lines else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def decoded(content: bytes, charset: str) -> str:
    """Return bytes as text, by UTF-8 when the charset is unknown, with a mark for each byte that fits not."""
    try:
        text = content.decode(charset, "replace")
    except (LookupError, ValueError):
        text = content.decode("utf-8", "replace")
    # Some charsets can say half a letter (a lone surrogate), which no page can carry.
    return text.encode("utf-8", "replace").decode("utf-8")


def _without_words(text: str) -> str:
    """Decode runs of encoded words together: some senders cut them in the middle of a character."""
    out: list[str] = []
    run, run_charset, end = b"", "", 0
    for word in _WORD.finditer(text):
        charset, content = word[1].partition("*")[0].lower(), _word_bytes(word)
        between = text[end : word.start()]
        # White space between two encoded words is not shown (RFC 2047, section 6.2).
        apart = bool(between.strip()) or end == 0
        if apart or charset != run_charset:
            out += [decoded(run, run_charset or "ascii"), between if apart else ""]
            run, run_charset = b"", charset
        run, end = run + content, word.end()
    return "".join([*out, decoded(run, run_charset or "ascii"), text[end:]])


def _word_bytes(word: re.Match[str]) -> bytes:
    content = word[3].encode("utf-8")
    if word[2] in "qQ":
        return quopri.decodestring(content, header=True)
    try:
        return base64.b64decode(content + b"==")
    except ValueError:
        return word[0].encode("utf-8")
