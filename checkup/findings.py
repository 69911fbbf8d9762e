"""What a check finds: how bad it is, what is, in one sentence, and the exact record that would be right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

STRING = 255
"""Octets in one string of a TXT record (RFC 1035, section 3.3)."""
_SHOWN = 160
"""Characters of a stranger's record that are shown."""


class Level(Enum):
    """How bad a finding is. With an error, receivers turn mail away, or bounces do not come back."""

    GOOD = "good"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Record:
    """A record to set in the DNS. `value` is as a form of a DNS provider takes it, a TXT as one text."""

    name: str
    type: str
    value: str

    @property
    def line(self) -> str:
        """Return the record as it stands in a zone file; a long text is cut into strings, which readers join."""
        if self.type != "TXT":
            return f"{self.name}. IN {self.type} {self.value}"
        cut = [self.value[start : start + STRING] for start in range(0, len(self.value), STRING)]
        quoted = " ".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in cut)
        return f"{self.name}. IN TXT {quoted}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `code` names its kind for scripts: `spf.missing`; `about` is the domain or address."""

    level: Level
    code: str
    about: str
    text: str
    records: tuple[Record, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes it the same finding at another time."""
        return self.code, self.about


def worst(found: Iterable[Finding]) -> Level:
    """Return the level of the worst of the findings."""
    order = list(Level)
    return max((one.level for one in found), key=order.index, default=Level.GOOD)


def counts(found: Sequence[Finding]) -> dict[str, int]:
    """Return how many findings there are of each level, the worst first."""
    return {level.value: sum(one.level is level for one in found) for level in reversed(Level)}


def shown(text: str) -> str:
    """Return a record that somebody else wrote as it can be printed: cut short where it is long."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
