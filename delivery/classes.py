"""What a reply, a bounce or other news about a mail means: the rows of classes.toml, read once, and who they fit.

Decided is by action, code, enhanced code, words and provider together, never by the first digit alone.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("classes.toml")
LONGEST: Final = 2000
"""Characters of the words that are looked at: what a reply has to say stands at its beginning."""


class Class(StrEnum):
    """What news about a mail amounts to. What comes later outranks what comes before, and is never taken back."""

    NONE = "none"
    LEFT = "left"
    TRANSIENT = "transient"
    THROTTLE = "throttle"
    CONFIG = "config"
    OURS = "ours"
    SENDER = "sender"
    REFUSAL = "refusal"
    UNDETERMINED = "undetermined"
    SOFT = "soft"
    FULL = "full"
    DOMAIN = "domain"
    HARD = "hard"
    COMPLAINT = "complaint"


class Then(StrEnum):
    """What follows."""

    NOTHING = "nothing"
    RETRY = "retry"
    BACK_OFF = "back off"
    """The provider is left alone for a while."""
    SLOW = "slow the relay"
    COUNT = "count"
    """Enough of them suppress: see Counting."""
    SUPPRESS = "suppress"
    LEAVE = "leave"
    ALARM = "alarm"
    """Our own fault: in the session it counts for the failure limit, and as a report operators are told."""
    STOP = "stop"
    """As ALARM; every other mail would fare alike."""


RANK: Final[Mapping[str, int]] = {one.value: rank for rank, one in enumerate(Class)}
OUR_FAULT: Final = (Class.CONFIG, Class.OURS, Class.SENDER, Class.REFUSAL)
BOUNCES: Final = tuple(one for one in Class if one not in (Class.NONE, Class.LEFT, Class.COMPLAINT))
ANSWERS: Final = ("failed", "delayed", "refused", "put off")
"""The actions that a row without one is for."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How many within which time suppress, `over` how long at least, and for how long; without an end for good."""

    times: int
    within: timedelta
    over: timedelta
    ends_after: timedelta | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. Patterns that are None fit everything."""

    name: str
    means: Class
    then: Then
    actions: tuple[str, ...]
    code: re.Pattern[str] | None
    status: re.Pattern[str] | None
    text: re.Pattern[str] | None
    provider: int | None
    example: Mapping[str, Any]

    def fits(self, said: "Said") -> bool:
        """Return whether this row is about what was said."""
        return (
            said.action in self.actions
            and (self.provider is None or self.provider == said.provider)
            and (self.status is None or self.status.fullmatch(said.status) is not None)
            and (self.code is None or self.code.fullmatch(said.code) is not None)
            and (self.text is None or self.text.search(said.text) is not None)
        )

    @property
    def our_fault(self) -> bool:
        """Return whether it counts as a fault of ours, which too many of pause the mailing."""
        return self.then in (Then.ALARM, Then.STOP)


@dataclass(frozen=True, slots=True)
class Said:
    """What was said, as rows are compared with it. Without an enhanced code the status is `none`."""

    action: str
    code: str
    status: str
    text: str
    provider: int


def _pattern(text: str | None) -> re.Pattern[str] | None:
    """Return an expression; one that stands on several lines is joined."""
    return None if text is None else re.compile("".join(text.strip().splitlines()))


def _row(table: Mapping[str, Any]) -> Row:
    return Row(
        name=table["name"],
        means=Class(table["class"]),
        then=Then(table["then"]),
        actions=tuple(table["action"].split("|")) if "action" in table else ANSWERS,
        code=_pattern(table.get("code")),
        status=_pattern(table.get("status")),
        text=_pattern(table.get("text")),
        provider=table.get("provider"),
        example=table["example"],
    )


def _counting(table: Mapping[str, Any]) -> Counting:
    ends = table.get("ends_after_days")
    return Counting(
        times=table["times"],
        within=timedelta(days=table["within_days"]),
        over=timedelta(days=table.get("over_days", 0)),
        ends_after=None if ends is None else timedelta(days=ends),
    )


_TABLE = tomllib.loads(FILE.read_text("utf-8"))
ROWS: Final = tuple(_row(one) for one in _TABLE["row"])
_NO_BOUNCE: Final = next(row for row in ROWS if row.means is Class.NONE)
"""What an action means that nobody has heard of."""
COUNTING: Final = {Class(name): _counting(one) for name, one in _TABLE["counting"].items()}

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_CODE = re.compile(r"(?:^|said: |; ?)(?:smtp; ?)?([245]\d\d)(?=[ -]|$)|\b([245]\d\d)[ -](?=[245]\.\d{1,3}\.\d{1,3}\b)")
_CODES = re.compile(r"(?<![\d.])(?:[245]\d\d[ -]+)?[245]\.\d{1,3}\.\d{1,3}(?!\.?\d)|(?<=\s)[245]\d\d-")
_EMPTY = re.compile(r"[245]\.0\.0")


def classify(*, action: str, code: int | None, status: str, text: str, provider: int) -> Row:
    """Return the row that fits what was said. Words may be anything, of any length: it takes the same time, and fails
    never. A code that is not given, and a status that is not given or says nothing (x.0.0), are looked for in the text.
    """
    return _classify(action, code, status[:16], text[:LONGEST], provider)


@lru_cache(maxsize=1024)
def _classify(action: str, code: int | None, status: str, text: str, provider: int) -> Row:
    said = _read(action, code, status, text, provider)
    return next((row for row in ROWS if row.fits(said)), _NO_BOUNCE)


def _read(action: str, code: int | None, status: str, text: str, provider: int) -> Said:
    words = " ".join(text.lower().split())
    known = status if _STATUS.fullmatch(status) and not _EMPTY.fullmatch(status) else ""
    if not known:
        known = next((one for one in _STATUS.findall(words) if not _EMPTY.fullmatch(one)), "none")
    found = _CODE.search(words) if code is None else None
    number = str(code) if code is not None else (found[1] or found[2]) if found else ""
    plain = " ".join(_CODES.sub(" ", words).split())
    return Said(action, number, known, plain, provider)
