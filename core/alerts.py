"""What operators must be told, until they answer: one row for each trouble, opened, told, acknowledged, closed.

Every function takes a connection and the ledger's time, and commits nothing: the doors do, and the sender's threads
have no application context.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, case, null, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from core import characters, logs
from core.database import Base, insert_for

LONGEST = 300
"""Characters in a line: more than that nobody reads at night."""


class Alert(Base):
    """A trouble of the installation. `key` names it, so the same trouble is one row however often it is seen.

    `text` is three lines: what happened, how much and since when, what to do. A closed one with a `told_at` is over,
    and nobody was told that yet.
    """

    __tablename__ = "alerts"
    key: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    opened_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a person must look at. What stands in its key before the colon is its kind."""

    key: str
    text: str

    @property
    def kind(self) -> str:
        """Return what kind of trouble it is: `relay` of `relay:main`."""
        return self.key.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told now of one alert: that it stands, or that it is over. `told_at` is as it was read."""

    key: str
    text: str
    since: datetime
    over_at: datetime | None
    told_at: datetime | None


def trouble(key: str, *, what: str, how_much: str, cure: str) -> Trouble:
    """Return a trouble with its three lines. No address, no token and no control character comes into them."""
    return Trouble(key, "\n".join(_line(part) for part in (what, how_much, cure)))


def _line(text: str) -> str:
    visible = "".join(" " if characters.has_controls(char) else char for char in text)
    return logs.mask(" ".join(visible.split()))[:LONGEST]


def at(time: datetime) -> str:
    """Return an instant as it is written in an alert: minutes are enough, and UTC is the same for everybody."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def raise_alert(connection: Connection, found: Trouble, now: datetime) -> None:
    """Open an alert. Seen again, it gets the new text; after it was closed, it is a new one, and is told at once."""
    row = {"key": found.key, "text": found.text, "opened_at": now}
    upsert = insert_for(connection.engine)(Alert).values(row)
    closed = Alert.closed_at.is_not(None)
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "text": upsert.excluded.text,
                "opened_at": case((closed, upsert.excluded.opened_at), else_=Alert.opened_at),
                "told_at": case((closed, null()), else_=Alert.told_at),
                "acknowledged_at": case((closed, null()), else_=Alert.acknowledged_at),
                "closed_at": null(),
            },
            where=or_(closed, Alert.text != upsert.excluded.text),
        )
    )


def close(connection: Connection, keys: Collection[str], now: datetime) -> None:
    """Close what is over. One that was told is told once more."""
    connection.execute(update(Alert).where(Alert.key.in_(keys), Alert.closed_at.is_(None)).values(closed_at=now))


def keep(connection: Connection, found: Sequence[Trouble], *, kinds: Collection[str], now: datetime) -> None:
    """Have the alerts of these kinds be the troubles that were found: open what is new, close what is not there."""
    keys = [one.key for one in found]
    # Those who keep them at the same time take the rows in one order, so nobody waits in a circle.
    rows = connection.execute(
        select(Alert.key, Alert.closed_at)
        .where(or_(Alert.closed_at.is_(None), Alert.key.in_(keys)))
        .order_by(Alert.key)
        .with_for_update()
    )
    stood = [row.key for row in rows if row.closed_at is None]
    for one in sorted(found, key=lambda one: one.key):
        raise_alert(connection, one, now)
    close(connection, [key for key in stood if key not in keys and Trouble(key, "").kind in kinds], now)


def open_keys(connection: Connection) -> frozenset[str]:
    """Return the keys of the alerts that stand."""
    return frozenset(connection.execute(select(Alert.key).where(Alert.closed_at.is_(None))).scalars())


def due(connection: Connection, *, repeat: timedelta, now: datetime) -> list[Notice]:
    """Return what is to be told: never told, or longer ago than `repeat` and not acknowledged; and what is over."""
    stands = or_(Alert.told_at.is_(None), Alert.told_at <= now - repeat)
    rows = connection.execute(
        select(Alert)
        .where(
            or_(
                Alert.closed_at.is_(None) & Alert.acknowledged_at.is_(None) & stands,
                Alert.closed_at.is_not(None) & Alert.told_at.is_not(None),
            )
        )
        .order_by(Alert.opened_at, Alert.key)
    )
    return [Notice(row.key, row.text, row.opened_at, row.closed_at, row.told_at) for row in rows]


def claim(connection: Connection, notice: Notice, now: datetime) -> bool:
    """Take it upon us to tell this; return False when somebody else told it, answered it, or it has changed."""
    told_at = now if notice.over_at is None else None
    return _set_told(connection, notice, was=notice.told_at, to=told_at)


def give_back(connection: Connection, notice: Notice, claimed_at: datetime) -> None:
    """Have a notice told by whoever looks next: nobody could be told."""
    was = claimed_at if notice.over_at is None else None
    _set_told(connection, notice, was=was, to=notice.told_at)


def _set_told(connection: Connection, notice: Notice, *, was: datetime | None, to: datetime | None) -> bool:
    changed = connection.execute(
        update(Alert)
        .where(
            Alert.key == notice.key,
            Alert.opened_at == notice.since,
            Alert.told_at.is_not_distinct_from(was),
            Alert.closed_at.is_not_distinct_from(notice.over_at),
            or_(Alert.acknowledged_at.is_(None), Alert.closed_at.is_not(None)),
        )
        .values(told_at=to)
    )
    return changed.rowcount == 1


def still_so(connection: Connection, notice: Notice) -> bool:
    """Return whether a notice is as true as it was: the alert still stands and nobody answered, or is still over."""
    answered = Alert.acknowledged_at.is_not(None) & Alert.closed_at.is_(None)
    wanted = select(Alert.key).where(
        Alert.key == notice.key,
        Alert.opened_at == notice.since,
        Alert.closed_at.is_not_distinct_from(notice.over_at),
        ~answered,
    )
    return connection.execute(wanted).first() is not None


def standing(connection: Connection) -> list[Alert]:
    """Return the alerts that stand, the oldest first."""
    rows = connection.execute(select(Alert).where(Alert.closed_at.is_(None)).order_by(Alert.opened_at, Alert.key))
    return [Alert(**row._mapping) for row in rows]


def acknowledge(connection: Connection, keys: Collection[str], now: datetime) -> int:
    """Answer alerts: they are not repeated any more. Returns how many stood and were not answered yet."""
    changed = connection.execute(
        update(Alert)
        .where(Alert.key.in_(keys), Alert.closed_at.is_(None), Alert.acknowledged_at.is_(None))
        .values(acknowledged_at=now)
    )
    return changed.rowcount
