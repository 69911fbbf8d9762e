"""The proof of consent is sealed here, entry by entry, after it was written."""

from datetime import datetime
from pathlib import Path

from celery import shared_task
from flask import current_app

from core import alerts, clock, database, logs
from core.database import db
from core.settings import Settings
from delivery import tick
from subscribers import consentchain, consenthead
from subscribers.consentchain import Sealed, Sealer
from subscribers.consenthead import Kept, Outside

log = logs.get(__name__)

CHUNK = 500
"""Entries in one transaction."""
MOST = 100_000
"""Entries in one task: the threads of a worker are few, and the next look is a minute away."""
ALERT = "consent:chain"
_CURE = "Run flask subscribers verify-consent on this host; docs/operations.md says what its answers mean."
_FOREIGN = "CONSENT_KEY is not the one that the proof of consent was begun with."


@shared_task
def seal() -> None:
    """Seal the entries that have no seal yet, and keep the head of the chain outside the database."""
    settings: Settings = current_app.extensions["postrider settings"]
    outside = _outside(settings.state_dir)
    if not _anything_new(outside):
        return
    for _chunk in range(MOST // CHUNK):
        step = _seal_chunk(settings, outside)
        if step is None or step.count < CHUNK:
            return
        outside = _outside(settings.state_dir)


def _outside(folder: Path) -> Outside:
    try:
        return consenthead.kept(folder)
    except (OSError, ValueError) as error:
        log.error("head of consent unreadable", folder=str(folder), why=str(error))
        return Outside({})


def _anything_new(outside: Outside) -> bool:
    """Return whether an entry waits, or this host has not seen the newest head yet."""
    head = consentchain.head()
    waits = consentchain.anything_waits()
    db.session.rollback()
    known = outside.heads.get(head.chain) if head else None
    return waits or (head is not None and (known is None or known.seal != head.seal))


def _seal_chunk(settings: Settings, outside: Outside) -> Sealed | None:
    """Seal some, commit, and remember the head; None when it must wait for a person, who is told."""
    ticks = tick.kept(settings.state_dir)
    now = clock.utc_now()
    with database.write_turn():
        standing = tick.look(db.session.connection(), ticks)
        if standing is not None and (standing.held or standing.behind):
            # A restored database: nothing is sealed before somebody has let it go on.
            return None
        generation = standing.generation if standing else 0
        head = consentchain.head()
        known = outside.heads.get(head.chain) if head else None
        try:
            step = consentchain.seal_next(Sealer(settings.consent_key), known, generation=generation, limit=CHUNK)
        except (consentchain.ForeignKey, consentchain.ChainBehind) as error:
            db.session.rollback()
            _tell(str(error) or _FOREIGN, now)
            db.session.commit()
            return None
        alerts.close(db.session.connection(), [ALERT], now)
        db.session.commit()
    seen = Kept(step.head.chain, step.head.seq, step.head.seal, generation, now)
    consenthead.remember(settings.state_dir, seen, lost=step.lost)
    _log(step)
    return step


def _tell(what: str, now: datetime) -> None:
    how_much = f"Since {alerts.at(now)} no entry is sealed; they are all kept, and wait."
    trouble = alerts.trouble(ALERT, what=what, how_much=how_much, cure=_CURE)
    if ALERT not in alerts.open_keys(db.session.connection()):
        alerts.raise_alert(db.session.connection(), trouble, now)
        log.error("proof of consent not sealed", why=what)


def _log(step: Sealed) -> None:
    if step.lost:
        log.error("sealed entries lost", chain=step.head.chain, goes_on_at=step.head.seq)
    if step.count:
        log.info("proof of consent sealed", entries=step.count, last=step.head.seq)
