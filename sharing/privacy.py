"""What sharing holds of a person: told to them, and forgotten when they are erased."""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from core.database import db
from sharing import ending, purging
from sharing.models import Share, ShareFriend


def export(addr_hash: bytes) -> dict[str, list[dict[str, Any]]]:
    """Return what is kept of an address: stories they sent, and stories sent to them; nobody else is in it."""
    sent = db.session.scalars(select(Share).filter_by(sender_hash=addr_hash).order_by(Share.id)).all()
    received = db.session.scalars(select(ShareFriend).filter_by(addr_hash=addr_hash).order_by(ShareFriend.id)).all()
    return {
        "sent": [
            {
                "at": one.at,
                "story": one.article.public_id,
                "state": one.state,
                "name": one.name,
                "note": one.note,
                "friends": len(one.friends),
                "origin": one.origin_truncated,
            }
            for one in sent
        ],
        "received": [
            {"at": one.share.at, "story": one.share.article.public_id, "state": one.state} for one in received
        ],
    }


def forget(addr_hash: bytes, *, now: datetime) -> None:
    """Take a person out of all shares, as sender and as friend; what waits of theirs ends.

    Hashes stay, as in the suppressions: so they get no story twice, and nothing after they said so.
    """
    theirs = list(db.session.scalars(select(Share).filter_by(sender_hash=addr_hash).with_for_update()))
    ending.call_back(theirs, "erased", now=now)
    purging.wipe(theirs, now=now)
    for share in theirs:
        share.subscriber_id = None
    to_them = update(ShareFriend).where(ShareFriend.addr_hash == addr_hash)
    db.session.execute(
        to_them.values(masked=None, sealed=None, state="dropped").execution_options(synchronize_session="fetch")
    )
    db.session.flush()
