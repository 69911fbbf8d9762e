"""The pages of leaving: what a link opens, leaving by it with a way back, less instead, and why."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update

from core import database, errors, tokens
from core.database import db
from core.errors import _
from delivery import fates, suppression
from subscribers import consent, joining, linkchanges, overall, preferences, recaps, rhythm, snapshots, unsubscribe
from subscribers.models import Digest, Subscriber, Subscription
from subscribers.trail import FormerKey, LeavingReason, LinkChange

REASONS = ("too_many", "not_for_me", "elsewhere", "never_asked", "other")
"""Why somebody leaves, to be chosen from: what is free text may name people."""
PAUSE = timedelta(days=30)
WEEKLY = "weekly"


def opened(token: tokens.Token) -> Subscriber | FormerKey:
    """Return who wants to leave: a reader; or what is known of links that were sent to an address they had before.

    Neither age nor version counts: a link that only stops mail works for ever (RFC 8058, section 3.1). Raises
    LinkDamaged when there is no such reader.
    """
    former = db.session.get(FormerKey, token.key)
    return former or unsubscribe.by_token(token)


def leave(
    subscriber: Subscriber,
    digest: Digest | None,
    *,
    now: datetime,
    one_click: bool = False,
    form: str = "unsubscribe",
    kept_away: Sequence[str] = (),
) -> LinkChange | None:
    """Leave by a link, so that it can be taken back; return that change, None when all of it was left before.

    Whom a mail program left for (`one_click`) saw no page: the next mail of another digest says it. `form` is the way
    it came; `kept_away` are streams that the post office keeps away since it came.
    """
    joining.hold(subscriber)
    before = snapshots.of(subscriber)
    streams = sorted({*kept_away, *unsubscribe.leave(subscriber, digest, now=now, form=form)})
    if one_click and digest is not None and streams and subscriber.state == "active":
        subscriber.left_by_click_id = digest.id
    kind = "left" if digest else "left_all"
    return linkchanges.note(subscriber, kind, digest=digest, before=before, now=now, streams=streams)


def were_told(subscriber_ids: Collection[int]) -> None:
    """Note that a mail was queued which says to these readers what their mail program has left for them."""
    if subscriber_ids:
        # In one order: two waves of an instant may tell the same readers.
        held = select(Subscriber.id).where(Subscriber.id.in_(subscriber_ids)).order_by(Subscriber.id)
        db.session.execute(held.with_for_update())
        told = update(Subscriber).where(Subscriber.id.in_(subscriber_ids))
        db.session.execute(told.values(left_by_click_id=None), execution_options={"synchronize_session": False})


def leave_former(former: FormerKey, digest: Digest | None, *, now: datetime) -> None:
    """Make sure that the address which a link was sent to gets nothing, though its reader has another one by now.

    Nothing of the reader's changes. Whoever subscribed with that address since leaves.
    """
    anew = db.session.scalar(select(Subscriber).filter_by(addr_hash=former.addr_hash))
    if anew is not None:
        leave(anew, digest, now=now)
    for stream in streams_of(digest):
        suppression.suppress(former.addr_hash, scope=stream, reason=joining.LEFT, source="unsubscribe", now=now)


def has_left(former: FormerKey, digest: Digest | None, now: datetime) -> bool:
    """Return whether such a link was used before, and still holds."""
    return all(suppression.is_suppressed(former.addr_hash, [stream], now=now) for stream in streams_of(digest))


def streams_of(digest: Digest | None) -> list[str]:
    """Return the streams that leaving a digest keeps away; all there are for None."""
    return sorted(one.stream for one in ([digest] if digest else db.session.scalars(select(Digest))))


def offers(subscriber: Subscriber, digest: Digest | None, now: datetime) -> list[str]:
    """Return what can be had instead of leaving: `weekly`, where the digest has it and it does not come so already,
    and `pause`, unless all is paused.
    """
    weekly = digest is not None and _can_be_weekly(_subscription(subscriber, digest))
    paused = preferences.paused_until(subscriber, now) is not None
    return [name for name, offered in ((WEEKLY, weekly), ("pause", not paused)) if offered]


def less(
    subscriber: Subscriber, digest: Digest | None, *, instead: str, spoken: Collection[str], now: datetime
) -> LinkChange | None:
    """Have a digest come weekly, or pause all mail for a month, instead of leaving. Pressed again, it changes nothing.

    `spoken` are the publication's languages. Raises Invalid for what is not on offer.
    """
    joining.hold(subscriber)
    before = snapshots.of(subscriber)
    if instead == WEEKLY and digest is not None:
        _make_weekly(_subscription(subscriber, digest), now)
    elif instead == "pause":
        if preferences.paused_until(subscriber, now) is None:
            until = rhythm.local_date(now, subscriber.zone) + PAUSE
            overall.pause(subscriber, until, spoken=spoken, now=now, source="instead")
    else:
        raise errors.Invalid("instead", _("Please choose one of the buttons."))
    kind = "fewer" if instead == WEEKLY else "paused"
    return linkchanges.note(subscriber, kind, digest=digest, before=before, now=now)


def _subscription(subscriber: Subscriber, digest: Digest) -> Subscription | None:
    found = joining.subscriptions_of(subscriber).get(digest.id)
    return found if found is not None and found.state == "on" else None


def _can_be_weekly(subscription: Subscription | None) -> bool:
    return subscription is not None and WEEKLY in subscription.digest.rhythms and subscription.rhythm.rhythm != WEEKLY


def _make_weekly(subscription: Subscription | None, now: datetime) -> None:
    if subscription is None or not _can_be_weekly(subscription):
        return
    row = subscription.rhythm
    choice = rhythm.choose(WEEKLY, minute=row.minute, zone=row.zone)
    subscription.fresh_from = recaps.fresh_from(subscription, at=subscription.fresh_from)
    subscription.rhythm = rhythm.rhythm_row(subscription.digest, choice, now=now)
    subscription.version += 1
    consent.record(
        "change",
        subscriber=subscription.subscriber,
        digest=subscription.digest,
        wording=f"rhythm={WEEKLY} weekdays={choice.weekdays} minute={choice.minute} zone={choice.zone}",
        form="unsubscribe",
        origin=None,
        now=now,
    )


def give_reason(subscriber: Subscriber, digest: Digest | None, *, reason: str, now: datetime) -> bool:
    """Count why a digest was left within the last day, once for each leaving; return whether it was counted now.

    Raises Invalid for a reason that is not among ours.
    """
    if reason not in REASONS:
        raise errors.Invalid("reason", _("Please choose one of the reasons."))
    joining.hold(subscriber)
    left = lately(subscriber, digest, now)
    if left is None or left.reason_given:
        return False
    left.reason_given = True
    connection = db.session.connection()
    for one in _left(left):
        after = fates.last_handed_over(connection, subscriber.addr_hash, stream=one.digest.stream, before=left.at)
        _count(one.digest_id, reason, after, now)
    return True


def lately(subscriber: Subscriber, digest: Digest | None, now: datetime) -> LinkChange | None:
    """Return the change by which a digest, or for None all, was left last, as long as it can be taken back."""
    wanted = select(LinkChange).where(
        LinkChange.subscriber_id == subscriber.id,
        LinkChange.kind == ("left" if digest else "left_all"),
        LinkChange.digest_id == (digest.id if digest else None),
        LinkChange.at > now - linkchanges.UNDO_WITHIN,
        LinkChange.undone_at.is_(None),
    )
    return db.session.scalar(wanted.order_by(LinkChange.id.desc()).limit(1))


def _left(left: LinkChange) -> Sequence[Subscription]:
    """Return the subscriptions that were turned off by this."""
    return [
        one
        for one in joining.subscriptions_of(left.subscriber).values()
        if _state(left.before, one) == "on" and _state(left.after, one) == "off"
    ]


def _state(side: dict[str, dict[str, dict[str, str]]], subscription: Subscription) -> str | None:
    return side["subscriptions"].get(str(subscription.id), {}).get("state")


def _count(digest_id: int, reason: str, after: str, now: datetime) -> None:
    insert = database.insert_for(db.engine)(LeavingReason)
    db.session.execute(
        insert.values(day=now.date(), digest_id=digest_id, reason=reason, after=after, count=1).on_conflict_do_update(
            index_elements=["day", "digest_id", "reason", "after"], set_={"count": LeavingReason.count + 1}
        )
    )
