"""The numbers that those who watch an installation ask for: of the ledger, the senders, beat, doubts and alerts.

Everything here only reads, and nothing in it names a reader.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from core import beat
from core.alerts import Alert
from core.database import db, ledger_now
from core.identity import MailIdentity, PostOffice
from delivery import ceilings, progress, refusals
from delivery.classes import BOUNCES, Class
from delivery.gates import HEARTBEAT_OLD_S
from delivery.models import Delivery, Lane, Worker
from delivery.states import State

_LANES = {lane.value: lane.name.lower() for lane in Lane}


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers at one moment. Lanes are by name; ages are in seconds, and None for what was never heard."""

    deliveries: Mapping[tuple[str, str], int]
    oldest_due_s: Mapping[str, float]
    rate: float
    senders: int
    sender_age_s: float | None
    beat_age_s: float | None
    refused: Mapping[str, int]
    returned: Mapping[str, int]
    doubts: int
    alerts: int
    held_back: Mapping[str, int]


def read(post: PostOffice, identity: MailIdentity) -> Figures:
    """Count everything."""
    now = ledger_now(db.session.connection())
    living = Worker.heartbeat_at > now - timedelta(seconds=HEARTBEAT_OLD_S)
    senders, rate = db.session.execute(select(func.count(), func.sum(Worker.rate)).where(living)).one()
    unsettled = select(func.count()).where(progress.IN_DOUBT, Delivery.done_at.is_(None))
    return Figures(
        deliveries=_ledger(),
        oldest_due_s=_oldest_due(now),
        rate=float(rate or 0),
        senders=senders,
        sender_age_s=sender_age_s(now),
        beat_age_s=beat_age_s(now),
        refused=refusals.by_reason(),
        returned={**{one.value: 0 for one in (*BOUNCES, Class.COMPLAINT)}, **progress.returned()},
        doubts=db.session.scalar(unsettled) or 0,
        alerts=db.session.scalar(select(func.count()).where(Alert.closed_at.is_(None))) or 0,
        held_back=ceilings.held_back(ceilings.of_today(post, identity, now), now),
    )


def sender_age_s(now: datetime) -> float | None:
    """Return how long ago any sender was heard; None if there never was one."""
    return _age_s(db.session.scalar(select(func.max(Worker.heartbeat_at))), now)


def beat_age_s(now: datetime) -> float | None:
    """Return how long ago beat was heard; None if it never was."""
    return _age_s(beat.heard_at(), now)


def _age_s(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max(0.0, (now - at).total_seconds())


def _lane(number: int) -> str:
    """Return a lane's name, in small letters as in the settings; a number that a newer version may have brought."""
    return _LANES.get(number, str(number))


def _ledger() -> Mapping[tuple[str, str], int]:
    """Return how many mails there are by lane and state, with a 0 for each state in each lane."""
    found = Counter({(lane, state.value): 0 for lane in _LANES.values() for state in State})
    for standing in progress.of_all():
        for state, count in standing.counts.items():
            found[_lane(standing.lane), state] += count
    return found


def _oldest_due(now: datetime) -> Mapping[str, float]:
    waiting = {_lane(lane): (now - due_at).total_seconds() for lane, due_at in progress.oldest_due(now).items()}
    return dict.fromkeys(_LANES.values(), 0.0) | waiting
