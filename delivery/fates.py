"""What has become of the mails of some recipients in a few mailings: one look for many."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ARRAY, ColumnElement, Connection, LargeBinary, bindparam, func, select

from delivery.models import Delivery, Mailing
from delivery.states import State

LOOKED_BACK = timedelta(days=60)
"""So long before a moment the last mailing is looked for."""
COUNTED = frozenset({State.PLANNED, State.CLAIMED, State.SENDING, State.SENT, State.IN_DOUBT})
"""What a recipient has had, or is about to: all that has not ended without being handed over."""


class Fate(NamedTuple):
    """One mail: in which state it is, and until when it was to leave."""

    mailing_id: int
    once_key: bytes
    state: str
    not_after: datetime


def of(connection: Connection, mailing_ids: Collection[int], once_keys: Sequence[bytes]) -> list[Fate]:
    """Return the mails of these recipients in these mailings, in no order."""
    wanted = select(Delivery.mailing_id, Delivery.once_key, Delivery.state, Delivery.not_after)
    if not once_keys:
        return []
    keys: ColumnElement[bool] = Delivery.once_key.in_(once_keys)
    if connection.dialect.name != "sqlite":
        # An array: of a list of parameters each number of keys would be a statement of its own.
        keys = Delivery.once_key == func.any(bindparam("keys", list(once_keys), type_=ARRAY(LargeBinary)))
    return [
        Fate(row.mailing_id, bytes(row.once_key), row.state, row.not_after)
        for mailing_id in sorted(mailing_ids)
        for row in connection.execute(wanted.where(Delivery.mailing_id == mailing_id, keys))
    ]


def last_handed_over(connection: Connection, once_key: bytes, *, stream: str, before: datetime) -> str:
    """Return the key of the last mailing of a stream of which this recipient's mail was handed over; empty for none.

    It is looked for in mailings whose `once_key` is the hash of an address.
    """
    wanted = (
        select(Mailing.key)
        .join(Delivery, Delivery.mailing_id == Mailing.id)
        .where(
            Mailing.stream == stream,
            Mailing.created_at > before - LOOKED_BACK,
            Delivery.once_key == once_key,
            Delivery.state == State.SENT.value,
            Delivery.done_at <= before,
        )
    )
    return connection.scalar(wanted.order_by(Delivery.done_at.desc(), Delivery.id.desc()).limit(1)) or ""
