"""A reader's address changes: noted, confirmed at the new one, and for a week taken back from the old one."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from core import addresses, clock, database, errors, logs, tokens
from core.database import db
from core.errors import _
from delivery import suppression
from subscribers import consent, joining, linkchanges, mails, preferences, snapshots
from subscribers.models import Subscriber
from subscribers.trail import AddressChange, FormerKey

log = logs.get(__name__)

CONFIRM_WITHIN = mails.CONFIRM_WITHIN
UNDO_WITHIN = timedelta(days=7)
"""How long the old address can take the change back; then it is forgotten."""
LINK_DAYS = 1
"""How long the page with the form can be used: it is opened from the preferences."""
SHARE = "share"


class Taken(errors.Conflict):
    """Somebody subscribed with the address meanwhile."""

    message = _("This address has been subscribed by itself meanwhile, so nothing was changed.")


@dataclass(frozen=True, slots=True)
class Moved:
    """What a confirmation or an undo led to; `again` says that it was done before and nothing was changed."""

    subscriber: Subscriber
    again: bool


def by_token(token: tokens.Token, now: datetime) -> Subscriber:
    """Return whose address a link is to change. Raises LinkExpired after a day, LinkDamaged for nobody."""
    subscriber = preferences.by_token(token, now)
    if clock.day_number(now) - token.day > LINK_DAYS:
        raise errors.LinkExpired
    return subscriber


def note(
    subscriber: Subscriber, address: addresses.Address, *, public_id: bytes, now: datetime, keyring: addresses.Keyring
) -> None:
    """Write down that a reader wants mail at another address. `public_id` is of the form: sent twice, it is one.

    Nobody looks here who else has the address: the answer of the page could tell.
    """
    values = {
        "public_id": public_id,
        "subscriber_id": subscriber.id,
        "address": address.mailbox,
        "addr_hash": keyring.hash(address),
        "state": "new",
        "at": now,
        "next_try_at": now,
    }
    db.session.execute(database.insert_for(db.engine)(AddressChange).values(values).on_conflict_do_nothing())


def open_change(token: tokens.Token, now: datetime) -> AddressChange:
    """Return the change that a confirm token names. Raises LinkExpired when it cannot be confirmed any more."""
    change = db.session.scalar(select(AddressChange).filter_by(public_id=token.key))
    if change is None or not _open(change, now):
        raise errors.LinkExpired
    return change


def _open(change: AddressChange, now: datetime) -> bool:
    usable = change.state == "confirmed" or (change.state == "answered" and change.address is not None)
    return usable and change.at > now - CONFIRM_WITHIN


def confirm(change: AddressChange, *, now: datetime) -> Moved:
    """Move a reader to the new address, whose owner has just pressed the button. It moves once.

    The links that were sent to the old address open nothing any more: the reader gets another key. Raises LinkExpired,
    and Taken when somebody has subscribed with the new address meanwhile.
    """
    joining.hold(change.subscriber)
    db.session.refresh(change, with_for_update=True)
    if not _open(change, now):
        raise errors.LinkExpired
    subscriber = change.subscriber
    if change.state == "confirmed":
        return Moved(subscriber, again=True)
    to, old_hash = change.mailbox, subscriber.addr_hash
    change.state, change.confirmed_at, change.address = "confirmed", now, None
    change.old_address, change.old_key = subscriber.address, subscriber.public_id
    _leave_key(subscriber, now)
    _move(subscriber, to, change.addr_hash, key=os.urandom(tokens.KEY_BYTES))
    _carry_over(old_hash, subscriber, now)
    drop_open(subscriber)
    _record(subscriber, "address", now)
    log.info("address changed", subscriber=subscriber.id, change=change.id)
    return Moved(subscriber, again=False)


def to_take_back(key: bytes, version: int, now: datetime) -> AddressChange | None:
    """Return the change that a link sent to the old address can take back, within a week."""
    former = db.session.get(FormerKey, key)
    if former is None or former.link_version & 0xFF != version:
        return None
    wanted = select(AddressChange).where(
        AddressChange.subscriber_id == former.subscriber_id,
        AddressChange.old_key == key,
        AddressChange.state == "confirmed",
        AddressChange.confirmed_at > now - UNDO_WITHIN,
    )
    return db.session.scalar(wanted.order_by(AddressChange.confirmed_at.desc()).limit(1))


def take_back(change: AddressChange, *, now: datetime) -> Moved:
    """Have mail come to the old address again, also when it was moved on from the new one meanwhile.

    Links that the new one got open nothing any more, and the old address gets new ones: whoever changed it had one of
    the old. Raises Taken, and LinkExpired when it was taken back before.
    """
    subscriber = change.subscriber
    joining.hold(subscriber)
    db.session.refresh(change, with_for_update=True)
    if change.state != "confirmed" or change.old_key is None:
        raise errors.LinkExpired
    key, old = change.old_key, change.old_mailbox
    former = db.session.get_one(FormerKey, key)
    _leave_key(subscriber, now)
    db.session.delete(former)
    new_hash = subscriber.addr_hash
    _move(subscriber, old, former.addr_hash, key=key)
    _carry_over(new_hash, subscriber, now)
    _undo_since(change)
    drop_open(subscriber)
    _record(subscriber, "address_back", now)
    log.info("address changed back", subscriber=subscriber.id, change=change.id)
    return Moved(subscriber, again=False)


def _undo_since(change: AddressChange) -> None:
    """Mark a change and all later ones as taken back: nobody else can take the address elsewhere by them."""
    since = update(AddressChange).where(
        AddressChange.subscriber_id == change.subscriber_id,
        AddressChange.state == "confirmed",
        AddressChange.confirmed_at >= change.confirmed_at,
    )
    db.session.execute(since.values(state="undone", old_address=None))
    db.session.expire(change)


def drop_open(subscriber: Subscriber) -> int:
    """End what waits to be answered or confirmed; return how many there were."""
    ended = update(AddressChange).where(
        AddressChange.subscriber_id == subscriber.id, AddressChange.state.in_(["new", "answered"])
    )
    ids = db.session.scalars(ended.values(state="dropped", address=None).returning(AddressChange.id)).all()
    return len(ids)


def forget(now: datetime) -> int:
    """Forget new addresses that nobody confirmed and old ones that nobody took back within a week; return how many."""
    waiting = AddressChange.address.is_not(None) & (AddressChange.at <= now - CONFIRM_WITHIN)
    over = AddressChange.old_address.is_not(None) & (AddressChange.confirmed_at <= now - UNDO_WITHIN)
    dropped = update(AddressChange).where(waiting).values(address=None, state="dropped")
    settled = update(AddressChange).where(over).values(old_address=None)
    return sum(len(db.session.scalars(one.returning(AddressChange.id)).all()) for one in (dropped, settled))


def is_known(addr_hash: bytes) -> Subscriber | None:
    """Return who has this address, whether they get mail or left."""
    return db.session.scalar(select(Subscriber).filter_by(addr_hash=addr_hash))


def _leave_key(subscriber: Subscriber, now: datetime) -> None:
    """Keep what links of before need to go on stopping mail to the address they were sent to."""
    db.session.add(
        FormerKey(
            public_id=subscriber.public_id,
            subscriber_id=subscriber.id,
            addr_hash=subscriber.addr_hash,
            link_version=subscriber.link_version,
            language=subscriber.language,
            at=now,
        )
    )


def _move(subscriber: Subscriber, to: addresses.Address, addr_hash: bytes, *, key: bytes) -> None:
    if is_known(addr_hash) not in (None, subscriber):
        raise Taken
    subscriber.address, subscriber.addr_hash = to.mailbox, addr_hash
    subscriber.public_id = key
    subscriber.link_version += 1
    try:
        db.session.flush()
    except IntegrityError as error:  # somebody confirmed with this address at the same moment
        raise Taken from error


def _carry_over(old_hash: bytes, subscriber: Subscriber, now: datetime) -> None:
    """Let mail come to where the reader has just shown to be; what they keep away from friends stays away."""
    suppression.lift_returned(subscriber.addr_hash)
    for one in joining.subscriptions_of(subscriber).values():
        if one.state == "on":
            suppression.lift(subscriber.addr_hash, scope=one.digest.stream, reason=joining.LEFT)
    for row in suppression.of(old_hash, now=now):
        if row.scope == SHARE:
            suppression.suppress(
                subscriber.addr_hash, scope=SHARE, reason=row.reason, source=row.source, now=now, until=row.expires_at
            )


def _record(subscriber: Subscriber, kind: str, now: datetime) -> None:
    """Prove the change, and have the address told that mail came to before, or comes to again."""
    consent.record("change", subscriber=subscriber, digest=None, wording=kind, form="address", origin=None, now=now)
    here = snapshots.of(subscriber)
    linkchanges.add(subscriber, kind, digest=None, sides=(here, here), now=now, at_once=True)
