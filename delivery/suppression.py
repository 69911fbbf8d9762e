"""Addresses that must not be mailed, by scope and reason. Decided inside the intent statement, for every mail."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select

from core import journal
from core.database import db, insert_for
from core.journal import Change
from delivery.classes import Class
from delivery.models import Bounce, Suppression

BULK = "bulk"
"""All mail but what somebody asks for at this moment: a confirmation may still go, and prove that they are there."""
RETURNED = tuple(one.value for one in (Class.HARD, Class.DOMAIN, Class.SOFT, Class.FULL, Class.COMPLAINT))
"""The reasons that come from mail that came back; a new opt-in that was confirmed lifts them."""
BOUNCES = tuple(reason for reason in RETURNED if reason != Class.COMPLAINT)


def suppress(
    addr_hash: bytes, *, scope: str, reason: str, source: str, now: datetime, until: datetime | None = None
) -> bool:
    """Keep an address from being mailed in `scope`: a stream, `bulk`, `share` or `all`; return whether that is news.

    Twice changes nothing, but that the later end holds, and none is later than any.
    """
    change = Change(journal.SUPPRESS, addr_hash, scope, reason, source, until)
    return bool(suppress_all([change], now=now))


def suppress_all(changes: Iterable[Change], *, now: datetime) -> list[Change]:
    """Keep addresses from being mailed, as `suppress` does with one; return what of it is news."""
    longest: dict[tuple[bytes, str, str], Change] = {}
    for change in changes:
        known = longest.get(_key(change))
        if known is None or (known.until and (change.until is None or change.until > known.until)):
            longest[_key(change)] = change
    if not longest:
        return []
    # In one order for all: two who suppress the same addresses would otherwise wait for each other.
    rows = [
        {
            "addr_hash": one.addr_hash,
            "scope": one.scope,
            "reason": one.reason,
            "source": one.source,
            "created_at": now,
            "expires_at": one.until,
        }
        for one in (longest[key] for key in sorted(longest))
    ]
    connection = db.session.connection()
    news = [longest[row[0], row[1], row[2]] for row in connection.execute(_suppress(connection.dialect.name), rows)]
    for one in news:
        journal.note(db.session(), one)
    return news


def _key(change: Change) -> tuple[bytes, str, str]:
    return change.addr_hash, change.scope, change.reason


@cache
def _suppress(_dialect: str) -> Any:
    """Return the statement, made once: many reports may come at once, and making it costs more than running it."""
    insert = insert_for(db.engine)(Suppression)
    end = insert.excluded.expires_at
    return insert.on_conflict_do_update(
        index_elements=["addr_hash", "scope", "reason"],
        set_={name: insert.excluded[name] for name in ("source", "created_at", "expires_at")},
        where=and_(Suppression.expires_at.is_not(None), or_(end.is_(None), end > Suppression.expires_at)),
    ).returning(Suppression.addr_hash, Suppression.scope, Suppression.reason)


def lift(addr_hash: bytes, *, scope: str, reason: str) -> None:
    """Take one suppression back: that of its own reason only; others of the same scope stay."""
    _lift(addr_hash, scope, [reason])


def lift_returned(addr_hash: bytes) -> None:
    """Take back what mail that came back has made, and forget what was counted: the reader has proved to be there."""
    _lift(addr_hash, BULK, RETURNED)
    db.session.execute(delete(Bounce).where(Bounce.addr_hash == addr_hash))


def remove(addr_hash: bytes, *, scope: str, reasons: Collection[str]) -> list[str]:
    """Take back what stands in a scope for these reasons, as an operator asks for; return the reasons that stood.

    With what bounces have made goes what was counted of them.
    """
    if scope == BULK and not set(BOUNCES).isdisjoint(reasons):
        db.session.execute(delete(Bounce).where(Bounce.addr_hash == addr_hash))
    return _lift(addr_hash, scope, reasons)


def _lift(addr_hash: bytes, scope: str, reasons: Collection[str]) -> list[str]:
    statement = delete(Suppression).where(
        Suppression.addr_hash == addr_hash, Suppression.scope == scope, Suppression.reason.in_(reasons)
    )
    lifted = sorted(db.session.scalars(statement.returning(Suppression.reason)))
    for reason in lifted:
        journal.note(db.session(), Change(journal.LIFT, addr_hash, scope, reason))
    return lifted


def holds(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Return the condition that a suppression has no end, or has not come to it."""
    return or_(Suppression.expires_at.is_(None), Suppression.expires_at > now)


def is_suppressed(addr_hash: bytes, scopes: Sequence[str], *, now: datetime) -> bool:
    """Return whether an address is suppressed in one of the scopes."""
    found = exists().where(Suppression.addr_hash == addr_hash, Suppression.scope.in_(scopes), holds(now))
    return bool(db.session.scalar(select(found)))


def of(addr_hash: bytes, *, now: datetime) -> Sequence[Suppression]:
    """Return what keeps mail from an address now."""
    wanted = select(Suppression).where(Suppression.addr_hash == addr_hash, holds(now))
    return db.session.scalars(wanted.order_by(Suppression.scope, Suppression.reason)).all()


def standing(addr_hashes: Collection[bytes]) -> Mapping[tuple[bytes, str, str], datetime | None]:
    """Return what stands for these addresses: the end by hash, scope and reason."""
    wanted = select(Suppression.addr_hash, Suppression.scope, Suppression.reason, Suppression.expires_at)
    rows = db.session.execute(wanted.where(Suppression.addr_hash.in_(addr_hashes)))
    return {(row.addr_hash, row.scope, row.reason): row.expires_at for row in rows}


def newest(
    *, scope: str | None, reason: str | None, source: str | None, limit: int, now: datetime
) -> Iterator[Suppression]:
    """Yield what holds now, the newest first, of one scope, reason and source, where they are given."""
    asked = {"scope": scope, "reason": reason, "source": source}
    given = {name: value for name, value in asked.items() if value is not None}
    wanted = select(Suppression).filter_by(**given).where(holds(now)).limit(limit)
    ordered = wanted.order_by(Suppression.created_at.desc(), Suppression.addr_hash, Suppression.scope)
    yield from db.session.scalars(ordered, execution_options={"yield_per": 1000})
