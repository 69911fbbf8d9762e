"""What a relay says, and what it means: every reply is one of a few verdicts, which the table of classes decides.

The code alone never decides: a 454 at login is another thing than one after the message.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

from core import logs
from delivery import classes
from delivery.classes import Class, Row, Then

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
    """A verdict with the relay's words. `usable` says whether the line can carry another mail.

    `row` is what the table of classes says of them, where they are a refusal of any kind.
    """

    verdict: Verdict
    code: int | None
    text: str
    usable: bool
    row: Row | None = field(default=None, compare=False, repr=False)

    @property
    def our_fault(self) -> bool:
        """Return whether it counts as our own fault: too many of them pause the mailing."""
        unfit = self.verdict is Verdict.UNFIT and self.row is not None and self.row.our_fault
        return unfit or self.verdict is Verdict.POLICY

    @property
    def backs_off(self) -> bool:
        """Return whether the provider says that we are too fast, and is to be left alone at once."""
        return self.verdict is Verdict.LATER and self.row is not None and self.row.then is Then.BACK_OFF


LOGIN = (530, 534, 535, 538)
"""Login wanted or refused (RFC 4954, section 6)."""
_CLOSING = 421
_POLICY = (Class.REFUSAL, Class.CONFIG, Class.SENDER)
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


def judged(code: int | None, text: str, *, usable: bool, about_us: bool = False, provider: int = 0) -> Reply:
    """Return a reply that is not the one hoped for. `about_us` is for MAIL, which names no recipient."""
    if code is None or not 400 <= code < 600:
        return Reply(Verdict.NONSENSE, code, text, usable)
    action = "refused" if code >= 500 else "put off"
    row = classes.classify(action=action, code=code, status="", text=text, provider=provider)
    return Reply(_verdict(code, row, about_us=about_us), code, text, usable, row)


def unfit(text: str) -> Reply:
    """Return that the relay cannot carry a mail, which was seen without asking it."""
    row = classes.classify(action="refused", code=None, status="", text=text, provider=0)
    return Reply(Verdict.UNFIT, None, text, usable=True, row=row)


def _verdict(code: int, row: Row, *, about_us: bool) -> Verdict:
    if code in LOGIN:
        return Verdict.LOGIN
    if row.then is Then.SLOW or (code == _CLOSING and (about_us or row.then is not Then.BACK_OFF)):
        return Verdict.THROTTLED
    if about_us:
        return Verdict.POLICY if code >= 500 else Verdict.THROTTLED
    if row.means in _POLICY:
        return Verdict.POLICY
    if code < 500 or row.means is Class.THROTTLE:
        return Verdict.LATER
    return Verdict.UNFIT if row.means is Class.OURS else Verdict.REFUSED


def short(text: str) -> str:
    """Return a reply as one line of at most 300 characters, without control characters.

    Relays like to repeat the recipient's address. The ledger keeps replies, but no address of a mail that is done.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return logs.mask(text.strip())[:300]
