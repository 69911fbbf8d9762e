"""What operators are told of mailboxes: one that could not be read for a while, and many mails that make no sense."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from core import alerts
from core.alerts import Trouble, at
from core.database import Mark, insert_for
from returns.models import Arrival

KINDS = ("mailbox", "unread")
"""What stands before the colon in the keys of the troubles that are found here."""
PATIENCE = timedelta(minutes=10)
"""So long a mailbox may be away before somebody is woken: servers start anew."""
MOST_UNREAD = 20
WITHIN = timedelta(days=1)
_MARK = "not read since: "


def note(connection: Connection, failed: Collection[str], now: datetime) -> None:
    """Remember since when mailboxes could not be read, and forget it of all others."""
    names = [_MARK + box for box in failed]
    connection.execute(delete(Mark).where(Mark.name.startswith(_MARK), Mark.name.not_in(names)))
    for name in names:
        row = insert_for(connection.engine)(Mark).values(name=name, value=now.isoformat())
        connection.execute(row.on_conflict_do_nothing())


def is_noted(connection: Connection) -> bool:
    """Return whether a mailbox could not be read at the last look."""
    return connection.execute(select(Mark.name).where(Mark.name.startswith(_MARK)).limit(1)).first() is not None


def found(connection: Connection, failed: Mapping[str, str], *, known: Collection[str], now: datetime) -> list[Trouble]:
    """Return the troubles there are. Reads only; `failed` says why of each mailbox, `known` is alerts.open_keys."""
    rows = connection.execute(select(Mark.name, Mark.value).where(Mark.name.startswith(_MARK)))
    since = {name.removeprefix(_MARK): datetime.fromisoformat(value) for name, value in rows}
    away = [_away(box, why, since[box]) for box, why in failed.items() if box in since and now - since[box] >= PATIENCE]
    return [*away, *_unread(connection, known, now)]


def _away(box: str, why: str, since: datetime) -> Trouble:
    return alerts.trouble(
        f"mailbox:{box}",
        what=f"What comes back by mail is not read. {why}",
        how_much=f"Since {at(since)}. Bounces, complaints and wishes to leave that lie there have no effect.",
        cure="Set right what it says, then: flask mailbox read",
    )


def _unread(connection: Connection, known: Collection[str], now: datetime) -> list[Trouble]:
    """Return the trouble that many mails could not be read; it goes a little later than it came.

    Letters beyond the bounds are readable, and have a kind: whoever writes many of them must not wake anybody.
    """
    key = "unread:mailbox"
    unread = (Arrival.source == "mailbox", Arrival.state == "unread", Arrival.kind.is_(None))
    recent = (*unread, Arrival.arrived_at > now - WITHIN)
    count = connection.execute(select(func.count()).where(*recent)).scalar_one()
    if count < (MOST_UNREAD // 2 if key in known else MOST_UNREAD):
        return []
    last = connection.execute(select(Arrival.why).where(*recent).order_by(Arrival.id.desc()).limit(1)).scalar()
    return [
        alerts.trouble(
            key,
            what=f"{count:,} mails that came back were kept aside within a day: nothing follows from them.",
            how_much=f"Why the last one was: {last or 'nobody knows.'}",
            cure="See why the others were: flask mailbox unread. They lie in the mailbox, in the folder Unreadable.",
        )
    ]
