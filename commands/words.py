"""How far mailings are, in words for people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core import characters, logs
from delivery.classes import BOUNCES, Class
from delivery.progress import Standing
from delivery.states import State

_ELSE = {
    State.FAILED: "refused",
    State.SUPPRESSED: "not to be mailed any more",
    State.EXPIRED: "too late to be of use",
    State.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Course:
    """How far a mailing is, how fast it goes, when it will be over, and what keeps it. Rates are in mails a second."""

    standing: Standing
    rate: float | None = None
    ends_at: datetime | None = None
    held_back_by: str | None = None
    composing: bool = False

    @property
    def over(self) -> bool:
        """Return whether nothing more happens by itself."""
        return self.standing.over and not self.composing


def how_far(*standings: Standing) -> str:
    """Return what became of the mails of one or more mailings: `61,204 of 100,000 handed over, 38,784 waiting`."""
    total, handed_over = sum(one.total for one in standings), sum(one.handed_over for one in standings)
    parts = [f"{handed_over:,} of {total:,} handed over{_came_back(standings)}"]
    for state, word in _ELSE.items():
        if count := sum(one.count(state) for one in standings):
            parts.append(f"{count:,} {word}")
    if waiting := sum(one.waiting for one in standings):
        parts.append(f"{waiting:,} waiting")
    if doubtful := sum(one.count(State.IN_DOUBT) for one in standings):
        parts.append(cannot_tell(doubtful))
    return ", ".join(parts)


def _came_back(standings: Sequence[Standing]) -> str:
    """Return what of it came back later, by class: ` (12 bounced later: 8 hard, 4 full; 2 called it spam)`."""
    found = Counter[str]()
    for one in standings:
        found.update(one.returned)
    bounced = {name: found[name] for name in reversed(BOUNCES) if found[name]}
    parts = []
    if bounced:
        by_class = ", ".join(f"{count:,} {name}" for name, count in bounced.items())
        parts.append(f"{sum(bounced.values()):,} bounced later: {by_class}")
    if complaints := found[Class.COMPLAINT]:
        parts.append(f"{complaints:,} called it spam")
    return f" ({'; '.join(parts)})" if parts else ""


def cannot_tell(count: int) -> str:
    """Return how many mails are in doubt."""
    return f"we cannot tell for {count:,} {'reader' if count == 1 else 'readers'}"


def plain(text: str) -> str:
    """Return words that a relay may have written, fit for a terminal: no control characters, and no address."""
    return logs.mask("".join(char if char == " " or not characters.is_hidden(char) else " " for char in text))


def course(one: Course, now: datetime) -> str:
    """Return one line for one mailing."""
    parts = [how_far(one.standing)]
    if one.composing:
        parts.append("still being composed")
    parts.append(_keeps(one) or _pace(one.rate, one.ends_at, one.standing.waiting, now))
    return f"{one.standing.key}: " + "; ".join(part for part in parts if part)


def courses(found: Sequence[Course], now: datetime) -> str:
    """Return one line for all mailings together."""
    if len(found) == 1:
        return course(found[0], now)
    rates = [one.rate for one in found if one.rate is not None]
    ends = [one.ends_at for one in found if one.standing.waiting]
    ends_at = max((end for end in ends if end is not None), default=None) if None not in ends else None
    waiting = sum(one.standing.waiting for one in found)
    pace = _pace(sum(rates) if rates else None, ends_at, waiting, now)
    return f"{len(found)} mailings: " + "; ".join(
        part for part in (how_far(*(one.standing for one in found)), pace) if part
    )


def _keeps(one: Course) -> str:
    """Return what keeps a mailing from going on; nothing, when nothing does."""
    if one.standing.state in ("paused", "cancelled"):
        return ": ".join(filter(None, (one.standing.state, plain(one.standing.why_paused or ""))))
    if one.held_back_by is not None and one.standing.waiting:
        return f"{one.standing.waiting:,} held back until 00:00 UTC by the ceiling of {one.held_back_by}"
    return ""


def _pace(rate: float | None, ends_at: datetime | None, waiting: int, now: datetime) -> str:
    if not waiting or rate is None:
        return ""
    speed = f"{rate:,.0f} a second" if rate >= 10 else f"{rate:.1f} a second" if rate >= 0.05 else "none just now"
    return speed if ends_at is None else f"{speed}; over at about {ends_at:%H:%M:%S} UTC, in {span(ends_at - now)}"


def span(span: timedelta) -> str:
    """Return how long something takes, as people say it."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 90:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
