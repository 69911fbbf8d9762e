"""What mail services told by webhook: worked off from rows."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from celery import shared_task
from sqlalchemy.exc import InterfaceError, OperationalError

from core import clock, database, logs
from core.database import db
from core.services import current
from delivery import replies, reports
from delivery.signals import Signal
from returns import arrivals
from returns import webhooks as services
from returns.documents import Unreadable
from returns.events import Reading
from returns.models import Arrival

log = logs.get(__name__)
STEP = 100
"""How many arrivals one transaction works off."""
LONGEST_S = 45.0
READERS: Mapping[str, Callable[[bytes], Reading]] = {name: one.read for name, one in services.SERVICES.items()}
"""How to read what came, by its source."""


@shared_task
def work_off() -> None:
    """Work off what they told, some at a time, for at most 45 seconds; what cannot be read is set aside."""
    started, last, count = time.monotonic(), 0, 0
    while time.monotonic() - started < LONGEST_S:
        ids = _step(last)
        if not ids:
            break
        last, count = ids[-1], count + len(ids)
    if count:
        log.info("arrivals worked off", count=count)


def _step(after: int) -> list[int]:
    """Work off the next arrivals in one transaction; return which. When one of them fails, each gets its own."""
    ids: list[int] = []
    try:
        with database.write_turn():
            found = arrivals.waiting(STEP, after=after, sources=READERS)
            ids = [arrival.id for arrival in found]
            _settle(found, clock.utc_now())
            db.session.commit()
    except (OperationalError, InterfaceError):
        db.session.rollback()
        raise
    except Exception:  # a door: one arrival that fails must not keep all others waiting
        log.exception("arrivals not worked off", count=len(ids))
        for one in ids:
            _alone(one)
    return ids


def _alone(arrival_id: int) -> None:
    """Work off one arrival in a transaction of its own. One that fails is set aside, so that it fails once only."""
    try:
        with database.write_turn():
            found = arrivals.waiting(1, after=arrival_id - 1, sources=READERS)
            _settle([arrival for arrival in found if arrival.id == arrival_id], clock.utc_now())
            db.session.commit()
    except (OperationalError, InterfaceError):
        # The database, not the arrival: it waits for the next look.
        db.session.rollback()
        raise
    except Exception as error:  # the same door
        log.exception("arrival set aside", arrival=arrival_id)
        with database.write_turn():
            arrivals.set_aside(db.session.get_one(Arrival, arrival_id), f"A fault of ours: {type(error).__name__}")
            db.session.commit()


def _settle(found: Sequence[Arrival], now: datetime) -> None:
    """Read arrivals, let what they say take effect, and note at the end what they were, all in one statement."""
    news = [_read(arrival) for arrival in found]
    told = [(one, one.signal) for one in news if one.signal is not None]
    came_to = reports.apply([signal for _, signal in told], tokens=current().links.tokens, now=now)
    for (one, _), applied in zip(told, came_to, strict=True):
        one.delivery_id, one.why = applied.delivery_id, replies.short(applied.why) if applied.why else None
    for arrival, one in zip(found, news, strict=True):
        if one.unread:
            arrivals.set_aside(arrival, one.why or "", kind=one.kind)
        else:
            arrivals.settle(arrival, kind=one.kind or "", delivery_id=one.delivery_id, why=one.why)


@dataclass(slots=True)
class _News:
    """What an arrival was, as its row says it, and the signal in it, which takes effect once all are read."""

    kind: str | None = None
    why: str | None = None
    delivery_id: int | None = None
    unread: bool = False
    signal: Signal | None = None


def _read(arrival: Arrival) -> _News:
    try:
        reading = READERS[arrival.source](arrival.raw or b"")
    except Unreadable as error:
        return _News(why=str(error), unread=True)
    if reading.asks:
        log.warning("webhook asks", service=arrival.source, why=reading.why)
        return _News(reading.kind, reading.why, unread=True)
    return _News(reading.kind, reading.why, signal=reading.signal)
