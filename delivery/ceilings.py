"""What the daily ceiling of a sending domain that is being warmed up holds back. Everything here only reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from core.database import db
from core.identity import MailIdentity, PostOffice
from delivery.models import Delivery, Lane, Mailing, Quota
from delivery.progress import PLANNED


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How many mails of a domain may leave today, and of which lanes it sends the mail."""

    domain: str
    mails: int
    lanes: frozenset[int]


def of_today(post: PostOffice, identity: MailIdentity, now: datetime) -> list[Ceiling]:
    """Return the ceilings that hold on this UTC day. Transactional mail is under none."""
    lanes: dict[tuple[str, int], set[int]] = {}
    for lane in Lane:
        name = lane.name.lower()
        warm_up = post.relays[identity.relay_of(name)].warm_up
        if warm_up is not None and lane is not Lane.TRANSACTIONAL:
            domain = identity.sender_of(name).rpartition("@")[2]
            lanes.setdefault((domain, warm_up.ceiling(now.date())), set()).add(lane)
    return [Ceiling(domain, mails, frozenset(found)) for (domain, mails), found in sorted(lanes.items())]


def reached(ceilings: list[Ceiling], now: datetime) -> list[Ceiling]:
    """Return those under which nothing more may leave today."""
    taken = select(Quota.domain, Quota.taken).where(Quota.day == now.date())
    used = {row.domain: row.taken for row in db.session.execute(taken)}
    return [one for one in ceilings if used.get(one.domain, 0) >= one.mails]


def held_back(ceilings: list[Ceiling], now: datetime) -> Mapping[str, int]:
    """Return by domain how many mails could leave now, if it were not for its ceiling: 0 until that is reached."""
    found = dict.fromkeys((one.domain for one in ceilings), 0)
    for one in reached(ceilings, now):
        running = select(Mailing.id).where(Mailing.state == "running", Mailing.lane.in_(one.lanes))
        due = (Delivery.mailing_id.in_(running), PLANNED, Delivery.next_attempt_at <= now)
        found[one.domain] += db.session.scalar(select(func.count()).where(*due)) or 0
    return found
