"""What is wrong with the post office just now, read from its ledger: each trouble in three lines for a person at night.

Told is what a person can do something about. A daily ceiling that holds mails back, and what an operator paused, is
none. A pause is an operator's when it has no reason, or one that begins with `operator` or `an operator`; any other
pause is our own. Of one cause there is one alert: what only follows from another trouble is not raised, but what
stands stays until it is over.
"""

import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from core import alerts
from core.alerting import AlertSettings
from core.alerts import Trouble, at
from core.identity import MailIdentity, PostOffice
from delivery import ceilings, protection, retries, tick
from delivery.models import Delivery, Gate, Lane, Mailing, Quota, Worker
from delivery.progress import IN_DOUBT, PLANNED
from delivery.protection import Share
from delivery.providers import RELAY

KINDS = ("relay", "mailing", "queue", "doubts", "senders", *protection.KINDS)
"""What stands before the colon in the keys of the troubles that are found here."""
BY_OPERATOR = ("operator", "an operator")
SILENT = timedelta(seconds=120)
"""No sender was heard for so long, although mails are due: none is alive."""
PROVIDER_PATIENCE = timedelta(seconds=retries.RECIPIENT_MOST)
"""How long mails may wait for a provider that turns us away, which mostly passes by itself."""
DOUBT_SLACK = timedelta(seconds=60)
"""The sweep sends a doubt once more a little after its grace."""
COUNTED = 100_000
"""More mails than that are not counted: it would take longer than it tells."""


