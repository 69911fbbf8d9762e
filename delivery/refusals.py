"""How many mails were not taken, by reason: each sender counts its own, and what is forgotten with it is kept here."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, select, union_all, update

from core.database import Mark, db, insert_for
from delivery.models import Worker

_NAME = "refused"
_REASON = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
"""A reason that is anything else is counted as `other`: what a relay wrote must not become a name of ours."""


def by_reason() -> Mapping[str, int]:
    """Return the counts over all senders that ever were. They never go down."""
    # In one statement, so that a sender that is being forgotten is neither counted twice nor left out.
    kept = select(Mark.value.label("counts")).where(Mark.name == _NAME)
    return _added(db.session.scalars(union_all(kept, select(Worker.refused))))


def _added(texts: Iterable[str]) -> Counter[str]:
    found = Counter[str]()
    for text in texts:
        for reason, count in json.loads(text).items():
            found[reason if _REASON.fullmatch(reason) else "other"] += int(count)
    return found


def forget_senders(connection: Connection, before: datetime) -> int:
    """Take the senders off the list that have not been heard since then, and keep their counts; return how many."""
    old = Worker.heartbeat_at < before
    if connection.scalar(select(Worker.id).where(old).limit(1)) is None:
        return 0
    connection.execute(insert_for(connection.engine)(Mark).values(name=_NAME, value="{}").on_conflict_do_nothing())
    kept = connection.execute(select(Mark.value).where(Mark.name == _NAME).with_for_update()).scalar_one()
    gone = connection.scalars(delete(Worker).where(old).returning(Worker.refused)).all()
    text = json.dumps(_added([kept, *gone]), sort_keys=True)
    connection.execute(update(Mark).where(Mark.name == _NAME).values(value=text))
    return len(gone)
