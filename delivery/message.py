"""One recipient's bytes: headers built and checked here, and the compiled parts spliced with personal values.

The standard library's generator is not used: it rewrites long header tokens into encoded words, which kills the
unsubscribe button, and in Python 3.11.7 it does not check headers for line breaks (CVE-2024-6923, CVE-2026-1299).
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from core import characters, logs
from core.dkimkeys import DomainKeys
from core.services import Services
from core.tokens import encode
from delivery import content, echo, personal, verp
from delivery.content import PlaceOf
from delivery.models import Lane
from delivery.moves import Intent

log = logs.get(__name__)

MAX_HEADER_LINE = 998
"""Octets in a line, without its CRLF (RFC 5322, section 2.1.1)."""
_WORD_BYTES = 39
"""Octets of UTF-8 in one encoded word: 64 columns with its frame; with `Subject: ` before it not more than the 76 that
such a line may have (RFC 2047, section 2)."""
ANSWERS = "answers"
"""The stream of mails by which a program answers."""
MAX_OCTETS = 10_240_000
"""The longest mail that is made: what Postfix takes when nothing else is set (message_size_limit)."""
_ATOM = r"[\w!#$%&'*+./=?^`{|}~-]+"
_ADDRESS = re.compile(f"{_ATOM}@{_ATOM}", re.ASCII)
"""An address that no header could read as anything else; what needs quoting is refused at the form."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that the mails of one content share: the mailing's headers, and the whole mail in as few pieces as can be.

    It is made of the compiled parts in order, which it does not keep. Raises ValueError for a header that may not
    leave, and for a mail of more than MAX_OCTETS.
    """

    lane: int
    stream: str
    list_id: str | None
    sender_name: str
    sender: str
    reply_to: str | None
    feedback: str
    subject: str
    format: str
    parts: InitVar[Sequence[content.Part]]
    mail: content.Pieces = field(init=False, repr=False)
    offers_to_leave_all: bool = field(init=False, repr=False)
    offers_to_share: bool = field(init=False, repr=False)

    def __post_init__(self, parts: Sequence[content.Part]) -> None:
        """Compile the mail."""
        object.__setattr__(self, "mail", content.merged(_pieces(self, parts)))
        offered = content.places(*parts)
        object.__setattr__(self, "offers_to_leave_all", "unsubscribe_all" in offered)
        object.__setattr__(self, "offers_to_share", "share" in offered)
        if self.octets > MAX_OCTETS:
            raise ValueError(f"The mail would be longer than {MAX_OCTETS:,} octets: shorten its longest story.")

    @property
    def octets(self) -> int:
        """Return how long the mail is without what is of one reader."""
        return sum(len(piece) for piece in self.mail if isinstance(piece, bytes))


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


@lru_cache(maxsize=1024)
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
    if not _ADDRESS.fullmatch(address) or "=?" in address:
        raise ValueError(f"The {name} header would hold a damaged address.")
    return address


def needs_smtputf8(to: str) -> bool:
    """Say whether a mail to this address can leave only with SMTPUTF8 and 8BITMIME (RFC 6531, section 3)."""
    return not to.isascii()


def recipient_header(to: str) -> bytes:
    """Return the To header: the only one that may hold raw UTF-8, before the @ (RFC 6532, section 3.2).

    Raises ValueError for a damaged address, for characters that nobody sees, and for a domain that is no A-label.
    """
    if not needs_smtputf8(to):
        return address_header("To", to)
    local, _at, domain = to.rpartition("@")
    shown = "".join(char if char.isascii() or characters.is_hidden(char) else "x" for char in local)
    _one_address("To", f"{shown}@{domain}")
    line = f"To: {to}".encode()
    if len(line) > MAX_HEADER_LINE:
        raise ValueError(f"The To header would be longer than {MAX_HEADER_LINE} octets.")
    return line + b"\r\n"


@lru_cache(maxsize=64)
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


def envelope_sender(recipe: Recipe, intent: Intent, services: Services) -> str:
    """Return the address that bounces of a delivery come back to, at the bounce domain of its lane."""
    domain = services.identity.bounce_domain_of(_LANE_NAMES[recipe.lane])
    return verp.envelope_sender(intent.id, tokens=services.links.tokens, domain=domain)


def keys_for(recipe: Recipe, services: Services) -> DomainKeys | None:
    """Return the keys that sign a mail, by the domain of its From; None when the relay signs, or nobody does."""
    if not services.dkim.domains or services.identity.signed_by_relay(_LANE_NAMES[recipe.lane]):
        return None
    domain = recipe.sender.rpartition("@")[2].lower()
    return services.dkim.of(domain) or _unsigned(domain)


@lru_cache(maxsize=64)
def _unsigned(domain: str) -> None:
    """Say once for each domain that its mails leave unsigned: an edition was opened under a From of former times."""
    log.warning("mail not signed", domain=domain)


def splice(recipe: Recipe, intent: Intent, *, to: str, services: Services) -> bytes:
    """Return the whole message of one recipient, with CRLF line ends and no line that SMTP would have to stuff.

    Raises ValueError for an address that may not stand in a header, and for a place that the delivery has no value for.
    """
    values = personal.values_for(intent, recipe, services)
    filled = {
        "to": recipient_header(to),
        "date": _date_header(intent.dated_at.replace(microsecond=0)),
        "message_id": header("Message-ID", message_id(intent.id, services)),
        "echo": echo.line(intent.id, _LANE_NAMES[recipe.lane], services),
        "leave": _leave_headers(values, recipe, intent, services) if recipe.lane != Lane.TRANSACTIONAL else b"",
    }
    for name, value in values.items():
        filled[f"text {name}"], filled[f"html {name}"] = content.forms(value)
    return content.fill(recipe.mail, filled)


@lru_cache(maxsize=64)
def _date_header(second: datetime) -> bytes:
    return header("Date", date_text(second))


def _leave_headers(values: Mapping[str, str], recipe: Recipe, intent: Intent, services: Services) -> bytes:
    """Return the headers of unsubscribing, if there is a link for it: one click first, a mail second.

    One line each, since relays that fold them break signatures; one https address exactly (RFC 8058, section 3.1).
    """
    link = values.get("unsubscribe") or values.get("share_opt_out")
    if link is None:
        return b""
    domain = services.identity.bounce_domain_of(_LANE_NAMES[recipe.lane])
    by_mail = verp.leave_address(intent.id, tokens=services.links.tokens, domain=domain)
    return header("List-Unsubscribe", f"<{link}>, <mailto:{by_mail}>") + _ONE_CLICK


_ONE_CLICK = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
_LANE_NAMES = {int(lane): lane.name.lower() for lane in Lane}
_EDGE = b"=_postrider"
"""The boundary: `=_` cannot occur in quoted-printable, so it is in no part (RFC 2045, section 6.7)."""
_PART = b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'


def _pieces(recipe: Recipe, parts: Sequence[content.Part]) -> list[bytes | PlaceOf]:
    """Return the whole mail of a recipe with places for what is of one reader."""
    pieces: list[bytes | PlaceOf] = [
        mailbox_header("From", recipe.sender_name, recipe.sender),
        PlaceOf("to"),
        text_header("Subject", recipe.subject),
        PlaceOf("date"),
        PlaceOf("message_id"),
        PlaceOf("echo"),
    ]
    if recipe.reply_to:
        pieces.append(address_header("Reply-To", recipe.reply_to))
    if recipe.lane in (Lane.TRANSACTIONAL, Lane.SHARE):
        # RFC 3834, section 5: what answers a letter by itself says so.
        pieces.append(header("Auto-Submitted", "auto-replied" if recipe.stream == ANSWERS else "auto-generated"))
    if recipe.list_id:
        pieces.append(header("List-Id", recipe.list_id))
    if recipe.lane != Lane.TRANSACTIONAL:
        pieces.append(PlaceOf("leave"))
    return [*pieces, header("Feedback-ID", recipe.feedback), header("MIME-Version", "1.0"), *_body(recipe, parts)]


def _body(recipe: Recipe, parts: Sequence[content.Part]) -> list[bytes | PlaceOf]:
    text = [_PART % b"plain", *_named("text", [piece for part in parts for piece in part.text])]
    if recipe.format == "text":
        return text
    markup = [_PART % b"html", *_named("html", [piece for part in parts for piece in part.html])]
    opening = b'Content-Type: multipart/alternative; boundary="%s"\r\n\r\n' % _EDGE
    edge = b"--%s\r\n" % _EDGE
    return [opening, edge, *text, b"\r\n", edge, *markup, b"\r\n--%s--\r\n" % _EDGE]


def _named(form: str, pieces: Iterable[bytes | PlaceOf]) -> list[bytes | PlaceOf]:
    """Return the pieces of the text or the HTML, whose values differ."""
    return [piece if isinstance(piece, bytes) else PlaceOf(f"{form} {piece.name}") for piece in pieces]
