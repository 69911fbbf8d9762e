"""A second splicer: it says what a reader's mail must be, by the strings that the edition was written in.

Written from docs/mail.md and the RFCs; it knows nothing of the product. It composes text, not bytes, and reads mails
the way a mail program does; so what both agree on was thought of twice.
"""

import base64
import binascii
import hashlib
import hmac
import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from os.path import commonprefix
from urllib.parse import quote, unquote

from tests.proofs.editions import LINK_SETS, Edition, House, Letter

DOOR = re.compile(r"/(preferences|why|unsubscribe|confirm|share/never|send)(?:/([^/\s\"'<>]+))?/t/([a-z2-7]{47})")
PURPOSES = {"why": "preferences", "share/never": "share-opt-out", "send": "share"}
"""The doors that are opened by another one's key; every other door has its own."""
FOLDERS = {"share_opt_out": "share/never"}
"""Where a link leads, if not to the page of its name."""
READERS = "@readers.example.org"
LEAVES = {"reader": "unsubscribe", "friend": "share_opt_out"}
"""The link by which one click leaves, by link set."""
WORD = re.compile(r"=\?utf-8\?B\?([A-Za-z0-9+/=]*)\?=")
TYPE = 'text/{}; charset="utf-8"'
QP = "quoted-printable"


def faults(letter: Letter, sender: str, raw: bytes) -> Iterator[str]:
    """Say in words what is wrong with a mail and its envelope sender; nothing when all is right."""
    yield from _wire_faults(raw)
    head, _blank, body = raw.partition(b"\r\n\r\n")
    own = links(letter)
    headers = read_headers(head)
    expected = list(expected_headers(letter, own))
    if headers != expected:
        yield f"headers {[pair for pair in headers if pair not in expected]} for {expected}"
    found = list(read_parts(headers, body))
    wanted = [(kind, text.encode()) for kind, text in expected_parts(letter, own)]
    if [kind for kind, _text in found] != [kind for kind, _text in wanted]:
        yield f"parts {[kind for kind, _text in found]} for {[kind for kind, _text in wanted]}"
    for (kind, text), (_kind, expected_text) in zip(found, wanted, strict=False):
        if text != expected_text:
            yield f"{kind}: {_difference(text, expected_text)}"
    if sender != envelope_sender(letter):
        yield f"envelope sender {sender}"
    yield from _stranger_faults(
        letter, "\n".join([*(value for _name, value in headers), *(text.decode() for _kind, text in found)])
    )


def _difference(found: bytes, wanted: bytes) -> str:
    """Say where two texts begin to differ."""
    same = len(commonprefix([found, wanted]))
    return f"after {same} octets {found[same : same + 60]!r} for {wanted[same : same + 60]!r}"


def _wire_faults(raw: bytes) -> Iterator[str]:
    """Lines of at most 76 columns and CRLF, nothing that a relay would stuff, strip or encode (RFC 5321, RFC 2045)."""
    if not raw.endswith(b"\r\n") or raw.count(b"\r") != raw.count(b"\n") or raw.count(b"\r\n") != raw.count(b"\n"):
        yield "a bare CR or LF"
    body = raw[raw.find(b"\r\n\r\n") :]
    if max(map(len, body.split(b"\r\n"))) > 76:
        yield "a line of more than 76 columns"
    if b"\n." in raw or b"\nFrom " in raw:
        yield "a line that begins with a dot or From"
    if b" \r" in raw or b"\t" in raw:
        yield "a blank at the end of a line, or a tab"
    if not re.sub(rb"\nTo: [^\r]*", b"", raw, count=1).isascii() or b"\0" in raw:
        yield "an octet that is not ASCII, and not in To"


def _stranger_faults(letter: Letter, shown: str) -> Iterator[str]:
    """Every token opens its door for this reader, and nobody else's address is anywhere."""
    names = [FOLDERS.get(name, name) for name in LINK_SETS[letter.edition.link_set]]
    if shown.count("/t/") != len(DOOR.findall(shown)):
        yield "a link without a whole token"
    for name, scope, token in DOOR.findall(shown):
        if name not in (*names, "send") or opened(letter.edition.house, name, scope, token) != _claims(letter, name):
            yield f"a token for {name} {scope!r} that is not this reader's"
    if names and not {name for name, _scope, _token in DOOR.findall(shown)} >= set(names):
        yield "a link is missing"
    if shown.count(READERS) != 1:
        yield "an address that is not the one in To"


def _claims(letter: Letter, name: str) -> tuple[bytes, int, int]:
    version = 0 if name in ("confirm", "share/never") else letter.version % 256
    return letter.key, version, _day(letter.at)


def opened(house: House, name: str, scope: str, token: str) -> tuple[bytes, int, int] | None:
    """Return reader, link version and day of a token, if it opens this door."""
    raw = base64.b32decode(token.upper() + "=")
    digest = unquote(scope) if name == "unsubscribe" else ""
    if raw[19:] != _code(house, PURPOSES.get(name, name), digest, raw[:19]):
        return None
    return raw[:16], raw[16], raw[17] * 256 + raw[18]


@lru_cache
def _token_key(secret_key: bytes) -> bytes:
    return hashlib.sha256(b"postrider tokens" + secret_key).digest()


def _code(house: House, purpose: str, scope: str, payload: bytes) -> bytes:
    said = purpose.encode() + b"\0" + scope.encode() + b"\0" + payload
    return hmac.new(_token_key(house.secret_key), said, hashlib.sha256).digest()[:10]


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().lower().replace("=", "")


def _day(at: datetime) -> int:
    return (at - datetime(2024, 1, 1, tzinfo=UTC)).days


