"""The record of what came in: each thing is kept once, worked off later, and forgotten after a while."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from core.database import db, insert_for
from returns.models import Arrival

KEPT = timedelta(days=90)
"""So long it is known that something came already, and what could not be read stays to be looked at."""


def key(name: bytes) -> bytes:
    """Return the key of what its source has a name for."""
    return hashlib.sha256(name).digest()


def keep(source: str, name: bytes, raw: bytes, *, now: datetime) -> int | None:
    """Keep what came under the name that its source has for it; return its id, None when it is there already."""
    row = _row(source, name, raw, now)
    statement = insert_for(db.engine)(Arrival).values(row).on_conflict_do_nothing().returning(Arrival.id)
    kept: int | None = db.session.scalar(statement)
    return kept


def keep_many(source: str, names: Sequence[bytes], *, now: datetime) -> Mapping[bytes, int]:
    """Keep several things that are worked off in this very transaction; return the ids of those that are new."""
    keys = {key(name): name for name in names}
    if not keys:
        return {}
    rows = [{"source": source, "key": one, "arrived_at": now, "state": "new"} for one in sorted(keys)]
    connection = db.session.connection()
    return {keys[one]: number for number, one in connection.execute(_keep_new(connection.dialect.name), rows)}


@cache
def _keep_new(_dialect: str) -> Any:
    """Return the statement, made once: making it costs more than running it."""
    return insert_for(db.engine)(Arrival).on_conflict_do_nothing().returning(Arrival.id, Arrival.key)


def set_aside_before(source: str, names: Collection[bytes]) -> frozenset[bytes]:
    """Return which of several things came before and could not be read."""
    keys = {key(name): name for name in names}
    if not keys:
        return frozenset()
    found = select(Arrival.key).where(Arrival.source == source, Arrival.key.in_(keys), Arrival.state == "unread")
    return frozenset(keys[one] for one in db.session.scalars(found))


def close_many(rows: Sequence[Mapping[str, object]]) -> None:
    """Write down what several arrivals were, each by `id` with `state`, `kind`, `delivery_id`, `why` and `raw`."""
    if rows:
        db.session.connection().execute(_CLOSE, [{"number": row["id"], **row} for row in rows])


_CLOSE = (
    update(Arrival)
    .where(Arrival.id == bindparam("number"))
    .values({name: bindparam(name) for name in ("state", "kind", "delivery_id", "why", "raw")})
)


def keep_all(source: str, named: Iterable[tuple[bytes, bytes]], *, now: datetime) -> int:
    """Keep many things of one source, each a name and its octets; return how many were not there yet."""
    # In one order for all: two who keep the same things would otherwise wait for each other.
    rows = sorted((_row(source, name, raw, now) for name, raw in named), key=itemgetter("key"))
    statement = insert_for(db.engine)(Arrival.__table__).on_conflict_do_nothing().returning(Arrival.id)
    return len(db.session.connection().execute(statement, rows).all()) if rows else 0


def _row(source: str, name: bytes, raw: bytes, now: datetime) -> dict[str, Any]:
    return {"source": source, "key": key(name), "arrived_at": now, "state": "new", "raw": raw}


def waiting(limit: int, *, after: int = 0, sources: Collection[str] | None = None) -> Sequence[Arrival]:
    """Return what is to be worked off, oldest first; on PostgreSQL locked, without what others work on just now.

    `sources` leaves out what others brought.
    """
    found = select(Arrival).where(Arrival.state == "new", Arrival.id > after).order_by(Arrival.id).limit(limit)
    if sources is not None:
        found = found.where(Arrival.source.in_(sources))
    return db.session.scalars(found.with_for_update(skip_locked=True)).all()


def settle(arrival: Arrival, *, kind: str, delivery_id: int | None = None, why: str | None = None) -> None:
    """Note what an arrival was; its octets are not needed any more."""
    arrival.state, arrival.kind, arrival.delivery_id, arrival.why, arrival.raw = "done", kind, delivery_id, why, None


def set_aside(arrival: Arrival, why: str, *, kind: str | None = None) -> None:
    """Note that an arrival could not be read, or waits for a person: it stays as it came, and is counted."""
    arrival.state, arrival.kind, arrival.why = "unread", kind, why[:300]


def asking(source: str, kind: str) -> Sequence[Arrival]:
    """Return what waits for a person, oldest first."""
    found = select(Arrival).filter_by(source=source, kind=kind, state="unread")
    return db.session.scalars(found.order_by(Arrival.id)).all()


def unread() -> int:
    """Return how many arrivals could not be read."""
    return db.session.scalar(select(func.count()).where(Arrival.state == "unread")) or 0


def newest_unread(limit: int) -> Sequence[Arrival]:
    """Return the newest arrivals that could not be read."""
    found = select(Arrival).where(Arrival.state == "unread").order_by(Arrival.id.desc()).limit(limit)
    return db.session.scalars(found).all()


def forget(now: datetime, *, limit: int = 5000) -> int:
    """Remove what came long ago, some at a time; return how many went."""
    old = select(Arrival.id).where(Arrival.arrived_at < now - KEPT).limit(limit)
    return len(db.session.scalars(delete(Arrival).where(Arrival.id.in_(old)).returning(Arrival.id)).all())
