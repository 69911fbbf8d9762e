"""A friend wants no more of it: one click, good for ever, and nobody but they can do it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from core import errors, logs, tokens
from core.database import db
from delivery import suppression
from sharing.models import Friend, Share

log = logs.get(__name__)

SHARE, ALL = "share", "all"
OPTED_OUT = "left"
"""The reason, as a reader's own wish has it who leaves a digest."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose link it is: the hashes of their address and of its inbox. `language` is what their mail was in."""

    hashes: tuple[bytes, ...]
    language: str


def open_link(token: tokens.Token) -> Owner:
    """Return whose link a mail holds: a friend's, or of somebody who was asked whether it was them. Never expires.

    Raises LinkExpired when nobody is known by it any more.
    """
    friend = db.session.scalar(select(Friend).filter_by(public_id=token.key))
    if friend is not None:
        return Owner(tuple({friend.addr_hash, friend.inbox_hash}), friend.language)
    share = db.session.scalar(select(Share).filter_by(public_id=token.key))
    if share is None:
        raise errors.LinkExpired
    return Owner(tuple({share.sender_hash, share.sender_inbox_hash or share.sender_hash}), share.language)


def opt_out(owner: Owner, *, everything: bool, source: str, now: datetime) -> bool:
    """Send no more stories from friends, or with `everything` no mail at all; return whether that is news.

    It counts from this moment on, also for what is queued: see the intent statement of the post office.
    """
    scope = ALL if everything else SHARE
    news = [
        suppression.suppress(one, scope=scope, reason=OPTED_OUT, source=source, now=now) for one in all_of(owner.hashes)
    ]
    if any(news):
        log.info("friend opted out", scope=scope)
    return any(news)


def all_of(hashes: Collection[bytes]) -> list[bytes]:
    """Return these hashes, and those of all addresses that ended in one of these inboxes: the ledger may have mail to
    another plus-tag of the same person.
    """
    others = db.session.scalars(select(Friend.addr_hash).where(Friend.inbox_hash.in_(hashes)))
    return sorted({*hashes, *others})
