"""The leases of a sender that lives: it keeps what it holds, and gives back what it will not send after all."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

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


def renew(connection: Connection, worker: str, *, lease: timedelta, now: datetime) -> int:
    """Push the leases of a living worker on; one that is over already stays over."""
    return connection.execute(
        update(Delivery)
        .where(Delivery.worker_id == worker, incoming.is_in(*states.LEASED), Delivery.lease_until > now)
        .values(lease_until=now + lease)
    ).rowcount
