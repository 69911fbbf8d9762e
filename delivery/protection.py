"""Limits that protect the publisher: a stream that is complained about, or bounces, too much is stopped, and told.

What is compared is of one day and one stream: the mails of the mailings that were opened on it, and how many of those
came back. So a report that comes days later counts for the mails that it is about. System mail is left out: nobody can
confirm anything while it is paused.
"""

import json
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Select, func, select, update

from core import alerts, logs
from core.alerts import Alert, Trouble, at
from core.limits import Limit, ReturnLimits
from delivery import incoming, providers
from delivery.classes import OUR_FAULT, Class
from delivery.models import Delivery, DeliveryEvent, Lane, Mailing
from delivery.states import State

log = logs.get(__name__)

STOPPED = "stopped"
KINDS = ("complaints", "bounces", "refusals", STOPPED)
"""What stands before the colon in the keys of the troubles that are found here."""
LOOKED_BACK = timedelta(days=3)
"""So long reports about a day's mails are waited for; most complaints come within a day or two."""
LEAST = 3
"""One or two prove nothing, whatever share of the mails they are."""
WHY = "Too much mail of "
"""What the reason begins with for which a mailing is paused here: the first line of the alert."""
REFUSED_WITHIN = timedelta(hours=24)
_COUNTED = 10_000
_RETURNED: Mapping[str, Collection[Class]] = {
    "complaints": (Class.COMPLAINT,),
    "bounces": (Class.HARD, Class.DOMAIN),
}


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a day's mails in one stream came back, when that is more than it should."""

    kind: str
    stream: str
    day: date
    found: int
    of: int
    limit: Limit

    @property
    def key(self) -> str:
        """Return the key of the alert that warns of it."""
        return f"{self.kind}:{self.stream}:{self.day}"

    @property
    def stop_key(self) -> str:
        """Return the key of the alert that the stream is stopped for it."""
        return f"{STOPPED}:{self.stream}:{self.kind}:{self.day}"

    @property
    def stops(self) -> bool:
        """Return whether it is so much that nothing more may leave."""
        return self.found >= self.limit.stop * self.of

    def __str__(self) -> str:
        """Say it in numbers."""
        came_back = "were called spam" if self.kind == "complaints" else "have no reader any more"
        return f"{self.found:,} of {self.of:,} mails of {self.day} {came_back}, {_percent(self.found / self.of)}"


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def over(connection: Connection, limits: ReturnLimits, now: datetime) -> list[Share]:
    """Return what is over its warning, by stream and day of the last three. Reads only.

    What came back stands in a small index; the mails are counted only of those days of which enough did.
    """
    recent = select(Mailing.id, Mailing.stream, Mailing.created_at, Mailing.counts).where(
        Mailing.created_at > now - LOOKED_BACK, Mailing.lane != Lane.TRANSACTIONAL
    )
    counts: dict[int, str | None] = {}
    days: defaultdict[tuple[str, date], list[int]] = defaultdict(list)
    for row in connection.execute(recent):
        counts[row.id] = row.counts
        days[row.stream, row.created_at.date()].append(row.id)
    came_back = _came_back(connection, list(counts))
    found = []
    for kind, limit in (("complaints", limits.complaints), ("bounces", limits.bounces)):
        for (stream, day), ids in sorted(days.items()):
            count = sum(came_back.get((one, means.value), 0) for one in ids for means in _RETURNED[kind])
            if count < max(LEAST, limit.warn * limit.least_mails):
                continue
            of = _mails(connection, {one: counts[one] for one in ids}, kind)
            if of >= limit.least_mails and count >= limit.warn * of:
                found.append(Share(kind, stream, day, count, of, limit))
    return found


def _came_back(connection: Connection, ids: Sequence[int]) -> Mapping[tuple[int, str], int]:
    if not ids:
        return {}
    rows = connection.execute(
        select(Delivery.mailing_id, Delivery.returned_as, func.count().label("found"))
        .where(Delivery.mailing_id.in_(ids), Delivery.returned_at.is_not(None))
        .group_by(Delivery.mailing_id, Delivery.returned_as)
    )
    return {(row.mailing_id, row.returned_as): row.found for row in rows}


def _mails(connection: Connection, mailings: Mapping[int, str | None], kind: str) -> int:
    """Return how many mails of some mailings were handed over; beside bounces also those that were refused at once."""
    states = (State.SENT,) if kind == "complaints" else (State.SENT, State.FAILED)
    counted: list[dict[str, int]] = [json.loads(text) for text in mailings.values() if text is not None]
    live = [one for one, text in mailings.items() if text is None]
    left = (incoming.is_in(*states), ~incoming.is_in(State.PLANNED))
    wanted = select(func.count()).where(Delivery.mailing_id.in_(live), *left)
    found: int = connection.execute(wanted).scalar_one()
    return found + sum(table.get(state.value, 0) for table in counted for state in states)


