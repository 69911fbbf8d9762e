"""What was changed by a link: kept as it was before, to be told and taken back. What does not differ is no change."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select

from core import errors, logs, tokens
from core.database import db
from core.errors import _
from delivery import suppression
from subscribers import consent, joining, overall, pauses, preferences, rhythm, snapshots
from subscribers.changes import Change
from subscribers.models import Digest, Rhythm, Subscriber, Subscription
from subscribers.trail import LinkChange

log = logs.get(__name__)

UNDO_WITHIN = timedelta(hours=24)
"""How long a change can be taken back with one button; a change of address has addresses.UNDO_WITHIN."""
TOLD_AFTER = timedelta(minutes=5)
"""How long a change waits to be told: what is changed meanwhile is told in the same mail."""
APART = timedelta(hours=1)
"""Between two such mails: a link that somebody plays with fills nobody's inbox."""
KEPT = timedelta(days=30)
"""How long a change is remembered: whoever says *not me* is told what was changed lately."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking a change back led to: `again` says that it was done before; `late` that nothing could be done, since
    it was changed again meanwhile.
    """

    change: LinkChange
    again: bool
    late: bool = False


def note(
    subscriber: Subscriber,
    kind: str,
    *,
    digest: Digest | None,
    before: Mapping[str, Any],
    now: datetime,
    streams: Sequence[str] = (),
) -> LinkChange | None:
    """Keep a change that a link has made, to be told in a few minutes; None when nothing differs from `before`."""
    after = snapshots.of(subscriber)
    if after == before and not streams:
        return None
    kind = _of_a_pause(before, after) or kind if kind == "saved" else kind
    return add(subscriber, kind, digest=digest, sides=(before, after), now=now, streams=streams)


