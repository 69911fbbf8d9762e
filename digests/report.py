"""What became of an edition: how many readers for each reason, and which reader for which; told without addresses."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import case, func, select

from core import tokens
from core.database import db
from delivery import control
from delivery.models import Delivery, Mailing
from digests import parts, why
from digests.models import Edition, Wave, WaveCount
from digests.why import Reason
from subscribers import rhythm
from subscribers.models import Digest, Subscriber, Subscription

AT_ONCE = 2000
SAID = {Reason.IN_DOUBT: "cannot tell", Reason.SUPPRESSED: "held back", Reason.HELD: "paused by an operator"}
"""What a report says where readers are told something else."""


@dataclass(frozen=True, slots=True)
class Of:
    """An edition, or another mailing to readers, that is reported on."""

    mailing: Mailing
    edition: Edition | None
    digest: Digest | None

    @property
    def name(self) -> str:
        """Return the key of its mailing."""
        return self.mailing.key


@dataclass(frozen=True, slots=True)
class Line:
    """One reader: the opaque key that no link and no address can be read from, and what became of their mail."""

    reader: str
    reason: str
    at: datetime | None
    code: int | None


def find(name: str) -> Of:
    """Return what a name means: `asia-daily:2026-03-02`, or the key of any mailing. Raises NotFound."""
    digest, _colon, day = name.partition(":")
    known = [name, f"edition:{name}", f"edition:{digest}:regular:{day}"]
    found = db.session.scalar(select(Mailing.key).where(Mailing.key.in_(known)))
    mailing = control.by_key(found or name)
    edition = db.session.scalar(select(Edition).where(Edition.mailing_id == mailing.id))
    return Of(mailing, edition, db.session.get(Digest, edition.digest_id) if edition else None)


def totals(of: Of) -> dict[str, int]:
    """Return how many readers there are for each reason, most first."""
    tried = case((Delivery.attempts > 0, 1), else_=0).label("attempts")
    rows = db.session.execute(
        select(Delivery.state, Delivery.returned_as, tried, func.count().label("readers"))
        .where(Delivery.mailing_id == of.mailing.id)
        .group_by(Delivery.state, Delivery.returned_as, tried)
    )
    counts: Counter[str] = Counter()
    for row in rows:
        counts[said(why.reason_of(row, of.mailing.state))] += row.readers
    if of.edition is not None:
        unmailed = select(WaveCount.reason, func.sum(WaveCount.readers)).join(Wave, Wave.id == WaveCount.wave_id)
        for reason, readers in db.session.execute(
            unmailed.where(Wave.edition_id == of.edition.id).group_by(WaveCount.reason)
        ):
            counts[said(Reason(reason))] += int(readers)
    return dict(counts.most_common())


def said(reason: Reason) -> str:
    """Return a reason as a report says it."""
    return SAID.get(reason, str(reason))


def waves(of: Of) -> dict[str, int]:
    """Return how many waves of the edition are in which state; the edition is over when all are composed or skipped."""
    if of.edition is None:
        return {}
    each = parts.waves()
    rows = select(each.c.state, func.count()).where(each.c.edition_id == of.edition.id).group_by(each.c.state)
    return {row[0]: row[1] for row in db.session.execute(rows.order_by(each.c.state))}


def readers(of: Of, *, now: datetime) -> Iterator[Line]:
    """Yield every reader of an edition: those with a mail, then those without, as their own page says it."""
    yield from _mailed(of)
    if of.edition is not None and of.digest is not None and of.edition.kind == "regular":
        yield from _unmailed(of.edition, of.digest, now)


def _mailed(of: Of) -> Iterator[Line]:
    after = 0
    while rows := _page(of.mailing.id, after):
        for row in rows:
            reason = said(why.reason_of(row, of.mailing.state))
            yield Line(_key(row.reader_key), reason, row.done_at or row.dated_at, row.last_code)
        after = rows[-1].id


def _page(mailing_id: int, after: int) -> Sequence[Delivery]:
    page = select(Delivery).where(Delivery.mailing_id == mailing_id, Delivery.id > after).order_by(Delivery.id)
    found = db.session.scalars(page.limit(AT_ONCE)).all()
    for row in found:
        db.session.expunge(row)
    return found


def _unmailed(edition: Edition, digest: Digest, now: datetime) -> Iterator[Line]:
    after = 0
    while True:
        mailed = select(Delivery.reader_key).where(Delivery.mailing_id == edition.mailing_id)
        wanted = (
            select(Subscription.id, Subscriber)
            .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
            .where(Subscription.digest_id == digest.id, Subscription.id > after)
            .where(Subscriber.public_id.not_in(mailed))
        )
        rows = db.session.execute(wanted.order_by(Subscription.id).limit(AT_ONCE)).all()
        if not rows:
            return
        for row in rows:
            reason = _reason(row.Subscriber, digest, edition.slot, now)
            if reason is not None:
                yield Line(_key(row.Subscriber.public_id), said(reason), None, None)
        after = rows[-1].id
        db.session.expunge_all()


def _reason(reader: Subscriber, digest: Digest, slot: date, now: datetime) -> Reason | None:
    """Return what the reader's own page says of this slot; None when it was none of theirs."""
    for one in why.recent(reader, now=now):
        is_slot = one.reason not in (Reason.LEFT, Reason.NOT_YET)
        if is_slot and one.digest.id == digest.id and rhythm.local_date(one.at, one.zone) == slot:
            return one.reason
    return None


def _key(key: bytes | None) -> str:
    return tokens.encode(key) if key else ""