@dataclass(frozen=True, slots=True)
class Head:
    """The mail that has waited longest of those of one mailing for one provider."""

    mailing_id: int
    lane: int
    provider: int
    at: datetime


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look goes by. `known` are the keys of the alerts that stand: they go a little later than they came."""

    connection: Connection
    post: PostOffice
    identity: MailIdentity
    limits: AlertSettings
    known: Collection[str]
    now: datetime

    def lanes_of(self, relay: str) -> list[Lane]:
        return [lane for lane in Lane if self.identity.relay_of(lane.name.lower()) == relay]


def troubles(
    connection: Connection,
    *,
    post: PostOffice,
    identity: MailIdentity,
    limits: AlertSettings,
    known: Collection[str],
    now: datetime,
    shares: Sequence[Share] = (),
) -> list[Trouble]:
    """Return the troubles there are. Reads only; `known` is core.alerts.open_keys, `shares` is protection.over."""
    look = _Look(connection, post, identity, limits, known, now)
    waiting = heads(connection, Mailing.state == "running")
    relays, senders = list(_paused_relays(look)), list(_silent_senders(look, waiting))
    held = _held_lanes(look, {one.key for one in relays}, silent=bool(senders))
    came_back = [*protection.troubles(connection, shares, known), *protection.refusals(connection, now)]
    stopped = {protection.stream_of(one.key) for one in came_back if one.kind == protection.STOPPED}
    mailings = _paused_mailings(look, stopped)
    return [*relays, *mailings, *_old_queues(look, waiting, held), *_doubts(look), *senders, *came_back]


def heads(connection: Connection, which: ColumnElement[bool]) -> list[Head]:
    """Return the heads of the queues of some mailings, due or not.

    It steps through the index of planned mails from one queue to the next, and reads one entry of each.
    """
    first = select(func.min(Delivery.provider)).where(Delivery.mailing_id == Mailing.id, PLANNED).scalar_subquery()
    steps = select(Mailing.id.label("mailing_id"), Mailing.lane, first.label("provider")).where(which)
    found = steps.cte("steps", recursive=True)
    same = and_(Delivery.mailing_id == found.c.mailing_id, PLANNED)
    following = select(func.min(Delivery.provider)).where(same, Delivery.provider > found.c.provider)
    more = select(found.c.mailing_id, found.c.lane, following.scalar_subquery())
    found = found.union_all(more.where(found.c.provider.is_not(None)))
    queue = and_(Delivery.mailing_id == found.c.mailing_id, Delivery.provider == found.c.provider, PLANNED)
    oldest = select(func.min(Delivery.next_attempt_at)).where(queue).scalar_subquery()
    rows = connection.execute(select(found, oldest.label("at")).where(found.c.provider.is_not(None)))
    return [Head(row.mailing_id, row.lane, row.provider, row.at) for row in rows if row.at is not None]


def _paused_relays(look: _Look) -> Iterator[Trouble]:
    paused = select(Gate.relay, Gate.paused_at, Gate.why).where(Gate.provider == RELAY, Gate.paused_at.is_not(None))
    for row in look.connection.execute(paused.order_by(Gate.relay)):
        if row.relay not in look.post.relays or by_operator(row.why):
            continue
        running = and_(Mailing.state == "running", Mailing.lane.in_(look.lanes_of(row.relay)))
        yield alerts.trouble(
            f"relay:{row.relay}",
            what=f"The relay {row.relay} is paused: {_reason(row.why)}",
            how_much=f"Paused since {at(row.paused_at)}. {_waiting(look, running)}",
            cure=f"Set right what it says, then: flask delivery resume --relay {shlex.quote(row.relay)}",
        )


def _paused_mailings(look: _Look, stopped: Collection[str]) -> Iterator[Trouble]:
    """One alert for each reason. That of a database that came out of a backup is told by who saw it: delivery.tick.

    Streams that are `stopped` because too much came back are told as that.
    """
    columns = (Mailing.id, Mailing.key, Mailing.why_paused, Mailing.stream)
    paused = select(*columns).where(Mailing.state == "paused").order_by(Mailing.id)
    by_reason: dict[str, list[tuple[int, str]]] = {}
    for row in look.connection.execute(paused):
        if by_operator(row.why_paused) or row.why_paused == tick.WHY_PAUSED:
            continue
        if not (row.stream in stopped and row.why_paused.startswith(protection.WHY)):
            by_reason.setdefault(row.why_paused, []).append((row.id, row.key))
    for why, found in by_reason.items():
        key, others = found[0][1], len(found) - 1
        and_others = f" and {others} more {'is' if others == 1 else 'are'}" if others else " is"
        yield alerts.trouble(
            f"mailing:{key}",
            what=f"The mailing {key}{and_others} paused: {_reason(why)}",
            how_much=_waiting(look, Mailing.id.in_([number for number, _key in found])),
            cure=f"Set right what it says, then: flask delivery resume {shlex.quote(key)}",
        )


def by_operator(why: str | None) -> bool:
    """Return whether a pause is an operator's own, who need not be told."""
    return not why or why.lower().startswith(BY_OPERATOR)


def _held_lanes(look: _Look, relays: Collection[str], *, silent: bool) -> set[int]:
    """Return the lanes whose mail waits for what is told already, or for tomorrow: their ceiling is reached."""
    if silent or tick.held(look.connection) is not None:
        return set(Lane)
    held = {int(lane) for key in relays for lane in look.lanes_of(key.partition(":")[2])}
    today = select(Quota.domain, Quota.taken).where(Quota.day == look.now.date())
    taken = {row.domain: row.taken for row in look.connection.execute(today)}
    for ceiling in ceilings.of_today(look.post, look.identity, look.now):
        if taken.get(ceiling.domain, 0) >= ceiling.mails:
            held |= ceiling.lanes
    return held


def _old_queues(look: _Look, waiting: list[Head], held: Collection[int]) -> Iterator[Trouble]:
    gates = select(Gate.relay, Gate.provider).where(Gate.provider != RELAY, Gate.not_before.is_not(None))
    gated = {(row.relay, row.provider) for row in look.connection.execute(gates)}
    for lane in Lane:
        name = lane.name.lower()
        key, relay = f"queue:{name}", look.identity.relay_of(name)
        if lane in held and key not in look.known:
            continue
        limit = look.limits.urgent if lane is Lane.TRANSACTIONAL else look.limits.queue
        limit = limit / 2 if key in look.known else limit
        late = [
            head
            for head in waiting
            if head.lane == lane
            and look.now - head.at > (max(limit, PROVIDER_PATIENCE) if (relay, head.provider) in gated else limit)
        ]
        if late:
            yield _old_queue(look, lane, key, min(head.at for head in late))


