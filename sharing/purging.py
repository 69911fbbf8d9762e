"""What is forgotten of shares, and when: addresses, names and notes after 72 hours, who and whom after a year."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from core import logs
from core.database import db
from sharing import ending, senders
from sharing.asking import CONFIRM_WITHIN
from sharing.models import Share, ShareEndedToken, ShareFriend

log = logs.get(__name__)

KEPT = timedelta(days=365)
CHUNK = 500


def end_unconfirmed(now: datetime) -> int:
    """End shares that nobody confirmed within 24 hours; return how many."""
    late = select(Share).where(Share.state.in_(("new", "asked")), Share.at <= now - CONFIRM_WITHIN)
    shares = db.session.scalars(late.order_by(Share.at).limit(CHUNK).with_for_update()).all()
    ending.end(shares, "unconfirmed", now=now)
    return len(shares)


def wipe_due(now: datetime) -> int:
    """Wipe what names anybody in shares whose 72 hours are over; return how many there were."""
    due = select(Share).where(Share.purge_at <= now, Share.purged_at.is_(None))
    shares = db.session.scalars(due.order_by(Share.purge_at).limit(CHUNK).with_for_update()).all()
    ending.end(shares, "late", now=now)
    wipe(shares, now=now)
    return len(shares)


def wipe(shares: Sequence[Share], *, now: datetime) -> None:
    """Take out of shares that have ended who anybody is."""
    theirs = ShareFriend.share_id.in_([share.id for share in shares])
    known = update(ShareFriend).where(theirs).values(masked=None, sealed=None)
    db.session.execute(known.execution_options(synchronize_session="fetch"))
    for share in shares:
        share.sender_sealed, share.name, share.note, share.origin_truncated = None, "", "", ""
        share.purged_at = now
    db.session.flush()


def forget_old(now: datetime) -> int:
    """Forget shares after a year, and links that ended when no such link is good any more; return how many shares."""
    old = select(Share.id).where(Share.at <= now - KEPT, Share.purged_at.is_not(None)).limit(CHUNK)
    ids = list(db.session.scalars(old))
    options = {"synchronize_session": False}
    if ids:
        db.session.execute(delete(ShareFriend).where(ShareFriend.share_id.in_(ids)), execution_options=options)
        db.session.execute(delete(Share).where(Share.id.in_(ids)), execution_options=options)
    useless = now - timedelta(days=senders.LINK_DAYS + 2)
    db.session.execute(delete(ShareEndedToken).where(ShareEndedToken.at <= useless), execution_options=options)
    return len(ids)
