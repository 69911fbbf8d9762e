"""A crowd of readers in the database: a million subscriptions to one digest, at the hours that people choose."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, select

from bench.ground import BenchError
from bench.installation import Installation
from core import addresses, clock, database, services
from core.database import db
from subscribers import offer, rhythm
from subscribers import tastes as tastes_of
from subscribers.models import Subscriber

Name = TypeVar("Name", str, int)
Shares = Sequence[tuple[Name, int]]

ZONES = (("Asia/Hong_Kong", 5), ("Europe/Rome", 3), ("America/New_York", 2))
"""Where readers live: so many of ten."""
HOURS = ((7, 4), (8, 2), (6, 1), (12, 1), (18, 1), (21, 1))
"""When they want their mail: so many of ten by that hour."""
TASTES = 100
SHARES = 10

_READERS = """
INSERT INTO subscribers (public_id, address, addr_hash, state, language, zone, link_version, created_at)
SELECT substring(sha256(address::bytea) for 16), address, addr_hash, 'active', 'en', 'Asia/Hong_Kong', 1, %(now)s
FROM crowd
"""
_CROWD = "CREATE TEMPORARY TABLE crowd (address text, addr_hash bytea) ON COMMIT DROP"
_COPY = "COPY crowd (address, addr_hash) FROM STDIN"
_SUBSCRIPTIONS = """
INSERT INTO subscriptions (subscriber_id, digest_id, state, taste_id, rhythm_id, fresh_from, version, created_at)
SELECT id, %(digest)s, 'on', (%(tastes)s::bigint[])[1 + id %% %(n_tastes)s],
       (%(rhythms)s::bigint[])[1 + id %% %(n_rhythms)s], %(now)s, 1, %(now)s
FROM subscribers
"""


def gather(
    house: Installation,
    readers: int,
    digest: str,
    *,
    tastes: Sequence[Sequence[str]] = (),
    zones: Shares[str] = ZONES,
    hours: Shares[int] = HOURS,
) -> None:
    """Write so many readers of a digest, each subscribed, spread over zones, hours and tastes.

    `tastes` are the topics of each; without them there are TASTES of the usual ones.
    """
    now = clock.utc_now()
    with database.write_turn():
        given = {
            "now": now,
            "digest": offer.by_key(digest).id,
            "tastes": [_chosen(one) for one in tastes] or [_taste(number) for number in range(TASTES)],
            "rhythms": _rhythms(digest, now, zones, hours),
        }
        given |= {"n_tastes": len(given["tastes"]), "n_rhythms": len(given["rhythms"])}
        connection = db.session.connection()
        connection.exec_driver_sql(_CROWD)
        _write_addresses(connection, readers)
        for statement in (_READERS, _SUBSCRIPTIONS):
            connection.exec_driver_sql(statement, given)
        db.session.commit()
    house.settle()


def _write_addresses(connection: Connection, readers: int) -> None:
    """Write who they are, each with the hash that their links and suppressions are kept for."""
    keyring, driver = services.current().keyring, connection.connection.driver_connection
    if driver is None:
        raise BenchError("The connection to PostgreSQL is gone.")
    with driver.cursor() as cursor, cursor.copy(_COPY) as rows:
        for number in range(1, readers + 1):
            address = addresses.stored(f"r{number}@d{number % 2000}.example.org")
            rows.write_row((address.mailbox, keyring.hash(address)))


def _taste(number: int) -> int:
    return tastes_of.taste_row(
        topics=["diplomacy"] if number % 2 else [], countries=[], most=1 + number, format="both"
    ).id


def _chosen(keys: Sequence[str]) -> int:
    themes, countries = ([key for key in keys if (len(key) == 2) == short] for short in (False, True))
    return tastes_of.taste_row(topics=themes, countries=countries, most=10, format="both").id


def _rhythms(digest: str, now: datetime, zones: Shares[str], hours: Shares[int]) -> list[int]:
    """Return rhythms of which each stands as often as its share of the readers."""
    offered, found = offer.by_key(digest), []
    for zone, some in zones:
        for hour, part in hours:
            choice = rhythm.choose("daily", minute=60 * hour, zone=zone)
            found += [rhythm.rhythm_row(offered, choice, now=now).id] * (some * part)
    return found


def some(count: int) -> list[Subscriber]:
    """Return readers from all over the table."""
    most = db.session.scalar(select(Subscriber.id).order_by(Subscriber.id.desc()).limit(1)) or 0
    step = max(1, most // count)
    return list(db.session.scalars(select(Subscriber).where(Subscriber.id.in_(range(1, most + 1, step))).limit(count)))