def _old_queue(look: _Look, lane: Lane, key: str, since: datetime) -> Trouble:
    name = lane.name.lower()
    living = Worker.heartbeat_at > look.now - SILENT
    rate = look.connection.execute(select(func.sum(Worker.rate)).where(living)).scalar() or 0.0
    minutes = int((look.now - since).total_seconds() // 60)
    waits = _waiting(look, and_(Mailing.state == "running", Mailing.lane == lane))
    return alerts.trouble(
        key,
        what=f"Mail of the lane {name} waits too long: the oldest has been due for {minutes} minutes.",
        how_much=f"{waits} All senders together hand over {rate:.1f} a second.",
        cure="See whether it moves: flask delivery progress. If not, the log of the senders says what holds it.",
    )


def _doubts(look: _Look) -> Iterator[Trouble]:
    resent = case((and_(Mailing.doubt_policy == "resend", Mailing.state == "running"), 1), else_=0)
    count, oldest, by_itself = look.connection.execute(
        select(func.count(), func.min(Delivery.doubt_at), func.sum(resent))
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .where(IN_DOUBT, Delivery.done_at.is_(None))
    ).one()
    most = look.limits.doubts // 2 if "doubts" in look.known else look.limits.doubts
    grace = timedelta(seconds=look.post.timing.doubt_grace_s) + DOUBT_SLACK
    if not count or (count <= most and look.now - oldest <= grace):
        return
    yield alerts.trouble(
        "doubts",
        what=f"{count:,} {'mail is' if count == 1 else 'mails are'} in doubt: the relay may have taken them, or not.",
        how_much=f"The oldest since {at(oldest)}. By themselves {by_itself:,} are sent once more, the others wait.",
        cure="List them: flask delivery doubts. Then resend or accept each. If there are many, look at the relay.",
    )


def _silent_senders(look: _Look, waiting: list[Head]) -> Iterator[Trouble]:
    if not any(head.at <= look.now - SILENT for head in waiting):
        return
    heard = look.connection.execute(select(func.max(Worker.heartbeat_at))).scalar()
    if heard is not None and heard > look.now - SILENT:
        return
    last = f"The last one was heard at {at(heard)}." if heard is not None else "None was heard for a day."
    yield alerts.trouble(
        "senders",
        what="No sender is alive: nothing leaves.",
        how_much=f"{_waiting(look, Mailing.state == 'running')} {last}",
        cure="Start a worker that takes the queue pump; or, on any machine with the same settings: flask delivery pump",
    )


def _waiting(look: _Look, which: ColumnElement[bool]) -> str:
    """Return how many mails of some mailings wait, since when, and until when they may."""
    mailings = select(Mailing.id).where(which)
    some = select(Delivery.id).where(Delivery.mailing_id.in_(mailings), PLANNED).limit(COUNTED + 1).subquery()
    count = look.connection.execute(select(func.count()).select_from(some)).scalar_one()
    found = heads(look.connection, which) if count else []
    if not found:
        return "No mail waits for it."
    oldest = min(found, key=lambda head: head.at)
    row = (Delivery.mailing_id == oldest.mailing_id, Delivery.provider == oldest.provider, PLANNED)
    until = look.connection.execute(
        select(func.min(Delivery.not_after)).where(*row, Delivery.next_attempt_at == oldest.at)
    ).scalar()
    last = f", and is dropped after {at(until)}" if until is not None else ""
    return f"{_mails(count)}; the oldest was due at {at(oldest.at)}{last}."


def _mails(count: int) -> str:
    if count > COUNTED:
        return f"More than {COUNTED:,} mails wait"
    return "1 mail waits" if count == 1 else f"{count:,} mails wait"


def _reason(why: str) -> str:
    return f"{why.rstrip('. ')}."