def note_choices(
    subscriber: Subscriber,
    changed: Sequence[Change],
    *,
    digest: Digest | None,
    before: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keep what was changed on the pages of choices, of one digest or (None) of all; nothing when nothing was."""
    if not changed:
        return
    friends = next((one.new for one in changed if digest is None and one.field == "friends"), None)
    streams = [overall.SHARE] if friends == "0" else []
    if note(subscriber, "saved", digest=digest, before=before, now=now, streams=streams) is None:
        here = snapshots.of(subscriber)
        add(subscriber, "saved", digest=digest, sides=(here, here), now=now)


def add(
    subscriber: Subscriber,
    kind: str,
    *,
    digest: Digest | None,
    sides: tuple[Mapping[str, Any], Mapping[str, Any]],
    now: datetime,
    streams: Sequence[str] = (),
    at_once: bool = False,
) -> LinkChange:
    """Keep a change with both its sides, whether they differ or not."""
    before, after = sides
    change = LinkChange(
        public_id=os.urandom(tokens.KEY_BYTES),
        subscriber_id=subscriber.id,
        kind=kind,
        digest_id=digest.id if digest else None,
        at=now,
        before=dict(before),
        after=dict(after),
        streams=list(streams),
        tell_at=now if at_once else _tell_at(subscriber, now),
    )
    db.session.add(change)
    db.session.flush()
    return change


def _of_a_pause(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return what a form that was saved came to, when nothing but the pause differs."""
    was, became = before["subscriber"]["paused_until"], after["subscriber"]["paused_until"]
    if was == became or before["subscriptions"] != after["subscriptions"]:
        return None
    return "paused" if became else "resumed"


def _tell_at(subscriber: Subscriber, now: datetime) -> datetime:
    last = db.session.scalar(select(func.max(LinkChange.told_at)).where(LinkChange.subscriber_id == subscriber.id))
    return max(now + TOLD_AFTER, last + APART) if last else now + TOLD_AFTER


def lately(subscriber: Subscriber, *, since: datetime) -> list[LinkChange]:
    """Return what was changed by links since then, newest first."""
    wanted = select(LinkChange).where(LinkChange.subscriber_id == subscriber.id, LinkChange.at > since)
    return list(db.session.scalars(wanted.order_by(LinkChange.id.desc()).limit(20)))


def can_be_undone(change: LinkChange, now: datetime) -> bool:
    """Return whether one button takes it back still; a change of address has a link of its own for that."""
    return (
        change.kind not in ("undone", "address", "address_back")
        and (change.before != change.after or bool(change.streams))
        and change.undone_at is None
        and change.at > now - UNDO_WITHIN
    )


def by_public_id(subscriber: Subscriber, public_id: str) -> LinkChange:
    """Return one change of this reader, by the id that stands in its link. Raises LinkDamaged."""
    try:
        key = bytes.fromhex(public_id)
    except ValueError as error:
        raise errors.LinkDamaged from error
    found = db.session.scalar(select(LinkChange).filter_by(public_id=key, subscriber_id=subscriber.id))
    if found is None:
        raise errors.LinkDamaged
    return found


def by_token(token: tokens.Token) -> Subscriber:
    """Return whose changes a link takes back. Raises LinkExpired when the reader's links were renewed since, or the
    address has changed; LinkDamaged when there is no such reader.
    """
    subscriber = preferences.by_key(token.key)
    if token.version != subscriber.link_version & 0xFF:
        raise errors.LinkExpired
    return subscriber


def undo(change: LinkChange, *, now: datetime) -> Undone:
    """Take one change back: just what it changed, and only where nothing was changed after it. Twice is once.

    Raises LinkExpired after 24 hours.
    """
    joining.hold(change.subscriber)
    db.session.refresh(change, with_for_update=True)
    if change.undone_at is not None:
        return Undone(change, again=True)
    if not can_be_undone(change, now):
        raise errors.LinkExpired(_("A change can be taken back for 24 hours. You can still make it anew."))
    subscriber, here = change.subscriber, snapshots.of(change.subscriber)
    whole = [name for name in snapshots.OF_SUBSCRIBER[1:] if _is_untouched(change, name, here)]
    back = _subscriptions_back(change, now)
    lifted = _lift(change, back)
    if not (whole or back or lifted):
        return Undone(change, again=False, late=True)
    _whole_back(change, whole, now)
    if any(one.state == "on" for one in back):
        subscriber.state = "active"
    if subscriber.left_by_click_id in {one.digest_id for one in back}:
        subscriber.left_by_click_id = None
    change.undone_at = now
    note(subscriber, "undone", digest=change.digest, before=here, now=now, streams=lifted)
    log.info("change taken back", change=change.id, kind=change.kind, subscriptions=len(back))
    return Undone(change, again=False)


def forget(now: datetime) -> int:
    """Remove the changes of long ago; return how many."""
    gone = delete(LinkChange).where(LinkChange.at <= now - KEPT, LinkChange.told_at.is_not(None))
    return len(db.session.scalars(gone.returning(LinkChange.id)).all())


def _is_untouched(change: LinkChange, name: str, here: Mapping[str, Any]) -> bool:
    # A change of before there was this column does not know it.
    was, became = (side["subscriber"].get(name) for side in (change.before, change.after))
    return bool(was != became and here["subscriber"][name] == became)


def _whole_back(change: LinkChange, names: Sequence[str], now: datetime) -> None:
    """Bring back what holds for all digests."""
    subscriber = change.subscriber
    for name in names:
        setattr(subscriber, name, snapshots.value(name, change.before["subscriber"][name]))
    if names:
        subscriber.version += 1
    if "paused_until" in names:
        pauses.note(subscriber, subscriber.paused_until, now)


def _subscriptions_back(change: LinkChange, now: datetime) -> list[Subscription]:
    """Bring back the subscriptions that nobody has touched since; their version goes on, never back."""
    back = []
    for one in joining.subscriptions_of(change.subscriber).values():
        was, became = (side["subscriptions"].get(str(one.id)) for side in (change.before, change.after))
        if was is None or was == became or one.version != became["version"]:
            continue
        # Before it has a reader again: a row without any stands still, and must not bring yesterday's slot.
        row = db.session.get_one(Rhythm, was["rhythm_id"])
        rhythm.rhythm_row(one.digest, rhythm.choice_of(row), now=now)
        came_back = one.state == "off" and was["state"] == "on"
        for name in snapshots.OF_SUBSCRIPTION[:-1]:
            setattr(one, name, snapshots.value(name, was[name]))
        one.version += 1
        consent.record(
            "opt_in" if came_back else "change",
            subscriber=change.subscriber,
            digest=one.digest,
            wording="taken back",
            form="undo",
            origin=None,
            now=now,
        )
        _reconnect(change, str(one.id), was["version"], one.version)
        back.append(one)
    db.session.flush()
    return back


def _reconnect(change: LinkChange, subscription: str, before: int, now_at: int) -> None:
    """Let earlier changes be taken back still: a subscription is again as they left it, only its version went on."""
    wanted = select(LinkChange).where(
        LinkChange.subscriber_id == change.subscriber_id, LinkChange.id < change.id, LinkChange.undone_at.is_(None)
    )
    for earlier in db.session.scalars(wanted):
        # Both sides: a change of something else must not look like one of this subscription.
        earlier.before = _with_version(earlier.before, subscription, before, now_at)
        earlier.after = _with_version(earlier.after, subscription, before, now_at)


def _with_version(side: Mapping[str, Any], subscription: str, before: int, now_at: int) -> dict[str, Any]:
    rows = side["subscriptions"]
    if subscription not in rows or rows[subscription]["version"] != before:
        return dict(side)
    return {**side, "subscriptions": {**rows, subscription: {**rows[subscription], "version": now_at}}}


def _lift(change: LinkChange, back: Sequence[Subscription]) -> list[str]:
    """Let mail come again that this very change keeps away; return its streams. What was left before stays left, and
    so does what was asked for and left anew since.
    """
    had = {one.digest.stream for one in joining.subscriptions_of(change.subscriber).values()}
    ours = {one.digest.stream for one in back} | ({*change.streams} - had)
    hashed = change.subscriber.addr_hash
    stands = {one.scope for one in suppression.of(hashed, now=change.at) if one.reason == joining.LEFT}
    lifted = sorted(ours & {*change.streams} & stands)
    for stream in lifted:
        suppression.lift(hashed, scope=stream, reason=joining.LEFT)
    return lifted