def links(letter: Letter) -> dict[str, str]:
    """Return the reader's own links by name."""
    edition = letter.edition
    made = {}
    for name in LINK_SETS[edition.link_set]:
        scope = edition.digest if name == "unsubscribe" else ""
        folder = FOLDERS.get(name, name)
        token = _token(letter, folder, scope)
        folder = f"{folder}/{quote(scope, safe='')}" if scope else folder
        made[name] = f"{edition.house.base_url}/{folder}/t/{token}"
    if edition.link_set == "reader":
        # Of the link beside a story only the token is the reader's own.
        made["share"] = _token(letter, "send", "")
    return made


def _token(letter: Letter, name: str, scope: str) -> str:
    key, version, day = _claims(letter, name)
    payload = key + bytes([version, day // 256, day % 256])
    return _base32(payload + _code(letter.edition.house, PURPOSES.get(name, name), scope, payload))


def envelope_sender(letter: Letter) -> str:
    """Return the address that bounces of a letter come back to."""
    return _own_address(letter, "b", "verp")


def leave_address(letter: Letter) -> str:
    """Return the address that a reader leaves by, with a mail."""
    return _own_address(letter, "u", "verp-leave")


def _own_address(letter: Letter, prefix: str, purpose: str) -> str:
    number = letter.number.to_bytes(8, "big")
    token = _base32(number + _code(letter.edition.house, purpose, "", number))
    return f"{prefix}+{token}@{letter.edition.house.bounce_domains[letter.edition.lane]}"


def expected_headers(letter: Letter, own: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Return the headers in order, as a mail program shows them."""
    edition, house = letter.edition, letter.edition.house
    number = letter.number.to_bytes(8, "big")
    yield "From", f"{edition.sender_name} <{edition.sender}>"
    yield "To", letter.to
    yield "Subject", edition.subject
    yield "Date", format_datetime(letter.at)
    yield "Message-ID", f"<{_base32(_code(house, 'message-id', '', number))}@{house.domain}>"
    if edition.reply_to:
        yield "Reply-To", edition.reply_to
    if edition.lane in ("transactional", "share"):
        yield "Auto-Submitted", "auto-generated"
    if edition.list_id:
        yield "List-Id", edition.list_id
    if edition.lane != "transactional" and edition.link_set in LEAVES:
        yield "List-Unsubscribe", f"<{own[LEAVES[edition.link_set]]}>, <mailto:{leave_address(letter)}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"
    yield "Feedback-ID", edition.feedback
    yield "MIME-Version", "1.0"
    if edition.format == "both":
        yield "Content-Type", 'multipart/alternative; boundary="=_postrider"'
    else:
        yield "Content-Type", TYPE.format("plain")
        yield "Content-Transfer-Encoding", QP


def expected_parts(letter: Letter, own: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Return the parts by their types, with CRLF between lines: the templates with the links put in."""
    text, markup = _templates(letter.edition)
    for name, link in own.items():
        text = text.replace(f"⟦{name}⟧", link)
        markup = markup.replace(f"⟦{name}⟧", html.escape(link))
    yield TYPE.format("plain"), text
    if letter.edition.format == "both":
        yield TYPE.format("html"), markup


@lru_cache(maxsize=2048)
def _templates(edition: Edition) -> tuple[str, str]:
    """Return the text and the HTML of all parts, as one string each; the line ends are each part's own."""
    text, markup = (
        "".join(re.sub("\r\n|\r|\n", "\r\n", part) for part in parts) for parts in zip(*edition.parts, strict=True)
    )
    return text, markup


def read_headers(head: bytes) -> list[tuple[str, str]]:
    """Return names and values, unfolded and decoded (RFC 5322, section 2.2.3; RFC 2047)."""
    lines = head.decode().replace("\r\n ", " ").split("\r\n")
    pairs = [(name, value) for name, _colon, value in (line.partition(": ") for line in lines)]
    return [(name, _mailbox(value) if name == "From" else _words(value)) for name, value in pairs]


def _words(value: str) -> str:
    """Return a value with its encoded words decoded; blanks between two of them are none."""
    joined = value.replace("?= =?", "?==?") if value.startswith("=?") else value
    return WORD.sub(lambda match: base64.b64decode(match[1], validate=True).decode(), joined)


def _mailbox(value: str) -> str:
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)" (<[^<>]*>)', value)
    if not quoted:
        return _words(value)
    name = re.sub(r"\\(.)", r"\1", quoted[1])
    return f"{name} {quoted[2]}"


def read_parts(headers: list[tuple[str, str]], body: bytes) -> Iterator[tuple[str, bytes]]:
    """Return the parts by their types, decoded (RFC 2045, section 6.7; RFC 2046, section 5.1)."""
    kind = dict(headers).get("Content-Type", "")
    boundary = re.fullmatch(r'multipart/alternative; boundary="(.*)"', kind)
    if not boundary:
        yield kind, _decoded(body)
        return
    edge = b"--" + boundary[1].encode()
    _preamble, *parts, rest = (b"\r\n" + body).split(b"\r\n" + edge)
    if _preamble or rest != b"--\r\n":
        yield "something before or after the parts", _preamble + rest
    for part in parts:
        part_head, _blank, text = part.partition(b"\r\n\r\n")
        named = dict(read_headers(part_head.removeprefix(b"\r\n")))
        encoded = named.pop("Content-Transfer-Encoding", "") == QP
        yield named.pop("Content-Type", ""), _decoded(text) if encoded and not named else b""


def _decoded(octets: bytes) -> bytes:
    if re.search(rb"=(?![0-9A-F]{2}|\r\n)", octets):
        return b"an = that encodes nothing"
    return binascii.a2b_qp(octets)
