"""Why a reader got a mail that tells of a correction: they had the story, through one of their digests."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from articles.models import Article
from core.database import db
from delivery.models import Mailing
from digests import why
from digests.models import Correction, CorrectionWave
from digests.why import Slot
from subscribers import past
from subscribers.models import Subscriber, Subscription

_DAYS = 31


def recent(subscriber: Subscriber, *, now: datetime) -> Iterator[Slot]:
    """Yield what became of the mails that told a reader of corrections; who was not told gets no line for it."""
    wanted = select(Subscription).where(Subscription.subscriber_id == subscriber.id)
    wanted = wanted.options(joinedload(Subscription.digest), joinedload(Subscription.rhythm))
    own = {one.digest_id: one for one in db.session.scalars(wanted)}
    told = (
        select(CorrectionWave.mailing_id, CorrectionWave.digest_id, Correction.at, Article.headline, Mailing.state)
        .join(Correction, Correction.id == CorrectionWave.correction_id)
        .join(Article, Article.id == Correction.article_id)
        .join(Mailing, Mailing.id == CorrectionWave.mailing_id)
        .where(CorrectionWave.digest_id.in_(own), Correction.at > now - timedelta(days=_DAYS))
        .order_by(Correction.at.desc(), CorrectionWave.id)
        .limit(why.MOST)
    )
    rows = db.session.execute(told).all()
    mails = why.mails_of([row.mailing_id for row in rows], subscriber, past.of(subscriber)) if rows else {}
    for row in rows:
        mail = mails.get(row.mailing_id)
        if mail is not None:
            subscription = own[row.digest_id]
            yield Slot(
                subscription.digest,
                why.reason_of(mail, row.state),
                mail.done_at or row.at,
                subscription.rhythm.zone,
                provider=why.provider_of(mail.provider, subscriber.mailbox.folded.rpartition("@")[2]),
                correction=row.headline,
            )
