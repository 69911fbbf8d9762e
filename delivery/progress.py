"""How far mailings are: counted, how fast it goes, and when it will be over. Everything here only reads."""

import json
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, exists, func, literal_column, or_, select, true, union_all

from core.database import db
from delivery import control, incoming, states
from delivery.models import Delivery, Mailing
from delivery.states import State

WAITING = (State.PLANNED, State.CLAIMED, State.SENDING)
"""What is still to be handed over."""
UNDER_WAY = ("running", "paused")
WINDOW_S = 30.0
"""Over how many seconds, at most, a rate is taken: long enough to be calm, short enough to follow a change."""
IN_DOUBT = incoming.is_in(State.IN_DOUBT)
PLANNED = incoming.is_in(State.PLANNED)
LEFT_THE_QUEUE = ~PLANNED
"""Said in so many words wherever it holds: SQLite finds a partial index by its words alone."""

_CAME_BACK = (Delivery.returned_at.is_not(None), incoming.is_in(State.SENT))


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a mailing is at one moment. `unsettled` is how many of its doubts still wait for proof or a decision.

    `returned` is how many of those handed over came back later, by class (delivery.classes): they stay handed over.
    """

    id: int
    key: str
    lane: int
    state: str
    why_paused: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    unsettled: int = 0
    resends: bool = False
    returned: Mapping[str, int] = field(default_factory=dict)

    def count(self, *wanted: State) -> int:
        """Return how many of its mails are in one of these states."""
        return sum(self.counts.get(state, 0) for state in wanted)

    @property
    def total(self) -> int:
        """Return how many mails it has."""
        return sum(self.counts.values())

    @property
    def handed_over(self) -> int:
        """Return how many mails the relay has taken."""
        return self.count(State.SENT)

    @property
    def waiting(self) -> int:
        """Return how many mails are still to be handed over."""
        return self.count(*WAITING)

    @property
    def ended(self) -> int:
        """Return how many mails wait for nothing any more, whatever became of them."""
        return self.total - self.waiting

    @property
    def over(self) -> bool:
        """Return whether nothing more happens by itself: no mail waits, and no doubt that would be sent once more."""
        return not self.waiting and not (self.unsettled and self.resends and self.state in UNDER_WAY)


def of(key: str) -> Standing:
    """Return how far one mailing is. Raises NotFound, whose sentence names the mailings with nearly that key."""
    (found,) = _standings(Mailing.id == control.by_key(key).id)
    return found


def of_all() -> list[Standing]:
    """Return how far every mailing is that has mails, in the order of their keys."""
    return [one for one in _standings(true()) if one.total]


def of_running() -> list[Standing]:
    """Return how far the mailings are that are running or paused, and not over."""
    mails = Delivery.mailing_id == Mailing.id
    planned = exists().where(mails, PLANNED)
    leased = exists().where(mails, LEFT_THE_QUEUE, incoming.is_in(*states.LEASED))
    doubtful = exists().where(mails, LEFT_THE_QUEUE, IN_DOUBT, Delivery.done_at.is_(None))
    has_open = or_(planned, leased, doubtful)
    return [one for one in _standings(and_(Mailing.state.in_(UNDER_WAY), has_open)) if not one.over]


def of_these(ids: Collection[int]) -> list[Standing]:
    """Return how far these mailings are, whatever their state."""
    return _standings(Mailing.id.in_(ids)) if ids else []


def _standings(which: ColumnElement[bool]) -> list[Standing]:
    """Count in one statement, so that a mailing that is being closed is neither counted twice nor left out."""
    open_doubts = (
        select(func.count())
        .where(Delivery.mailing_id == Mailing.id, LEFT_THE_QUEUE, IN_DOUBT, Delivery.done_at.is_(None))
        .scalar_subquery()
    )
    chosen = (
        select(Mailing.id, Mailing.key, Mailing.lane, Mailing.state, Mailing.why_paused, Mailing.doubt_policy)
        .add_columns(Mailing.counts, case((Mailing.counts.is_(None), open_doubts), else_=0).label("unsettled"))
        .where(which)
        .cte("chosen")
    )
    uncounted = select(chosen.c.id).where(chosen.c.counts.is_(None))
    # Each half is an index of its own: no row need be read.
    live = union_all(
        select(Delivery.mailing_id, literal_column("'planned'").label("state"), func.count().label("found"))
        .where(Delivery.mailing_id.in_(uncounted), PLANNED)
        .group_by(Delivery.mailing_id),
        select(Delivery.mailing_id, Delivery.state, func.count())
        .where(Delivery.mailing_id.in_(uncounted), LEFT_THE_QUEUE)
        .group_by(Delivery.mailing_id, Delivery.state),
    ).subquery()
    rows = db.session.execute(
        select(chosen, live.c.state.label("mails_are"), live.c.found)
        .outerjoin(live, live.c.mailing_id == chosen.c.id)
        .order_by(chosen.c.key, live.c.state)
    )
    by_mailing: dict[int, list[Row[*tuple[Any, ...]]]] = {}
    for row in rows:
        by_mailing.setdefault(row.id, []).append(row)
    came_back = _returned(by_mailing)
    return [_standing(each, came_back.get(number, {})) for number, each in by_mailing.items()]


def returned() -> Mapping[str, int]:
    """Return how many of all mails that were handed over came back later, by class."""
    by_class = select(Delivery.returned_as, func.count()).where(*_CAME_BACK).group_by(Delivery.returned_as)
    return {str(name): count for name, count in db.session.execute(by_class)}


def _returned(ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Return by mailing what came back of it: a small index has all that is needed."""
    counted = (
        select(Delivery.mailing_id, Delivery.returned_as, func.count().label("found"))
        .where(Delivery.mailing_id.in_(ids), *_CAME_BACK)
        .group_by(Delivery.mailing_id, Delivery.returned_as)
        .order_by(Delivery.returned_as)
    )
    found: dict[int, dict[str, int]] = {}
    for row in db.session.execute(counted) if ids else ():
        found.setdefault(row.mailing_id, {})[str(row.returned_as)] = row.found
    return found


