"""A sender says that it was not them: the link it was sent by ends, and so does all that waits in their name."""

from datetime import datetime

from sqlalchemy import select

from core import database, errors, logs, tokens
from core.database import db
from sharing import ending
from sharing.models import Share, ShareEndedToken

log = logs.get(__name__)


def open_share(token: tokens.Token) -> Share:
    """Return the share of which a sender was told. Raises LinkExpired when it is not known any more."""
    share = db.session.scalar(select(Share).filter_by(public_id=token.key))
    if share is None:
        raise errors.LinkExpired
    return share


def end(share: Share, *, now: datetime) -> int:
    """End the link of the digest by which a share came, and all of its sender's that waits; return how many ended.

    What is being handed over at this moment comes to its end; what waits in the ledger does not leave.
    """
    if share.token_hash is not None:
        row = {"token_hash": share.token_hash, "at": now}
        db.session.execute(database.insert_for(db.engine)(ShareEndedToken).values(row).on_conflict_do_nothing())
    theirs = db.session.scalars(
        select(Share).where(Share.sender_hash == share.sender_hash, Share.purged_at.is_(None)).with_for_update()
    ).all()
    ended = ending.call_back(theirs, "not_me", now=now)
    log.warning("sender says that it was not them", share=share.id, ended=ended)
    return ended
