"""One recipient's bytes: headers built and checked here, and the compiled parts spliced with personal values.

The standard library's generator is not used: it rewrites long header tokens into encoded words, which kills the
unsubscribe button, and in Python 3.11.7 it does not check headers for line breaks (CVE-2024-6923, CVE-2026-1299).
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core import characters, clock
from core.services import Services
from core.tokens import encode
from delivery import content
from delivery.batches import Intent
from delivery.models import Lane, LinkSet

MAX_HEADER_LINE = 998
"""Octets in a line, without its CRLF (RFC 5322, section 2.1.1)."""
_WORD_BYTES = 39
"""Octets of UTF-8 in one encoded word: 64 columns with its frame; with `Subject: ` before it not more than the 76 that
such a line may have (RFC 2047, section 2)."""
_NOT_IN_ADDRESSES = '\r\n\t "(),:;<>[]\\'
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that the mails of one content share, loaded once: the mailing's headers and the compiled parts in order."""

    lane: int
    stream: str
    list_id: str | None
    sender_name: str
    sender: str
    reply_to: str | None
    feedback: str
    subject: str
    format: str
    parts: Sequence[content.Part]


def header(name: str, value: str) -> bytes:
    """Return one header line. Raises ValueError for anything but printable ASCII, or a line that is too long."""
    line = f"{name}: {value}"
    if not line.isascii() or not line.isprintable():
        raise ValueError(f"The {name} header would hold a control character or raw UTF-8.")
    if len(line) > MAX_HEADER_LINE:
        raise ValueError(f"The {name} header would be longer than {MAX_HEADER_LINE} octets.")
    return line.encode("ascii") + b"\r\n"


def words(text: str) -> list[str]:
    """Return `text` as it may stand in a header: itself when it is ASCII, else as encoded words (RFC 2047).

    Raises ValueError for control characters, line and paragraph separators, and bidi controls.
    """
    if characters.has_controls(text):
        raise ValueError("A header text holds a control character.")
    if text.isascii() and "=?" not in text and len(text) <= 900:
        return [text]
    chunks: list[bytes] = [b""]
    for char in text:
        octets = char.encode("utf-8")
        if len(chunks[-1]) + len(octets) > _WORD_BYTES:
            chunks.append(b"")
        chunks[-1] += octets
    return [f"=?utf-8?B?{base64.b64encode(chunk).decode('ascii')}?=" for chunk in chunks]


def text_header(name: str, text: str) -> bytes:
    """Return a header of free text, folded between encoded words where there are several."""
    first, *rest = words(text)
    return header(name, first) + _folded(rest)


def _folded(rest: Sequence[str]) -> bytes:
    """Return continuation lines (RFC 5322, section 2.2.3)."""
    return b"".join(b" " + word.encode("ascii") + b"\r\n" for word in rest)


def address_header(name: str, address: str) -> bytes:
    """Return a header with a bare address. Raises ValueError for anything that could be read as more than one."""
    return header(name, _one_address(name, address))


def _one_address(name: str, address: str) -> str:
    local, at, domain = address.partition("@")
    strange = any(char in _NOT_IN_ADDRESSES for char in address) or not address.isascii() or "=?" in address
    if strange or not (local and at and domain) or "@" in domain:
        raise ValueError(f"The {name} header would hold a damaged address.")
    return address


def mailbox_header(name: str, display: str, address: str) -> bytes:
    """Return a header with a display name and an address (RFC 5322, section 3.4)."""
    address = _one_address(name, address)
    encoded = words(display)
    if len(encoded) == 1 and not encoded[0].startswith("=?"):
        quoted = encoded[0].replace("\\", "\\\\").replace('"', '\\"')
        return header(name, f'"{quoted}" <{address}>')
    return header(name, encoded[0]) + _folded([*encoded[1:], f"<{address}>"])


def date_text(at: datetime) -> str:
    """Return a Date value with the zone written +0000 (RFC 5322, section 3.3): `Thu, 15 Feb 2024 06:13:00 +0000`."""
    utc = at.astimezone(UTC)
    day = f"{_DAYS[utc.weekday()]}, {utc.day:02d} {_MONTHS[utc.month - 1]} {utc.year}"
    return f"{day} {utc:%H:%M:%S} +0000"


def message_id(delivery_id: int, services: Services) -> str:
    """Return the Message-ID of a delivery: the same on every attempt, and it tells nobody's address."""
    raw = delivery_id.to_bytes(8, "big")
    return f"<{encode(services.links.tokens.mac('message-id', raw))}@{services.identity.domain}>"


def values_for(intent: Intent, recipe: Recipe, services: Services) -> Mapping[str, str]:
    """Return the personal values of one recipient, by the link set of the delivery."""
    day = clock.day_number(intent.dated_at)
    if intent.reader_key is None or intent.link_set == LinkSet.NONE:
        return {}
    if intent.link_set == LinkSet.REQUEST:
        return {"confirm": services.links.confirm(intent.reader_key, day=day)}
    _scheme, _colon, digest = recipe.stream.partition(":")
    links = services.links.reader(intent.reader_key, digest=digest, version=intent.link_version, day=day)
    return {"preferences": links.preferences, "unsubscribe": links.unsubscribe}


def splice(recipe: Recipe, intent: Intent, *, to: str, services: Services) -> bytes:
    """Return the whole message of one recipient, with CRLF line ends and no line that SMTP would have to stuff."""
    values = values_for(intent, recipe, services)
    return _headers(recipe, intent, to, values, services) + _body(recipe, values)


def _headers(recipe: Recipe, intent: Intent, to: str, values: Mapping[str, str], services: Services) -> bytes:
    lines = [
        mailbox_header("From", recipe.sender_name, recipe.sender),
        address_header("To", to),
        text_header("Subject", recipe.subject),
        header("Date", date_text(intent.dated_at)),
        header("Message-ID", message_id(intent.id, services)),
    ]
    if recipe.reply_to:
        lines.append(address_header("Reply-To", recipe.reply_to))
    if recipe.lane == Lane.TRANSACTIONAL:
        lines.append(header("Auto-Submitted", "auto-generated"))
    if recipe.list_id:
        lines.append(header("List-Id", recipe.list_id))
    if recipe.lane != Lane.TRANSACTIONAL and "unsubscribe" in values:
        # One line each, https only: the one-click address of RFC 8058, section 3.1.
        lines.append(header("List-Unsubscribe", f"<{values['unsubscribe']}>"))
        lines.append(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    lines += [header("Feedback-ID", recipe.feedback), header("MIME-Version", "1.0")]
    return b"".join(lines)


_PART = b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'


def _body(recipe: Recipe, values: Mapping[str, str]) -> bytes:
    text = b"".join(content.fill(part.text, values, as_html=False) for part in recipe.parts)
    if recipe.format == "text":
        return _PART % b"plain" + text
    html = b"".join(content.fill(part.html, values, as_html=True) for part in recipe.parts)
    # "=_" cannot occur in quoted-printable, so this boundary is in no part (RFC 2045, section 6.7).
    edge = b"=_postrider"
    opening = b'Content-Type: multipart/alternative; boundary="%s"\r\n\r\n' % edge
    parts = (b"--%s\r\n" % edge + _PART % kind + body + b"\r\n" for kind, body in ((b"plain", text), (b"html", html)))
    return opening + b"".join(parts) + b"--%s--\r\n" % edge
