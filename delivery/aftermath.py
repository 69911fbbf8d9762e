"""What follows when a mail came back: a count, a suppression, news for those above. The caller commits."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam, delete, or_, select, tuple_, update

from core import journal
from core.database import UtcTime, db, insert_for
from core.journal import Change
from delivery import outcomes, suppression
from delivery.classes import COUNTING, RANK, Class, Counting, Row, Then
from delivery.models import Bounce, Delivery
from delivery.outcomes import Kind

_SAID = {suppression.BULK: "bulk mail", "share": "mail from friends"}
KEPT = timedelta(days=90)
"""So long a mail that came back is counted at most; longer than any row of the table looks back."""


@dataclass(frozen=True, slots=True, eq=False)
class Returned:
    """A delivery that came back, with what that means and who told it. `handed_over_at` is its last intent.

    `scope` is what its address is kept from when it is enough.
    """

    id: int
    mailing_id: int
    reader_key: bytes | None
    addr_hash: bytes
    handed_over_at: datetime
    row: Row
    source: str
    scope: str = suppression.BULK

    @property
    def counts_as(self) -> Class:
        """Return as what it is counted, where it is."""
        return Class.SOFT if self.row.means is Class.UNDETERMINED else self.row.means

    @property
    def key(self) -> tuple[bytes, str]:
        """Return what it is counted with."""
        return self.addr_hash, self.counts_as.value


def mark(delivery_ids: Iterable[int], means: Class, *, now: datetime) -> None:
    """Write on deliveries as what they came back; not where as much or more is known: it is never taken back."""
    db.session.connection().execute(_mark(means), {"numbers": sorted(delivery_ids), "now": now})


@cache
def _mark(means: Class) -> Update:
    """Return the statement, made once: many reports may come at once, and making it costs more than running it."""
    less = [one.value for one in Class if RANK[one] < RANK[means]]
    return (
        update(Delivery)
        .where(
            Delivery.id.in_(bindparam("numbers", expanding=True)),
            or_(Delivery.returned_as.is_(None), Delivery.returned_as.in_(less)),
        )
        .values(returned_at=bindparam("now", type_=UtcTime), returned_as=means.value)
    )


def follow(returned: Sequence[Returned], *, now: datetime) -> list[str | None]:
    """Have follow what each means for its address; return that in words, None where it is nothing.

    It comes to the same as if they were told one by one in this order, in a few statements for all of them.
    """
    counted = _count([mail for mail in returned if mail.row.then is Then.COUNT])
    suppressions: list[Change] = []
    news: list[Mapping[str, object]] = []
    words: list[str | None] = []
    for mail in returned:
        if mail.row.then is Then.SUPPRESS:
            suppressions.append(_suppression(mail, mail.row.means, None))
            kind = Kind.COMPLAINT if mail.row.means is Class.COMPLAINT else Kind.HARD_BOUNCE
            words.append(f"The address gets no more {_SAID.get(mail.scope, mail.scope)}.")
        elif mail not in counted:
            words.append(None)
            continue
        elif counted[mail]:
            ends_after = COUNTING[mail.counts_as].ends_after
            suppressions.append(_suppression(mail, mail.counts_as, None if ends_after is None else now + ends_after))
            kind = Kind.HARD_BOUNCE if mail.counts_as is Class.DOMAIN else Kind.SOFT_BOUNCE
            words.append("Counted; it was enough, so the address gets no bulk mail for now.")
        else:
            kind = Kind.SOFT_BOUNCE
            words.append("Counted.")
        news.append(_outcome(mail, kind, now))
    suppression.suppress_all(suppressions, now=now)
    outcomes.add(news)
    return words


def leave(mail: Returned, *, stream: str, reason: str, now: datetime) -> bool:
    """Have an address left alone in a stream, as its reader asked by mail; return whether that is news."""
    news = suppression.suppress(mail.addr_hash, scope=stream, reason=reason, source=mail.source, now=now)
    if news:
        outcomes.add([_outcome(mail, Kind.LEFT_BY_MAIL, now)])
    return news


def _suppression(mail: Returned, why: Class, until: datetime | None) -> Change:
    return Change(journal.SUPPRESS, mail.addr_hash, mail.scope, why.value, mail.source, until)


def _outcome(mail: Returned, kind: Kind, now: datetime) -> Mapping[str, object]:
    return {
        "kind": kind.value,
        "at": now,
        "delivery_id": mail.id,
        "mailing_id": mail.mailing_id,
        "reader_key": mail.reader_key,
        "addr_hash": mail.addr_hash,
    }


def _count(returned: Sequence[Returned]) -> Mapping[Returned, bool]:
    """Count mails that came back, each once; return those that were not counted before, and of which it is enough."""
    if not returned:
        return {}
    new = _keep(returned)
    times = _times(returned, without=new)
    counted = {}
    for mail in returned:
        if (*mail.key, mail.id) in new:
            new.remove((*mail.key, mail.id))
            times[mail.key].append(mail.handed_over_at)
            counted[mail] = is_enough(times[mail.key], mail.handed_over_at, COUNTING[mail.counts_as])
    return counted


def _keep(returned: Iterable[Returned]) -> set[tuple[bytes, str, int]]:
    """Write down what is counted; return what was not there."""
    rows = [
        {"addr_hash": mail.addr_hash, "kind": mail.counts_as.value, "delivery_id": mail.id, "at": mail.handed_over_at}
        # In one order for all: two who count the same addresses would otherwise wait for each other.
        for mail in sorted(returned, key=lambda one: (*one.key, one.id))
    ]
    connection = db.session.connection()
    return {(row[0], row[1], row[2]) for row in connection.execute(_counting(connection.dialect.name), rows)}


@cache
def _counting(_dialect: str) -> Any:
    statement = insert_for(db.engine)(Bounce).on_conflict_do_nothing()
    return statement.returning(Bounce.addr_hash, Bounce.kind, Bounce.delivery_id)


def _times(
    returned: Iterable[Returned], *, without: Collection[tuple[bytes, str, int]]
) -> defaultdict[tuple[bytes, str], list[datetime]]:
    """Return when mails were handed over that came back to the same addresses before."""
    found: defaultdict[tuple[bytes, str], list[datetime]] = defaultdict(list)
    addresses = {"addresses": sorted({mail.addr_hash for mail in returned})}
    for addr_hash, kind, delivery_id, at in db.session.connection().execute(_TIMES, addresses):
        if (addr_hash, kind, delivery_id) not in without:
            found[addr_hash, kind].append(at)
    return found


_TIMES = select(Bounce.addr_hash, Bounce.kind, Bounce.delivery_id, Bounce.at).where(
    Bounce.addr_hash.in_(bindparam("addresses", expanding=True))
)


def is_enough(times: Collection[datetime], newest: datetime, rule: Counting) -> bool:
    """Return whether some window of the rule's length holds so many of the times, `newest` among them.

    Reports come in any order, so `newest` need not be the latest; it is the one that was learned last.
    """
    near = sorted(one for one in times if newest - rule.within < one < newest + rule.within)
    for place, start in enumerate(near):
        if start > newest:
            break
        window = [one for one in near[place:] if one < start + rule.within]
        if len(window) >= rule.times and window[-1] - start >= rule.over and newest in window:
            return True
    return False


def forget(now: datetime, *, limit: int = 5000) -> int:
    """Forget what is too old to be counted, some at a time; return how many went."""
    key = (Bounce.addr_hash, Bounce.kind, Bounce.delivery_id)
    old = select(*key).where(Bounce.at < now - KEPT).limit(limit)
    gone = delete(Bounce).where(tuple_(*key).in_(old)).returning(Bounce.kind)
    return len(db.session.execute(gone.execution_options(synchronize_session=False)).all())