def troubles(connection: Connection, shares: Sequence[Share], known: Collection[str]) -> Iterator[Trouble]:
    """Yield a trouble for each share that is over its warning, and for each stop that nobody has answered yet.

    `known` is core.alerts.open_keys. What was once told goes on as long as the share is over its warning.
    """
    for one in shares:
        if one.stops or one.stop_key in known:
            yield _trouble(
                one,
                one.stop_key,
                how_much=f"The limit is {_percent(one.limit.stop)}: its mailings are paused until you answer.",
                cure="To send all the same:",
                then=", then resume.",
            )
        if not one.stops or one.key in known:
            limits = (_percent(one.limit.warn), _percent(one.limit.stop))
            how_much = "You are told from {} on; at {} its mailings are paused.".format(*limits)
            yield _trouble(one, one.key, how_much=how_much, cure="To be told no more:")
    over_it = {one.stop_key for one in shares}
    for row in connection.execute(_unanswered(f"{STOPPED}:")):
        if row.key not in over_it:
            yield Trouble(row.key, row.text)


def _trouble(share: Share, key: str, *, how_much: str, cure: str, then: str = "") -> Trouble:
    return alerts.trouble(
        key,
        what=f"{WHY}{share.stream} comes back: {share}.",
        how_much=how_much,
        cure=f"Find out who they are and how they subscribed. {cure} flask alerts acknowledge {shlex.quote(key)}{then}",
    )


def _unanswered(prefix: str) -> Select[str, str]:
    """Return the alerts with this beginning that stand, and that no operator has answered."""
    stands = (Alert.closed_at.is_(None), Alert.acknowledged_at.is_(None))
    wanted = select(Alert.key, Alert.text).where(Alert.key.startswith(prefix, autoescape=True), *stands)
    return wanted.order_by(Alert.key)


def stream_of(stop_key: str) -> str:
    """Return which stream the alert with this key says is stopped."""
    return stop_key.removeprefix(f"{STOPPED}:").rsplit(":", 2)[0]


def why_stopped(connection: Connection, stream: str) -> str | None:
    """Return why a stream is stopped, None when it is not. Looks at the alerts, which are few."""
    rows = connection.execute(_unanswered(f"{STOPPED}:{stream}:"))
    return next((_why(row.text) for row in rows if stream_of(row.key) == stream), None)


def _why(text: str) -> str:
    return text.partition("\n")[0]


def stop(connection: Connection) -> None:
    """Pause the running mailings of the streams whose stop stands: until an operator answers its alert."""
    for row in connection.execute(_unanswered(f"{STOPPED}:")).all():
        stream = stream_of(row.key)
        running = update(Mailing).where(
            Mailing.stream == stream, Mailing.state == "running", Mailing.lane != Lane.TRANSACTIONAL
        )
        paused = connection.execute(running.values(state="paused", why_paused=_why(row.text))).rowcount
        if paused:
            log.error("stream stopped", stream=stream, why=_why(row.text), mailings=paused)


def refusals(connection: Connection, now: datetime) -> Iterator[Trouble]:
    """Yield a trouble for each provider that has turned mails away for our own fault in the last 24 hours."""
    ours = (Delivery.returned_at > now - REFUSED_WITHIN, Delivery.returned_as.in_([one.value for one in OUR_FAULT]))
    some = select(Delivery.id, Delivery.provider, Delivery.returned_at).where(*ours).limit(_COUNTED).subquery()
    rows = connection.execute(
        select(
            some.c.provider,
            func.count().label("found"),
            func.min(some.c.returned_at).label("since"),
            func.max(some.c.id).label("last"),
        )
        .group_by(some.c.provider)
        .having(func.count() >= LEAST)
        .order_by(some.c.provider)
    )
    for row in rows.all():
        who = providers.name(row.provider)
        yield alerts.trouble(
            f"refusals:{who}",
            what=f"{who} turns our mails away, and it is our own fault: {_words(connection, row.last)}",
            how_much=f"{row.found:,} in the last 24 hours, since {at(row.since)}. No reader is counted for it.",
            cure="Set right what it says. For SPF, DKIM and DMARC: flask mail check; of a block list ask its owner.",
        )


def _words(connection: Connection, delivery_id: int) -> str:
    """Return what was said of a mail: by a report, else by the relay."""
    told = select(DeliveryEvent.text).where(DeliveryEvent.delivery_id == delivery_id, DeliveryEvent.kind == "returned")
    report = connection.execute(told.order_by(DeliveryEvent.id.desc()).limit(1)).scalar()
    own = select(Delivery.last_text).where(Delivery.id == delivery_id)
    return report or connection.execute(own).scalar() or "nothing was said."
