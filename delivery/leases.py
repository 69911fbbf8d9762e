"""The leases of a sender that lives: it keeps what it holds, and gives back what it will not send after all."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from delivery import incoming, states
from delivery.models import Delivery
from delivery.states import State


def give_back(connection: Connection, worker: str, ids: Sequence[int] | None = None) -> int:
    """claimed → planned: what this worker took and will not send after all; all of it, or those of `ids`."""
    wanted = [] if ids is None else [Delivery.id.in_(ids)]
    return connection.execute(
        update(Delivery)
        .where(Delivery.worker_id == worker, incoming.is_in(State.CLAIMED), *wanted)
        .values(state=State.PLANNED, worker_id=None, lease_until=None)
    ).rowcount


def renew(connection: Connection, worker: str, ids: Sequence[int], *, lease: timedelta, now: datetime) -> int:
    """Push on the leases of what a living worker knows that it holds; one that is over already stays over.

    What it claimed without knowing, because the answer to the COMMIT was lost, goes back when its lease ends. A row
    that is locked is left out: the committer is at it, and its statement gives a lease or ends one. Waiting for it, in
    another order than its own, could end in a circle.
    """
    dialect = connection.dialect.name
    own = (Delivery.worker_id == worker, incoming.still(*states.LEASED), Delivery.lease_until > now)
    held = select(Delivery.id).where(incoming.among(dialect, "ids"), *own).with_for_update(skip_locked=True).cte("held")
    renewed = update(Delivery).where(Delivery.id.in_(select(held.c.id))).values(lease_until=now + lease)
    rows = connection.execute(renewed.returning(Delivery.id), {"ids": incoming.ids(dialect, ids)})
    # SQLite counts no rows of a statement that begins with WITH.
    return len(rows.all())