def _standing(rows: Sequence[Row[*tuple[Any, ...]]], came_back: Mapping[str, int]) -> Standing:
    row = rows[0]
    counted = {one.mails_are: one.found for one in rows if one.mails_are is not None}
    return Standing(
        id=row.id,
        key=row.key,
        lane=row.lane,
        state=row.state,
        why_paused=row.why_paused,
        counts=counted if row.counts is None else dict(sorted(json.loads(row.counts).items())),
        unsettled=row.unsettled,
        resends=row.doubt_policy == "resend",
        returned=came_back,
    )


class Pace:
    """How fast something goes, from what it came to at the last looks. Times are in seconds of any steady clock."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._looks: deque[tuple[float, int]] = deque()

    def look(self, at: float, amount: int) -> None:
        """Note how much it is at a moment. One look more than the window holds is kept, so that it is always full."""
        self._looks.append((at, amount))
        while len(self._looks) > 2 and at - self._looks[1][0] >= self._window_s:
            self._looks.popleft()

    @property
    def rate(self) -> float | None:
        """Return how much it is in a second; None before two looks."""
        if len(self._looks) < 2:
            return None
        (first_at, first), (last_at, last) = self._looks[0], self._looks[-1]
        return max(0.0, (last - first) / (last_at - first_at)) if last_at > first_at else None


def estimated_end(waiting: int, rate: float | None, now: datetime) -> datetime | None:
    """Return when so many will be through at this rate; None when nobody can say, or it is longer than a year."""
    if not waiting or not rate or waiting / rate > timedelta(days=365).total_seconds():
        return None
    return now + timedelta(seconds=waiting / rate)


def oldest_due(now: datetime) -> dict[int, datetime]:
    """Return by lane since when its oldest mail could have left; of running mailings only, and not when none is due.

    It steps through the index of the queue, from one mailing and provider to the next, and reads no row twice.
    """
    lowest = select(func.min(Delivery.provider)).where(Delivery.mailing_id == Mailing.id, PLANNED).scalar_subquery()
    steps = (
        select(Mailing.lane, Mailing.id.label("mailing_id"), lowest.label("provider"))
        .where(Mailing.state == "running")
        .cte("steps", recursive=True)
    )
    queue = and_(Delivery.mailing_id == steps.c.mailing_id, PLANNED)
    following = select(func.min(Delivery.provider)).where(queue, Delivery.provider > steps.c.provider)
    steps = steps.union_all(
        select(steps.c.lane, steps.c.mailing_id, following.scalar_subquery()).where(steps.c.provider.is_not(None))
    )
    queue = and_(Delivery.mailing_id == steps.c.mailing_id, Delivery.provider == steps.c.provider, PLANNED)
    first = select(func.min(Delivery.next_attempt_at)).where(queue).scalar_subquery()
    firsts = select(steps.c.lane, first.label("due_at")).where(steps.c.provider.is_not(None)).subquery()
    rows = db.session.execute(select(firsts.c.lane, func.min(firsts.c.due_at)).group_by(firsts.c.lane))
    return {lane: due_at for lane, due_at in rows if due_at is not None and due_at <= now}
