"""What a wish for another address gets: decided by reading, made into a mail outside of any transaction, then written.

The page answers everyone alike. What is known of the new address is told to that address alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select

from core import logs
from core.database import db
from core.services import Services
from delivery import suppression
from subscribers import address, answers, joining, mails
from subscribers.trail import AddressChange

log = logs.get(__name__)

MOST_ANSWERS = 3
"""Answers to wishes for another address that an address, or a reader for whatever address, gets in 24 hours."""
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one wish gets: a letter, or nothing. Two decisions that say the same are equal."""

    change_id: int
    letter: mails.Letter | None


def waiting(limit: int, *, now: datetime) -> list[int]:
    """Return the ids of wishes that nobody has answered yet, oldest first."""
    wanted = select(AddressChange.id).where(AddressChange.state == "new", AddressChange.next_try_at <= now)
    return list(db.session.scalars(wanted.order_by(AddressChange.next_try_at, AddressChange.id).limit(limit)))


def decide(change_id: int, *, services: Services, now: datetime) -> Decision | None:
    """Return what a wish gets, having only read; None when there is nothing to decide any more."""
    change = db.session.get(AddressChange, change_id)
    if change is None or change.state != "new":
        return None
    return Decision(change_id, _letter(change, services, now))


def write(decision: Decision, made: mails.Made | None, *, services: Services, now: datetime) -> bool:
    """Queue the mail of a decision, or none, and move the wish on; return False when it does not hold any more."""
    change = db.session.get_one(AddressChange, decision.change_id)
    joining.hold(change.subscriber)
    db.session.refresh(change, with_for_update=True)
    if change.state != "new":
        return True
    if decide(change.id, services=services, now=now) != decision:
        return False
    if made is not None:
        mails.queue(made, services=services, now=now)
        change.answered_at = now
    asks = decision.letter is not None and decision.letter.name == "new-address"
    change.state = "answered" if asks else "dropped"
    if not asks:
        change.address = None
    db.session.flush()
    log.info("change of address answered", change=change.id, mail=decision.letter and decision.letter.name)
    return True


def put_off(change_id: int, *, now: datetime) -> None:
    """Try a wish that failed again later, as answers.put_off does."""
    change = db.session.get(AddressChange, change_id, with_for_update=True)
    if change is not None and change.state == "new":
        change.next_try_at = answers.later(change.at, now)
        db.session.flush()


def _letter(change: AddressChange, services: Services, now: datetime) -> mails.Letter | None:
    if suppression.is_suppressed(change.addr_hash, ["all"], now=now) or _had_enough(change, now):
        return None
    known = address.is_known(change.addr_hash)
    if known is not None:
        return mails.address_known(change, known, services=services)
    return mails.new_address(change, services=services)


def _had_enough(change: AddressChange, now: datetime) -> bool:
    """Return whether this address, or this reader for whatever address, got as many answers as a day has."""
    answered = select(func.count()).where(
        AddressChange.answered_at > now - _DAY,
        or_(AddressChange.addr_hash == change.addr_hash, AddressChange.subscriber_id == change.subscriber_id),
    )
    return (db.session.scalar(answered) or 0) >= MOST_ANSWERS
