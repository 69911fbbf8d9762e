"""Read a received mail as its reader's program would: HTML, text, header fields, what is attached."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser

from inbox import headers

_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_BODIES = ("text/html", "text/plain")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is neither body: its file name ("" for none), media type, and size in bytes if known."""

    name: str
    media_type: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail taken apart. `html` and `text` are None when the mail has no such part."""

    fields: tuple[tuple[str, str], ...]
    html: str | None
    text: str | None
    attachments: tuple[Attachment, ...]

    def field(self, name: str) -> str:
        """Return the first field called `name`, or ""."""
        return next((value for given, value in self.fields if given.lower() == name.lower()), "")


def header_of(source: bytes) -> Message:
    """Parse only the header; the quick way for lists."""
    return BytesHeaderParser().parsebytes(source)


def read(source: bytes) -> Reading:
    """Take a mail apart. Never fails: what is broken is shown as far as it can be read."""
    try:
        return _taken_apart(BytesParser().parsebytes(source))
    except RecursionError:
        # Parts inside parts, hundreds deep: the header and the source can still be shown.
        return _taken_apart(header_of(source))


def for_new_tabs(html: str) -> str:
    """Return the mail's HTML with `<base target="_blank">`, so that a click leaves the mail where it is.

    It stands right behind the doctype: in front of it, it would switch browsers to quirks mode; any later,
    and a comment could swallow it. Parsers open the head by themselves where it stands.
    """
    html = html.removeprefix("\ufeff")
    doctype = _DOCTYPE.match(html)
    end = doctype.end() if doctype else 0
    return html[:end] + '<base target="_blank">' + html[end:]


def _taken_apart(message: Message) -> Reading:
    bodies: dict[str, str] = {}
    attachments: list[Attachment] = []
    for part in _leaves(message):
        kind, content = part.get_content_type(), part.get_payload(decode=True)
        # A mail inside the mail has no bytes of its own.
        if not isinstance(content, bytes):
            attachments.append(Attachment(_file_name(part), kind, None))
        elif kind not in _BODIES or kind in bodies or part.get_content_disposition() == "attachment":
            attachments.append(Attachment(_file_name(part), kind, len(content)))
        else:
            text = headers.decoded(content, part.get_content_charset("utf-8"))
            bodies[kind] = text.replace("\r\n", "\n")
    return Reading(headers.fields(message), bodies.get("text/html"), bodies.get("text/plain"), tuple(attachments))


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold content. A mail inside the mail is one: a bounce is not what it returns."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            waiting.extend(child for child in reversed(inner) if isinstance(child, Message))
        else:
            yield part


def _file_name(part: Message) -> str:
    return headers.readable(part.get_filename(""))
