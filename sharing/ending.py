"""Shares that come to nothing, or to nothing more: for a reason that is counted, and told to nobody."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, exists, select, update

from articles.models import Article
from core.database import db
from delivery import recall
from sharing import counts
from sharing.models import OPEN, Share, ShareFriend


def end(shares: Sequence[Share], reason: str, *, now: datetime) -> int:
    """Have nothing more become of shares: what is open ends, and no friend waits; return how many were open.

    What the ledger has is not touched.
    """
    drop_waiting(shares, reason, now=now)
    still_open = [share for share in shares if share.state in OPEN]
    for share in still_open:
        share.state, share.sender_sealed = "ended", None
    db.session.flush()
    return len(still_open)


def call_back(shares: Sequence[Share], reason: str, *, now: datetime) -> int:
    """End shares, and let nothing of them leave that the ledger has; return how many were open.

    What is being handed over at this moment comes to its end.
    """
    recall.end([share.content_id for share in shares if share.content_id is not None])
    return end(shares, reason, now=now)


def call_back_all(reason: str, *, now: datetime) -> int:
    """End all shares that are younger than 72 hours, and let nothing of them leave; return how many were open."""
    young = select(Share).where(Share.purged_at.is_(None)).order_by(Share.id).with_for_update()
    return call_back(db.session.scalars(young).all(), reason, now=now)


def any_gone() -> bool:
    """Return whether something is on its way to friends whose story was taken back; a look costs no writer's turn."""
    return bool(db.session.scalar(select(exists(_gone().subquery().select()))))


def call_back_gone(*, now: datetime) -> None:
    """Let nothing leave whose story was taken back, or may not be passed on any more."""
    gone = list(db.session.scalars(_gone().order_by(Share.id).with_for_update(of=Share)))
    if not gone:
        return
    call_back(gone, "gone", now=now)
    for share in gone:
        share.state = "ended"
    db.session.flush()


def _gone() -> Select[Share]:
    hidden = (Article.state != "published") | ~Article.shareable
    queued = (Share.state == "queued", Share.purged_at.is_(None))
    return select(Share).join(Article, Article.id == Share.article_id).where(*queued, hidden)


def refuse(share: Share, reason: str, *, now: datetime) -> None:
    """Have nothing become of a share, for a reason that its sender is not told."""
    drop_waiting([share], reason, now=now)
    share.state, share.refusal, share.sender_sealed = "refused", reason, None
    db.session.flush()


def drop_waiting(shares: Sequence[Share], reason: str, *, now: datetime) -> None:
    """Have no friend of these shares wait any more; count those who did."""
    theirs = ShareFriend.share_id.in_([share.id for share in shares])
    dropped = update(ShareFriend).where(theirs, ShareFriend.state == "waiting").values(state="dropped", sealed=None)
    statement = dropped.returning(ShareFriend.id).execution_options(synchronize_session="fetch")
    count = len(db.session.execute(statement).all())
    if count:
        counts.refuse(reason, friends=count, now=now)
