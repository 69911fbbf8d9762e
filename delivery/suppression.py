"""Addresses that must not be mailed, by scope and reason. Decided inside the intent statement, for every mail."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select

from core import journal
from core.database import db, insert_for
from delivery.models import Suppression


def suppress(addr_hash: bytes, *, scope: str, reason: str, source: str, now: datetime) -> None:
    """Keep an address from being mailed in `scope`: a stream, `bulk`, `share` or `all`. Twice changes nothing."""
    row = {"addr_hash": addr_hash, "scope": scope, "reason": reason, "source": source, "created_at": now}
    statement = insert_for(db.engine)(Suppression).values(row).on_conflict_do_nothing()
    if db.session.execute(statement.returning(Suppression.scope)).first() is not None:
        journal.note(db.session(), journal.Change(journal.SUPPRESS, addr_hash, scope, reason, source))


def lift(addr_hash: bytes, *, scope: str, reason: str) -> None:
    """Take one suppression back: that of its own reason only; others of the same scope stay."""
    statement = delete(Suppression).where(
        Suppression.addr_hash == addr_hash, Suppression.scope == scope, Suppression.reason == reason
    )
    if db.session.execute(statement.returning(Suppression.scope)).first() is not None:
        journal.note(db.session(), journal.Change(journal.LIFT, addr_hash, scope, reason))


def is_suppressed(addr_hash: bytes, scopes: Sequence[str]) -> bool:
    """Return whether an address is suppressed in one of the scopes."""
    found = exists().where(Suppression.addr_hash == addr_hash, Suppression.scope.in_(scopes))
    return bool(db.session.scalar(select(found)))


def standing(addr_hashes: Collection[bytes]) -> set[tuple[bytes, str, str]]:
    """Return what stands for these addresses: hash, scope and reason."""
    wanted = select(Suppression.addr_hash, Suppression.scope, Suppression.reason)
    rows = db.session.execute(wanted.where(Suppression.addr_hash.in_(addr_hashes)))
    return {(row.addr_hash, row.scope, row.reason) for row in rows}
