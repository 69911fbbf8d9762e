"""Bad signs: seen since the switch was turned to `verified`, they turn it back, and operators are told."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from core import alerts
from core.database import db
from core.shares import ShareSettings
from delivery import protection
from delivery.classes import Class
from delivery.models import Delivery, Lane, Mailing
from delivery.states import State
from sharing import switch
from sharing.models import Share, ShareFriend

STREAM = "share"
LOOKED_AT = 200
"""Mails to friends, the last ones, of which bounces are counted."""
MOST_BOUNCES = 10
"""Five in a hundred of those. Of fewer mails as many are needed: of ten wrong addresses one may have been mistyped."""
_BURST = timedelta(minutes=10)
_DAY = timedelta(days=1)
_GONE = (Class.HARD.value, Class.DOMAIN.value)


@dataclass(frozen=True, slots=True)
class Signs:
    """What is seen: complaints, hard bounces of so many last mails, friends confirmed in ten minutes and in a day, and
    people who were asked in these whether they send a story, since that is mail to who may know nothing of it, too.

    `stopped` says why the post office has stopped all of this mail.
    """

    complaints: int
    bounces: int
    mails: int
    in_ten_minutes: int
    in_a_day: int
    asked_in_ten_minutes: int
    asked_in_a_day: int
    stopped: str | None


def look(*, now: datetime) -> Signs:
    """Count the signs since the switch was turned on. Only reads."""
    since = switch.standing().since or now - _DAY
    mails = (
        select(Delivery.returned_as)
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .where(
            Mailing.lane == Lane.SHARE,
            Mailing.created_at > since - _DAY,
            Delivery.state.in_([State.SENT.value, State.FAILED.value]),
            Delivery.intent_at > since,
        )
        .order_by(Delivery.id.desc())
    )
    last = list(db.session.scalars(mails.limit(LOOKED_AT)))
    complained = mails.order_by(None).where(Delivery.returned_as == Class.COMPLAINT.value).subquery()
    ten_minutes, a_day = max(since, now - _BURST), max(since, now - _DAY)
    return Signs(
        complaints=db.session.scalar(select(func.count()).select_from(complained)) or 0,
        bounces=sum(one in _GONE for one in last),
        mails=len(last),
        in_ten_minutes=_friends_since(ten_minutes),
        in_a_day=_friends_since(a_day),
        asked_in_ten_minutes=_asked_since(ten_minutes),
        asked_in_a_day=_asked_since(a_day),
        stopped=protection.why_stopped(db.session.connection(), STREAM),
    )


def _friends_since(since: datetime) -> int:
    wanted = select(func.count()).select_from(ShareFriend).join(Share).where(Share.confirmed_at > since)
    return db.session.scalar(wanted.where(Share.at > since - _DAY)) or 0


def _asked_since(since: datetime) -> int:
    asked = Share.token_hash.is_(None) & Share.state.not_in(("new", "refused"))
    return db.session.scalar(select(func.count()).select_from(Share).where(Share.at > since, asked)) or 0


def bad(seen: Signs, limits: ShareSettings) -> str | None:
    """Return what is wrong, in one line; None while all is well."""
    if seen.complaints:
        return "A friend called such a mail spam."
    if seen.bounces >= MOST_BOUNCES:
        return f"Of the last {seen.mails} mails {seen.bounces} went to addresses without a reader."
    return _too_many(seen, limits) or seen.stopped


def _too_many(seen: Signs, limits: ShareSettings) -> str | None:
    burst, day = f"sharing.burst is {limits.burst}", f"sharing.stop_day is {limits.stop_day}"
    if seen.in_ten_minutes > limits.burst:
        return f"Stories were sent to {seen.in_ten_minutes} friends in ten minutes; {burst}."
    if seen.in_a_day > limits.stop_day:
        return f"Stories were sent to {seen.in_a_day} friends in a day; {day}."
    if seen.asked_in_ten_minutes > limits.burst:
        return f"{seen.asked_in_ten_minutes} people were asked in ten minutes whether they send a story; {burst}."
    if seen.asked_in_a_day > limits.stop_day:
        return f"{seen.asked_in_a_day} people were asked in a day whether they send a story; {day}."
    return None


def fall_back(why: str, *, now: datetime) -> bool:
    """Turn the switch to `mailto`, end what waits, and have operators told; return whether that is news."""
    if not switch.fall_back(why, now=now):
        return False
    found = alerts.trouble(
        switch.ALERT,
        what=f"Stories are not sent to friends any more, since that may be misused: {why}",
        how_much=f"Since {alerts.at(now)} the page offers the reader's own mail program; what waited has ended.",
        cure="Look at flask sharing report. To send again: flask sharing switch verified --by and your name.",
    )
    alerts.raise_alert(db.session.connection(), found, now)
    return True
