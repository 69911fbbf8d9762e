"""What the mails of one content share, read from the database once and kept for as long as there is room.

One thread may load while another asks. What is kept never changes: contents, shells and blocks are written once.
"""

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, Row, Select, select
from sqlalchemy.exc import DataError, DBAPIError, InternalError

from delivery import content, message
from delivery.models import Block, Content, Mailing, Shell

MEGABYTE = 1_000_000
ASKED_AT_ONCE = 500
"""How many rows one query names."""
_HEADERS = (
    Mailing.lane,
    Mailing.stream,
    Mailing.list_id,
    Mailing.sender_name,
    Mailing.sender,
    Mailing.reply_to,
    Mailing.feedback,
    Shell.format,
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that no mail can be made with, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Order:
    """A content as it is stored: which shell and which blocks, 8 bytes each."""

    mailing_id: int
    shell_id: int
    subject: str
    packed: bytes
    reply_to: str | None

    @property
    def block_ids(self) -> tuple[int, ...]:
        """Return the blocks in order."""
        return struct.unpack(f">{len(self.packed) // 8}Q", self.packed)


@dataclass(frozen=True, slots=True)
class Frame:
    """A shell, with what its mailing says in the headers by the names of message.Recipe."""

    mailing_id: int
    headers: dict[str, Any]
    head: content.Part
    foot: content.Part

    @property
    def octets(self) -> int:
        """Return how long head and foot are."""
        return self.head.octets + self.foot.octets


class Kept(Generic[T]):
    """The values used last, by id: at most `count`, and no more octets than `room`, or a single one of any size."""

    def __init__(self, count: int, room: int) -> None:
        self._count, self._room = count, room
        self._values: OrderedDict[int, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.octets = 0

    def __len__(self) -> int:
        return len(self._values)

    def found(self, ids: Iterable[int]) -> dict[int, T]:
        """Return those of the ids that are kept."""
        with self._lock:
            have = {one: self._values[one][0] for one in ids if one in self._values}
            for one in have:
                self._values.move_to_end(one)
        return have

    def add(self, one: int, value: T) -> None:
        """Keep a value, and let go of those that nobody used for longest where there is no room."""
        octets = getattr(value, "octets", 0)
        with self._lock:
            self._forget(one)
            self._values[one] = (value, octets)
            self.octets += octets
            while len(self._values) > self._count or (self.octets > self._room and len(self._values) > 1):
                self._forget(next(iter(self._values)))

    def _forget(self, one: int) -> None:
        if one in self._values:
            self.octets -= self._values.pop(one)[1]


Asked = tuple[dict[int, Order | Broken], dict[int, Frame | Broken], dict[int, content.Part | Broken]]


class Recipes:
    """The recipes that a sender works with: some 30 MB at most, however many contents there are."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._recipes: Kept[message.Recipe] = Kept(256, 8 * MEGABYTE)
        self._orders: Kept[Order | Broken] = Kept(4096, MEGABYTE)
        self._frames: Kept[Frame | Broken] = Kept(256, 4 * MEGABYTE)
        self._blocks: Kept[content.Part | Broken] = Kept(8192, 16 * MEGABYTE)

    def load_many(self, content_ids: Iterable[int]) -> None:
        """Read what these contents are made of and is not kept yet: one query, and one for new shells and blocks each.

        What is broken or not there is read again, and else only remembered: `of` says so. Raises SQLAlchemyError when
        the database is out of reach.
        """
        ids = sorted(set(content_ids))
        for start in range(0, len(ids), ASKED_AT_ONCE):
            self._ask(ids[start : start + ASKED_AT_ONCE], again=True)

    def of(self, content_id: int) -> message.Recipe:
        """Return the recipe of a content; what `load_many` brought is not read again.

        Raises ValueError, which says why, when no mail can be made of it; SQLAlchemyError when it had to be read and
        the database is out of reach.
        """
        kept = self._recipes.found([content_id])
        if kept:
            return kept[content_id]
        recipe = _composed(content_id, self._ask([content_id], again=False))
        self._recipes.add(content_id, recipe)
        return recipe

    def _ask(self, ids: Sequence[int], *, again: bool) -> Asked:
        """Return what is wanted for some contents; `again` asks once more for what was broken."""
        orders = self._have(self._orders, ids, _read_orders, again=again)
        good = [order for order in orders.values() if isinstance(order, Order)]
        frames = self._have(self._frames, {order.shell_id for order in good}, _read_frames, again=again)
        wanted = {block for order in good for block in order.block_ids}
        return orders, frames, self._have(self._blocks, wanted, _read_blocks, again=again)

    def _have(
        self,
        kept: Kept[T | Broken],
        ids: Iterable[int],
        read: Callable[[Connection, Sequence[int]], dict[int, T | Broken]],
        *,
        again: bool,
    ) -> dict[int, T | Broken]:
        """Return the values of all ids, from what is kept or else from the database."""
        ids = set(ids)
        have = kept.found(ids)
        missing = sorted(one for one in ids if one not in have or (again and isinstance(have[one], Broken)))
        if missing:
            with self._engine.connect() as connection:
                for start in range(0, len(missing), ASKED_AT_ONCE):
                    have |= _read_apart(connection, missing[start : start + ASKED_AT_ONCE], read)
            for one in missing:
                kept.add(one, have[one])
        return have


def _read_apart(
    connection: Connection,
    ids: Sequence[int],
    read: Callable[[Connection, Sequence[int]], dict[int, T | Broken]],
) -> dict[int, T | Broken]:
    """Return what stands under the ids. Where the database cannot read a row, the others are read without it."""
    try:
        return read(connection, ids)
    except DBAPIError as error:
        if not _is_damage(error):
            raise
        connection.rollback()
        if len(ids) == 1:
            return {ids[0]: Broken(f"The database cannot read its own row: {error.orig}")}
    half = len(ids) // 2
    return _read_apart(connection, ids[:half], read) | _read_apart(connection, ids[half:], read)


def _is_damage(error: DBAPIError) -> bool:
    """Say whether it is about what is stored, not about the connection: bad UTF-8 on SQLite, XX001 on PostgreSQL."""
    return isinstance(error, (DataError, InternalError)) or str(error.orig).startswith("Could not decode")


def _each(
    connection: Connection,
    ids: Sequence[int],
    *,
    what: str,
    wanted: Select[*tuple[Any, ...]],
    parse: Callable[[Row[*tuple[Any, ...]]], T],
) -> dict[int, T | Broken]:
    """Return the parsed rows by their column `id`; one that is not there or cannot be parsed is broken."""
    values: dict[int, T | Broken] = {one: Broken(f"{what} {one} is not in the database.") for one in ids}
    for row in connection.execute(wanted):
        try:
            values[row.id] = parse(row)
        except ValueError as error:
            values[row.id] = Broken(f"{what} {row.id} is damaged: {error}")
    return values


def _read_orders(connection: Connection, ids: Sequence[int]) -> dict[int, Order | Broken]:
    wanted = select(
        Content.id, Content.mailing_id, Content.shell_id, Content.subject, Content.block_ids, Content.reply_to
    )
    return _each(connection, ids, what="Content", wanted=wanted.where(Content.id.in_(ids)), parse=_order)


def _order(row: Row[*tuple[Any, ...]]) -> Order:
    if len(row.block_ids) % 8:
        raise ValueError("A block's number is cut.")
    return Order(row.mailing_id, row.shell_id, row.subject, row.block_ids, row.reply_to)


def _read_frames(connection: Connection, ids: Sequence[int]) -> dict[int, Frame | Broken]:
    wanted = select(Shell.id, Shell.mailing_id, Shell.pieces, *_HEADERS).join(Mailing, Mailing.id == Shell.mailing_id)
    return _each(connection, ids, what="Shell", wanted=wanted.where(Shell.id.in_(ids)), parse=_frame)


def _frame(row: Row[*tuple[Any, ...]]) -> Frame:
    headers = {column.key: getattr(row, column.key) for column in _HEADERS}
    return Frame(row.mailing_id, headers, *content.shell_from_json(row.pieces))


def _read_blocks(connection: Connection, ids: Sequence[int]) -> dict[int, content.Part | Broken]:
    wanted = select(Block.id, Block.pieces).where(Block.id.in_(ids))
    return _each(connection, ids, what="Block", wanted=wanted, parse=lambda row: content.Part.from_json(row.pieces))


def _composed(content_id: int, asked: Asked) -> message.Recipe:
    """Return a recipe made of what was asked for. Raises ValueError when some of it is broken."""
    orders, frames, blocks = asked
    order = _good(orders[content_id])
    frame = _good(frames[order.shell_id])
    if frame.mailing_id != order.mailing_id:
        raise ValueError(f"Content {content_id} has the shell of another mailing.")
    parts = [frame.head, *(_good(blocks[block]) for block in order.block_ids), frame.foot]
    headers = frame.headers | {"reply_to": order.reply_to} if order.reply_to else frame.headers
    return message.Recipe(**headers, subject=order.subject, parts=parts)


def _good(value: T | Broken) -> T:
    if isinstance(value, Broken):
        raise ValueError(value.reason)
    return value
