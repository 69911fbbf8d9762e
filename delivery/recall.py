"""Contents that may not leave as they are: held until they are made anew, then replaced by another one, or ended.

A mail is decided about at its intent (delivery.moves): one that was begun before is what it was, and its row says so.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, or_, select, update

from core.database import db
from delivery import incoming
from delivery.models import Content, Delivery
from delivery.states import State

ASKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Held:
    """A content that waits to be made anew."""

    id: int
    mailing_id: int
    shell_id: int
    subject: str
    block_ids: tuple[int, ...]


def unpacked(block_ids: bytes) -> tuple[int, ...]:
    """Return the ids of the blocks of a content, in order."""
    return tuple(int.from_bytes(block_ids[at : at + 8], "big") for at in range(0, len(block_ids), 8))


def with_blocks(block_ids: Collection[int], mailing_ids: Collection[int]) -> dict[int, int]:
    """Return the contents of some mailings that hold one of these blocks: their mailings, by their ids."""
    wanted = set(block_ids)
    found: dict[int, int] = {}
    for start in range(0, len(mailing_ids) if wanted else 0, ASKED_AT_ONCE):
        some = sorted(mailing_ids)[start : start + ASKED_AT_ONCE]
        rows = db.session.execute(
            select(Content.id, Content.mailing_id, Content.block_ids).where(
                Content.mailing_id.in_(some), or_(*(_holds(one) for one in sorted(wanted)))
            )
        )
        # The database may find a number across two others; only whole ones count.
        found |= {row.id: row.mailing_id for row in rows if wanted.intersection(unpacked(row.block_ids))}
    return found


def _holds(block_id: int) -> ColumnElement[bool]:
    find = func.instr if db.engine.dialect.name == "sqlite" else func.pg_catalog.position
    return find(Content.block_ids, block_id.to_bytes(8, "big")) > 0


def hold(content_ids: Collection[int]) -> int:
    """Let nothing more leave that is made of these contents, until each is made anew; return how many mails wait."""
    ids = sorted(content_ids)
    for start in range(0, len(ids), ASKED_AT_ONCE):
        some = ids[start : start + ASKED_AT_ONCE]
        _change(some, recall="held", replaced_by=None)
    return waiting(ids)


def waiting(content_ids: Sequence[int]) -> int:
    """Return how many mails have not left that were to be made of these contents."""
    return sum(
        db.session.scalar(
            select(func.count()).where(
                incoming.is_in(State.PLANNED, State.CLAIMED),
                Delivery.content_id.in_(content_ids[start : start + ASKED_AT_ONCE]),
            )
        )
        or 0
        for start in range(0, len(content_ids), ASKED_AT_ONCE)
    )


def anything_held() -> bool:
    """Return whether a content waits to be made anew; a look costs no writer's turn."""
    return bool(db.session.scalar(select(exists().where(Content.recall == "held"))))


def held(limit: int) -> list[Held]:
    """Return contents that wait to be made anew, the oldest first."""
    rows = db.session.execute(
        select(Content.id, Content.mailing_id, Content.shell_id, Content.subject, Content.block_ids)
        .where(Content.recall == "held")
        .order_by(Content.id)
        .limit(limit)
    )
    return [Held(row.id, row.mailing_id, row.shell_id, row.subject, unpacked(row.block_ids)) for row in rows]


def replace(content_id: int, by: int) -> None:
    """Have the mails of a held content made of another one; of itself, when nothing is to be taken out after all."""
    if by == content_id:
        _change([content_id], recall=None, replaced_by=None)
    else:
        _change([content_id], recall="replaced", replaced_by=by)


def end(content_ids: Iterable[int]) -> None:
    """Send nothing of these contents any more: nothing worth a mail is left of them."""
    _change(list(content_ids), recall="ended", replaced_by=None)


def _change(content_ids: Sequence[int], **values: object) -> None:
    db.session.execute(
        update(Content).where(Content.id.in_(content_ids)).values(**values).execution_options(synchronize_session=False)
    )
