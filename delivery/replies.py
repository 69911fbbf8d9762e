"""What a relay says, and what it means: every reply is one of a few verdicts.

The code alone never decides: a 454 at login is another thing than one after the message.
"""

import re
from dataclasses import dataclass
from enum import Enum

from core import logs

MAX_REPLY = 16_384
"""Octets of one reply; a relay that says more is talking nonsense."""


class Verdict(Enum):
    """What a transaction came to."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """For good, because of the recipient."""
    LATER = "later"
    """For now, because of the recipient or who runs the receiving side."""
    POLICY = "policy"
    """Because of us: reputation, authentication, permission to relay. Never the recipient's fault."""
    THROTTLED = "throttled"
    """We are too fast, or the relay is too busy: the same mail, slower."""
    LOGIN = "login"
    """The relay wants a login, or does not take ours."""
    UNFIT = "unfit"
    """The relay cannot carry this mail at all: too large, or an address that it does not know how to write."""
    RELAY = "relay"
    """Not accepted, and nobody's fault but the line's."""
    NONSENSE = "nonsense"
    """Not accepted, and what was said is no reply."""
    DOUBT = "doubt"
    """The message was out and the reply did not come: accepted or not, nobody knows."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A verdict with the relay's words. `usable` says whether the line can carry another mail."""

    verdict: Verdict
    code: int | None
    text: str
    usable: bool


LOGIN = (530, 534, 535, 538)
"""Login wanted or refused (RFC 4954, section 6)."""
_CLOSING = 421
_THROTTLE = re.compile(
    r"\bthrottl|\brate (limit )?(is )?exceeded|\btoo (many|fast)\b.*\b(second|minute|rate)", re.IGNORECASE
)
"""As some relays say with 454 or 450, also after the message: sending rate exceeded, not this mail refused."""
_POLICY = re.compile(
    r"\b5\.7\.\d|\brelay(ing)? (access |is )?(denied|not permitted|not allowed|prohibited)|\bto relay\b",
    re.IGNORECASE,
)
"""The word alone says nothing: a user can be "unknown in relay recipient table", or at relay.example.org."""


_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)


def read(raw: bytes) -> tuple[int | None, str]:
    """Return code and text of one whole reply (RFC 5321, section 4.2); no code for what is no reply."""
    found = [_LINE.fullmatch(line.rstrip(b"\r")) for line in raw.split(b"\n") if line not in (b"", b"\r")]
    lines = [match for match in found if match]
    if not lines or len(lines) < len(found) or lines[-1][2] == b"-":
        return None, short(raw.decode("utf-8", "replace"))
    codes = {match[1] for match in lines}
    text = " ".join((match[3] or b"").decode("utf-8", "replace") for match in lines)
    return (int(codes.pop()) if len(codes) == 1 else None), short(text)


def judge(code: int | None, text: str, *, about_us: bool = False) -> Verdict:
    """Return what a reply means that is not the one hoped for. `about_us` is for MAIL, which names no recipient."""
    if code is None or not 400 <= code < 600:
        return Verdict.NONSENSE
    if code in LOGIN:
        return Verdict.LOGIN
    if code == _CLOSING or (code < 500 and (code == 454 or _THROTTLE.search(text))):
        return Verdict.THROTTLED
    if code >= 500 and (about_us or _POLICY.search(text)):
        return Verdict.POLICY
    if about_us:
        return Verdict.THROTTLED
    return Verdict.REFUSED if code >= 500 else Verdict.LATER


def short(text: str) -> str:
    """Return a reply as one line of at most 300 characters, without control characters.

    Relays like to repeat the recipient's address. The ledger keeps replies, but no address of a mail that is done.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return logs.mask(text.strip())[:300]
