"""How often something may happen to somebody: long windows, kept as rows, exact to the second and atomic."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Executable, Index, Integer, Text, bindparam, delete, func, literal, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.database import Base, insert_for

_DIGITS = 10
"""Characters of an instant in `spent`: whole seconds since 1970, which have ten digits until the year 2286."""
MOST = 1000
"""The largest limit: a row keeps the instant of each use that still counts."""


class Budget(Base):
    """What was spent under one key within one length of time.

    `spent` holds the instants of the last uses, newest first, ten digits each, as many as the limit has: so a window
    slides, and two full ones never meet at a border. From `idle_at` on nothing in it counts any more.
    """

    __tablename__ = "budgets"
    __table_args__ = (Index(None, "idle_at"),)

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    window_s: Mapped[int] = mapped_column(primary_key=True)
    spent: Mapped[str]
    idle_at: Mapped[datetime]


@dataclass(frozen=True, slots=True, order=True)
class Charge:
    """`count` uses of what is known by a keyed hash; at most `limit` fall into any stretch of `window_s` seconds."""

    key_hash: bytes
    window_s: int
    limit: int
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse what a row cannot keep. Raises ValueError."""
        if not 1 <= self.limit <= MOST or self.window_s < 1 or self.count < 1:
            raise ValueError(f"A budget of {self.limit} in {self.window_s} s cannot be kept.")


def spend(session: Session, charges: Collection[Charge], *, now: datetime) -> Charge | None:
    """Spend all charges, or none of them: then return one for which there is no room.

    Each is one statement that counts and checks on the row's lock, and all are taken in one order: neither can two
    requests pass on the last use of a budget, nor wait for each other in a circle.
    """
    with session.begin_nested() as all_or_none:
        over = spend_until_over(session, charges, now=now)
        if over is not None:
            all_or_none.rollback()
    return over


def spend_until_over(session: Session, charges: Collection[Charge], *, now: datetime) -> Charge | None:
    """Spend charges until there is one for which there is no room, and return that: the caller then rolls back all."""
    return next((charge for charge in sorted(set(charges)) if not _spend_one(session, charge, now)), None)


def _spend_one(session: Session, charge: Charge, now: datetime) -> bool:
    if charge.count > charge.limit:
        return False
    connection = session.connection()
    values = {
        "key_hash": charge.key_hash,
        "window_s": charge.window_s,
        "spent": _digits(now) * charge.count,
        "idle_at": now + timedelta(seconds=charge.window_s),
        # Of `limit` uses the oldest stands last; there is room when there is none yet, or when it is old enough. For
        # more than one use there must be as much room before that.
        "oldest_at": (charge.limit - charge.count) * _DIGITS + 1,
        "kept": charge.limit * _DIGITS,
        "out_of_window": _digits(now - timedelta(seconds=charge.window_s)),
    }
    return connection.execute(_spending(insert_for(connection.engine)), values).first() is not None


@lru_cache(maxsize=2)
def _spending(insert: Any) -> Executable:
    """Return the statement that spends one charge, with a database's own `insert`; made once, since it is not cheap."""
    table = Budget.__table__
    upsert = insert(Budget).values({name: bindparam(name) for name in ("key_hash", "window_s", "spent", "idle_at")})
    spent = func.substr(upsert.excluded.spent.concat(table.c.spent), 1, bindparam("kept", type_=Integer))
    statement: Executable = upsert.on_conflict_do_update(
        index_elements=["key_hash", "window_s"],
        set_={"spent": spent, "idle_at": upsert.excluded.idle_at},
        where=func.substr(table.c.spent, bindparam("oldest_at", type_=Integer), _DIGITS)
        <= bindparam("out_of_window", type_=Text),
    ).returning(literal(1))
    return statement


def has_room(session: Session, charges: Collection[Charge], *, now: datetime) -> bool:
    """Return whether all charges could be spent now. Only a look: whoever spends must ask `spend`."""
    return all(_has_room(session, charge, now) for charge in charges)


def _has_room(session: Session, charge: Charge, now: datetime) -> bool:
    if charge.count > charge.limit:
        return False
    oldest = func.substr(Budget.spent, (charge.limit - charge.count) * _DIGITS + 1, _DIGITS)
    full = select(Budget.key_hash).where(
        Budget.key_hash == charge.key_hash,
        Budget.window_s == charge.window_s,
        oldest > _digits(now - timedelta(seconds=charge.window_s)),
    )
    return session.execute(full).first() is None


def give_back(session: Session, charges: Sequence[Charge]) -> None:
    """Forget what was spent under the keys and windows of these charges."""
    if charges:
        one_of = [(Budget.key_hash == one.key_hash) & (Budget.window_s == one.window_s) for one in charges]
        session.execute(delete(Budget).where(or_(*one_of)).execution_options(synchronize_session=False))


def prune(session: Session, *, now: datetime) -> int:
    """Delete the rows in which nothing counts any more; return how many."""
    gone = delete(Budget).where(Budget.idle_at <= now).returning(Budget.window_s)
    return len(session.execute(gone, execution_options={"synchronize_session": False}).all())


def _digits(at: datetime) -> str:
    return f"{max(0, int(at.timestamp())):0{_DIGITS}d}"
