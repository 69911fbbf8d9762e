"""Beat's heartbeat: when a worker last did what beat asked for, so it says that beat, queue and worker all live."""

from datetime import datetime

from sqlalchemy import select

from core.database import Mark, db, insert_for

_NAME = "beat"


def note(now: datetime) -> None:
    """Write down that beat was heard."""
    mark = insert_for(db.engine)(Mark).values(name=_NAME, value=now.isoformat())
    db.session.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"value": mark.excluded.value}))


def heard_at() -> datetime | None:
    """Return when beat was last heard, in the ledger's time; None if it never was."""
    value = db.session.scalar(select(Mark.value).where(Mark.name == _NAME))
    return None if value is None else datetime.fromisoformat(value)
