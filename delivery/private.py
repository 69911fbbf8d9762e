"""Mails about a single person: their text is in no other mail, and it is wiped when its time is over."""

import os
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, insert, select, update

from core import logs
from core.database import db
from delivery import content, incoming, recall
from delivery.models import Block, Content, Delivery
from delivery.states import State

log = logs.get(__name__)

CHUNK = 500
_WIPED = content.Part((), ()).to_json()


def add_block(part: content.Part) -> int:
    """Return the id of a compiled part that nothing else is ever made of, although it may read the same."""
    # Blocks that read the same are one row by their fingerprint; wiping one must not wipe somebody else's mail.
    added = insert(Block).values(fingerprint=os.urandom(32), pieces=part.to_json()).returning(Block.id)
    return db.session.execute(added).scalar_one()


def keep_until(content_id: int, purge_at: datetime, *, reply_to: str | None = None) -> None:
    """Have a content's text wiped at `purge_at`, and answers to its mails go to `reply_to`."""
    mine = update(Content).where(Content.id == content_id).values(purge_at=purge_at, reply_to=reply_to)
    db.session.execute(mine.execution_options(synchronize_session=False))


def wipe_due(now: datetime) -> int:
    """Wipe some of the texts whose time is over, none of which a mail is open for; return how many there were."""
    due = select(Content.id, Content.block_ids).where(
        Content.purge_at <= now,
        # One after the other, each as an index of the ledger has it.
        ~_any(incoming.is_in(State.PLANNED)),
        ~_any(incoming.is_in(State.CLAIMED, State.SENDING)),
        ~_any(incoming.is_in(State.IN_DOUBT) & Delivery.done_at.is_(None)),
    )
    rows = db.session.execute(due.order_by(Content.purge_at).limit(CHUNK)).all()
    _wipe([row.id for row in rows], [block for row in rows for block in recall.unpacked(row.block_ids)])
    return len(rows)


def _any(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Delivery.mailing_id == Content.mailing_id, Delivery.content_id == Content.id, condition)


def _wipe(content_ids: Sequence[int], block_ids: Sequence[int]) -> None:
    if content_ids:
        options = {"synchronize_session": False}
        blocks = update(Block).where(Block.id.in_(block_ids)).values(pieces=_WIPED)
        contents = update(Content).where(Content.id.in_(content_ids)).values(purge_at=None, reply_to=None)
        db.session.execute(blocks, execution_options=options)
        db.session.execute(contents, execution_options=options)
