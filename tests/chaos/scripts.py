"""What a recipient's local part asks of the relay: `dot-4xx-2x.r17` is refused after the dot twice and then taken."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ALWAYS: Final = 10**9
_WORDS = re.compile(r"(?:(mail|rcpt|data|body|dot)-([a-z0-9]+)|ok)(?:-(\d+)x)?\.")

REPLIES: Final[Mapping[str, str]] = {
    "4xx": "451 4.3.0 Not now",
    "5xx": "550 5.1.1 There is nobody of this name",
    "421": "421 4.3.2 Closing",
    "454": "454 4.7.0 Throttling: too many mails a second",
    "login": "530 5.7.0 Log in first",
    "policy": "554 5.7.1 Turned away by policy",
}
"""The acts that are a plain reply."""
GARBAGE: Final = (
    b"\xff\xfe\x00\x07\r\n",
    b"hello there\r\n",
    b"2x0 nearly\r\n",
    b"999 What?\r\n",
    b"A" * 9000 + b"\r\n",
)
DOUBTFUL: Final = frozenset({"garbage", "hang", "drop", "lost", "babble"})
"""Acts after the dot that leave the sender without an answer it can read; `lost` and `babble` have accepted before."""
ACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "mail": ("4xx", "5xx", "421", "login"),
    "rcpt": ("4xx", "5xx", "421", "454", "policy", "garbage", "hang", "drop"),
    "data": ("4xx", "5xx", "421", "garbage", "hang", "drop"),
    "body": ("hang", "drop"),
    "dot": ("4xx", "5xx", "421", "454", "policy", "garbage", "hang", "drop", "lost", "babble", "slow"),
}
"""Phase → what can be done in it."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the relay does to one recipient, and for how many transactions; an empty phase is no trouble at all."""

    phase: str = ""
    act: str = ""
    times: int = ALWAYS

    def __str__(self) -> str:
        if not self.phase:
            return "ok"
        return f"{self.phase}-{self.act}" + (f"-{self.times}x" if self.times < ALWAYS else "")

    @property
    def ends(self) -> bool:
        """Whether the relay takes the mail in the end, if it is only asked often enough."""
        return self.times < ALWAYS or not self.phase or self.act == "slow"

    @property
    def doubtful(self) -> bool:
        """Whether the sender cannot know, when it is played, that the mail was not accepted."""
        return self.phase == "body" or (self.phase == "dot" and self.act in DOUBTFUL)


def read(address: str) -> Script:
    """Return the script of an address; one that says nothing is taken at once."""
    found = _WORDS.match(address)
    if found is None or found[1] is None or found[2] not in ACTS[found[1]]:
        return Script()
    return Script(found[1], found[2], int(found[3]) if found[3] else ALWAYS)
