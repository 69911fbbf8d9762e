"""Ledger rows are written here: many at once, as one statement that is the same text for any number of them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Select,
    SmallInteger,
    String,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from core.database import array_text
from delivery.models import Delivery


class Own(NamedTuple):
    """What a planned delivery does not share with the others that are written with it."""

    once_key: bytes
    content_id: int
    reader_key: bytes | None
    link_version: int
    addr_hash: bytes
    address_sealed: bytes
    provider: int


_KEY = 16
"""Octets of the keys and hashes."""
_NOBODY = bytes(_KEY)
_SHARED = ("mailing_id", "link_set", "lane", "state", "epoch", "attempts", "doubts", "next_attempt_at", "not_after")
_COUNTED = {"preserve_rowcount": True}


def write(connection: Connection, shared: Mapping[str, object], own: Sequence[Own]) -> int:
    """Write the rows; return how many are new: one with a known mailing and once_key stays as it is."""
    if connection.dialect.name == "sqlite":
        statement = sqlite.insert(Delivery).on_conflict_do_nothing()
        rows = [{**shared, **one._asdict()} for one in own]
        return connection.execute(statement, rows, execution_options=_COUNTED).rowcount
    return connection.execute(_insert(), {**shared, **_columns(own)}, execution_options=_COUNTED).rowcount


def _columns(own: Sequence[Own]) -> dict[str, object]:
    """Return the rows by column. Bytes travel as one long value each: a list of them costs five times as much."""
    once_keys, content_ids, reader_keys, link_versions, hashes, sealed, providers = zip(*own, strict=True)
    lengths = [len(one) for one in sealed]
    return {
        "once_keys": _joined(once_keys),
        "reader_keys": b"".join(_NOBODY if key is None else key for key in reader_keys),
        "addr_hashes": _joined(hashes),
        "sealed": b"".join(sealed),
        "content_ids": array_text(content_ids),
        "link_versions": array_text(link_versions),
        "providers": array_text(providers),
        "starts": array_text(end - length + 1 for end, length in zip(accumulate(lengths), lengths, strict=True)),
        "lengths": array_text(lengths),
    }


def _joined(keys: Iterable[bytes]) -> bytes:
    joined = b"".join(keys)
    if len(joined) % _KEY:
        raise ValueError(f"A key of a delivery has other than {_KEY} octets.")
    return joined


def _octets(name: str, place: ColumnElement[int]) -> ColumnElement[bytes]:
    """Return the key at a place, counted from 0, of the long value that a parameter is."""
    return func.substring(bindparam(name, type_=LargeBinary), place * _KEY + 1, _KEY, type_=LargeBinary)


def known(connection: Connection, mailing_id: int, once_keys: Sequence[bytes]) -> set[bytes]:
    """Return those of the keys that have a row in this mailing."""
    if connection.dialect.name == "sqlite":
        wanted = select(Delivery.once_key).where(Delivery.mailing_id == mailing_id, Delivery.once_key.in_(once_keys))
        return set(connection.scalars(wanted))
    values = {"mailing": mailing_id, "keys": _joined(once_keys), "last": len(once_keys) - 1}
    return {bytes(key) for key in connection.scalars(_known(), values)}


@cache
def _known() -> Select[bytes]:
    place = func.generate_series(0, bindparam("last", type_=Integer), type_=Integer).column_valued("place")
    keys = func.array(select(_octets("keys", place)).scalar_subquery())
    return select(Delivery.once_key).where(
        Delivery.mailing_id == bindparam("mailing", type_=BigInteger), Delivery.once_key == func.any(keys)
    )


@cache
def _insert() -> postgresql.Insert:
    lists = {"content_ids": BigInteger, "link_versions": SmallInteger, "providers": SmallInteger}
    lists |= {"starts": Integer, "lengths": Integer}
    own = (
        func.unnest(*(cast(bindparam(name, type_=String), ARRAY(kind)) for name, kind in lists.items()))
        .table_valued(*(column(name, kind) for name, kind in lists.items()), with_ordinality="place")
        .render_derived(name="own")
    )

    def octets(name: str) -> ColumnElement[bytes]:
        return _octets(name, cast(own.c.place, Integer) - 1)

    picked = {
        "once_key": octets("once_keys"),
        "content_id": own.c.content_ids,
        "reader_key": func.nullif(octets("reader_keys"), bindparam("nobody", _NOBODY, type_=LargeBinary)),
        "link_version": own.c.link_versions,
        "addr_hash": octets("addr_hashes"),
        "address_sealed": func.substring(bindparam("sealed", type_=LargeBinary), own.c.starts, own.c.lengths),
        "provider": own.c.providers,
    }
    types = Delivery.__table__.c
    values = [*picked.values(), *(bindparam(name, type_=types[name].type) for name in _SHARED)]
    return (
        postgresql.insert(Delivery)
        .from_select([*picked, *_SHARED], select(*values), include_defaults=False)
        .on_conflict_do_nothing()
    )
