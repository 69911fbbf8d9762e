"""Operators are told: by a task that beat asks for, and by a thread of each sender process, should the queue be away.

Whoever looks first tells; the others find it told. What is wrong stands in the ledger and is read from there.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from celery import shared_task
from flask import Flask, current_app
from sqlalchemy import Engine

from core import alerts, clock, database, logs
from core.alerts import Notice
from core.database import db
from core.services import Services, current
from core.settings import Settings
from delivery import protection, telling, watch
from delivery.telling import Channel

log = logs.get(__name__)

LOOK_S = 60.0
FIRST_LOOK_S = 15.0
"""A sender that has just begun is given a moment: what it finds waiting is no trouble yet."""

_looking = threading.Lock()
_owed: dict[str, list[Notice]] = {}
"""What a channel of this process could not be told, although another one could: tried again at the next look."""


@shared_task
def look() -> None:
    """Look what is wrong with the post office, and tell operators what is due."""
    look_now(db.engine, settings=current_app.extensions["postrider settings"], services=current())


def look_now(engine: Engine, *, settings: Settings, services: Services) -> None:
    """Look and tell. While one look of this process is under way, a second one does nothing: a channel may be slow."""
    if not _looking.acquire(blocking=False):
        return
    try:
        _look(engine, settings, services)
        notices, claimed_at = _claim(engine, settings)
        _tell(engine, notices, claimed_at, telling.channels(settings.alerts, services))
    finally:
        _looking.release()


def _look(engine: Engine, settings: Settings, services: Services) -> None:
    """Bring the alerts in line with the troubles there are, and stop the streams of which too much came back.

    Mostly there are none, and nothing is written.
    """
    with engine.connect() as connection:
        now = database.ledger_now(connection)
        known = alerts.open_keys(connection)
        shares = protection.over(connection, settings.limits, now)
        found = watch.troubles(
            connection,
            post=settings.post,
            identity=services.identity,
            limits=settings.alerts,
            known=known,
            now=now,
            shares=shares,
        )
    if found or known:
        with database.writing(engine) as connection:
            alerts.keep(connection, found, kinds=watch.KINDS, now=now)
            protection.stop(connection)


def _claim(engine: Engine, settings: Settings) -> tuple[list[Notice], datetime]:
    """Return what is ours to tell, and when it was taken."""
    with engine.connect() as connection:
        now = database.ledger_now(connection)
        due = alerts.due(connection, repeat=settings.alerts.repeat, now=now)
    if not due:
        return [], now
    with database.writing(engine) as connection:
        return [notice for notice in due if alerts.claim(connection, notice, now)], now


def _tell(engine: Engine, notices: Sequence[Notice], claimed_at: datetime, by: Mapping[str, Channel]) -> None:
    """Tell every channel what is new, and once more what it could not be told before."""
    for one in notices:
        log.warning("alert", key=one.key, text=one.text, over=one.over_at is not None)
    work = {name: [*_still_owed(engine, name, notices), *notices] for name in by}
    told_at = clock.utc_now()
    outcome = telling.tell(
        {name: [telling.message_of(one, told_at) for one in several] for name, several in work.items() if several}, by
    )
    for (name, key), why in outcome.items():
        if why is not None:
            log.error("alert not told", channel=name, key=key, why=why)
    lost = [one for one in notices if by and all(outcome[name, one.key] is not None for name in by)]
    for name, several in work.items():
        _owed[name] = [one for one in several if outcome[name, one.key] is not None and one not in lost]
    if lost:
        with database.writing(engine) as connection:
            for one in lost:
                alerts.give_back(connection, one, claimed_at)


def _still_owed(engine: Engine, name: str, fresh: Sequence[Notice]) -> list[Notice]:
    """Return what a channel was not told before, as far as it is still so and not told anew."""
    owed = [one for one in _owed.pop(name, []) if one.key not in {notice.key for notice in fresh}]
    if not owed:
        return []
    with engine.connect() as connection:
        return [one for one in owed if alerts.still_so(connection, one)]


@dataclass(frozen=True, slots=True)
class Watch:
    """The running thread that looks."""

    thread: threading.Thread
    halt: threading.Event

    def stop(self, patience_s: float = 0.0) -> None:
        """Look no more. What is being told just now is not waited for, unless there is patience."""
        self.halt.set()
        self.thread.join(patience_s)


def start_watch(app: Flask) -> Watch:
    """Start a thread that looks once a minute, whatever becomes of the queue."""
    settings: Settings = app.extensions["postrider settings"]
    with app.app_context():
        look = partial(look_now, db.engine, settings=settings, services=current())
    halt = threading.Event()
    thread = threading.Thread(target=_watch, args=(halt, look), name="alerts", daemon=True)
    thread.start()
    return Watch(thread, halt)


def _watch(halt: threading.Event, look: Callable[[], None]) -> None:
    wait_s = FIRST_LOOK_S
    while not halt.wait(wait_s):
        wait_s = LOOK_S
        try:
            look()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread that tells of trouble
            log.error("alerts held up", error=repr(error))
