"""Decide on one friend: whether they get a story that was sent to them. Nobody is told what was decided, or why."""

import os
from datetime import datetime

from sqlalchemy import select

from core import addresses, budgets, database, logs
from core.addresses import Address
from core.budgets import Charge
from core.database import db
from core.services import Services
from core.shares import ShareSettings
from delivery import outbox, suppression
from delivery.models import Lane
from delivery.outbox import LinkSet
from sharing import asking, counts, limits, sending, switch
from sharing.models import Friend, Share, ShareFriend, ShareOnce

log = logs.get(__name__)

SCOPES = (*asking.SCOPES, suppression.BULK)


def waiting(limit: int, *, now: datetime) -> list[int]:
    """Return the ids of friends on whom is to be decided, those who wait longest first."""
    wanted = select(ShareFriend.id).join(Share).where(Share.state == "queued", ShareFriend.state == "waiting")
    due = wanted.where(ShareFriend.next_try_at <= now)
    return list(db.session.scalars(due.order_by(ShareFriend.next_try_at, ShareFriend.id).limit(limit)))


def decide(friend_id: int, *, given: ShareSettings, services: Services, now: datetime) -> None:
    """Queue the mail to one friend, drop it, or let it wait for their mail domain; once, whoever runs this."""
    friend = db.session.get(ShareFriend, friend_id, with_for_update=True, populate_existing=True)
    if friend is None or friend.state != "waiting" or friend.sealed is None:
        return
    share = friend.share
    if share.state != "queued" or share.content_id is None:
        return
    address = addresses.stored(services.keyring.unseal(friend.sealed, friend.addr_hash))
    inbox, inbox_hash = addresses.inbox(address), asking.inbox_hash(address, services.keyring)
    dropped = _dropped(share, friend.addr_hash, inbox_hash, now=now)
    if dropped is None:
        domain = limits.domain(inbox, limits=given, keyring=services.keyring)
        dropped = _spend(share, inbox, inbox_hash, domain, given=given, services=services, now=now)
        if dropped == "domain":
            friend.next_try_at = now + limits.DOMAIN_WAIT
            db.session.flush()
            log.info("friend waits for their mail domain", share=share.id)
            return
    if dropped is None:
        _queue(share, friend, address, inbox_hash, services=services, now=now)
    else:
        counts.refuse(dropped, friends=1, now=now)
    friend.state, friend.sealed = "dropped" if dropped else "queued", None
    db.session.flush()
    log.info("friend decided on", share=share.id, why=dropped)


def _dropped(share: Share, addr_hash: bytes, inbox_hash: bytes, *, now: datetime) -> str | None:
    if switch.mode() is not switch.Mode.VERIFIED:
        return "switch"
    if not sending.may_be_sent(share):
        return "gone"
    if now >= share.purge_at - 2 * limits.DOMAIN_WAIT:
        return "late"
    unwanted = any(suppression.is_suppressed(one, SCOPES, now=now) for one in {addr_hash, inbox_hash})
    return "opted_out" if unwanted else None


def _spend(
    share: Share,
    inbox: str,
    inbox_hash: bytes,
    domain: Charge,
    *,
    given: ShareSettings,
    services: Services,
    now: datetime,
) -> str | None:
    """Use up this story for this friend, and a place in their budgets; return what stands against it, all untouched."""
    with db.session.begin_nested() as all_or_none:
        row = {"inbox_hash": inbox_hash, "story_id": share.article.story_id, "at": now}
        once = database.insert_for(db.engine)(ShareOnce).values(row).on_conflict_do_nothing()
        if db.session.execute(once.returning(ShareOnce.story_id)).first() is None:
            return "again"
        theirs = limits.friend(inbox, limits=given, keyring=services.keyring)
        over = budgets.spend_until_over(db.session(), [*theirs, domain], now=now)
        if over is None:
            return None
        all_or_none.rollback()
    return "domain" if over == domain else "friend"


def _queue(
    share: Share, friend: ShareFriend, address: Address, inbox_hash: bytes, *, services: Services, now: datetime
) -> None:
    content_id = share.content_id
    assert content_id is not None  # noqa: S101 - for the type checker: the caller looked
    key = _key_of(friend.addr_hash, inbox_hash, share.article.language, now=now)
    outbox.queue_bulk(
        [sending.planned(share, friend, address, key, content_id)],
        mailing_id=sending.mailing_of(content_id),
        lane=Lane.SHARE,
        link_set=LinkSet.FRIEND,
        not_after=sending.not_after(share, now),
        services=services,
    )
    counts.add(share.article_id, day=now.date(), mails=1)


def _key_of(addr_hash: bytes, inbox_hash: bytes, language: str, *, now: datetime) -> bytes:
    """Return what the links in a friend's mails name, for ever."""
    row = {
        "addr_hash": addr_hash,
        "inbox_hash": inbox_hash,
        "public_id": os.urandom(16),
        "language": language,
        "first_at": now,
    }
    insert = database.insert_for(db.engine)(Friend).values(row)
    latest = insert.on_conflict_do_update(index_elements=["addr_hash"], set_={"language": insert.excluded.language})
    key: bytes = db.session.execute(latest.returning(Friend.public_id)).scalar_one()
    return key


def put_off(friend_id: int, *, now: datetime) -> None:
    """Decide on a friend later: it failed."""
    friend = db.session.get(ShareFriend, friend_id, with_for_update=True, populate_existing=True)
    if friend is not None and friend.state == "waiting":
        friend.next_try_at = sending.later(friend.share.at, now)
        db.session.flush()
