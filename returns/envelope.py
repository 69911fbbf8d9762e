"""Which delivery of ours a mail is about: the signed tokens in it, and how far each place can be trusted.

A token is signed, so wherever it stands it names a mail that we sent. But one report may speak of one delivery only.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core import errors
from core.tokens import Tokens
from delivery import verp
from returns import mime
from returns.mime import Part

DELIVERED_TO = ("delivered-to", "x-original-to", "x-delivered-to", "envelope-to", "x-envelope-to", "x-rcpt-to")
"""Where servers write to whom a mail was really delivered; the top one is the last server's."""
_OUTSIDE = (*DELIVERED_TO, "to", "cc", "resent-to")
_FOUND = re.compile(r"(?<![a-z0-9])([bu]\+)([a-z2-7]{29})@", re.IGNORECASE)
"""Also behind what relays write before it, such as `prvs=1234abcd=` or `SRS0=…=`."""
MOST = 20
"""So many tokens are looked at in one place: each costs a signature."""


@dataclass(frozen=True, slots=True)
class Named:
    """What one place names: deliveries of ours, and one thing that only looks like a token of ours."""

    deliveries: frozenset[int] = frozenset()
    foreign: str = ""

    def __bool__(self) -> bool:
        """Return whether anything is named that we signed."""
        return bool(self.deliveries)


def outside(mail: Part, *, tokens: Tokens, prefix: str = verp.PREFIX) -> Named:
    """Return what the envelope's recipient names, with one prefix: what the servers on the way wrote, else To."""
    return named(mail.every(*_OUTSIDE), tokens=tokens, prefixes=(prefix,))


def named(texts: Iterable[str], *, tokens: Tokens, prefixes: tuple[str, ...] = (verp.PREFIX,)) -> Named:
    """Return which deliveries are named anywhere in some texts, by tokens of these prefixes."""
    found: set[int] = set()
    foreign = ""
    seen = 0
    for text in texts:
        for match in _FOUND.finditer(text):
            prefix, token = match[1].lower(), match[2].lower()
            if prefix not in prefixes or seen >= MOST:
                continue
            seen += 1
            try:
                found.add(verp.read(token, tokens=tokens, prefix=prefix))
            except errors.LinkDamaged:
                foreign = foreign or token
    return Named(frozenset(found), foreign)


def returned(mail: Part) -> list[str]:
    """Return where a mail that came back names its envelope sender, and where we wrote the address to leave by."""
    inner = [part for part in mail.own() if part.kind in _RETURNED]
    return [value for part in inner[:4] for name, value in _headers(part) if name in _OURS]


def _headers(part: Part) -> Sequence[tuple[str, str]]:
    """Return the headers of a mail that is carried whole, or as its headers alone."""
    if part.parts:
        return part.parts[0].headers
    return mime.fields(re.split(rb"\r?\n\r?\n", part.octets().lstrip(b"\r\n"), maxsplit=1)[0])


_RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")
"""RFC 3462, section 2, and RFC 6533, section 6.3."""
_OURS = ("return-path", "x-envelope-from", "x-original-mail-from", "errors-to", "list-unsubscribe")
