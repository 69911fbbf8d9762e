"""Turn a confirmed request into a subscriber with subscriptions."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from core import database, errors, tokens
from core.database import db
from core.errors import _
from delivery import suppression
from subscribers import consent, offer, pauses, recaps, rhythm, tastes
from subscribers.models import Digest, Rhythm, SignupRequest, Subscriber, Subscription, Taste

LEFT = "left"
"""The reason of a suppression that the reader's own leaving made; coming back lifts it, and no other."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The subscriptions that were asked for, in that order; `new` are those that were off or not there before."""

    subscriber: Subscriber
    subscriptions: Sequence[Subscription]
    new: Sequence[Subscription]


def join(request: SignupRequest, *, now: datetime) -> Joined:
    """Turn on what a request asks for; what is on already stays as the reader has set it. Raises NotFound when none
    of it is on offer any more.
    """
    digests = offer.still_offered(request.digests)
    if not digests:
        raise errors.NotFound(_("What you asked for is not on offer any more."))
    subscriber = _welcome(request, zone=request.zone or digests[0].default_zone, now=now)
    known = subscriptions_of(subscriber)
    off = [digest for digest in digests if digest.id not in known or known[digest.id].state == "off"]
    wanted_tastes, wanted_rhythms = _choices(off, request, now)
    new = []
    for digest in off:
        found = known.get(digest.id) or _new(subscriber, digest, now)
        _turn_on(found, taste=wanted_tastes[digest.most], when=wanted_rhythms[digest.id], now=now)
        new.append(known.setdefault(digest.id, found))
        consent.record(
            "opt_in",
            subscriber=subscriber,
            digest=digest,
            wording=request.wording,
            form=request.form,
            origin=request.origin_truncated,
            now=now,
        )
    if subscriber.left_by_click_id in {digest.id for digest in digests}:
        subscriber.left_by_click_id = None
    for digest in digests:
        suppression.lift(subscriber.addr_hash, scope=digest.stream, reason=LEFT)
    # What came back from this address before, or a complaint: whoever has just confirmed is there, and wants mail.
    suppression.lift_returned(subscriber.addr_hash)
    db.session.flush()
    return Joined(subscriber, [known[digest.id] for digest in digests], new)


def subscriptions_of(subscriber: Subscriber) -> dict[int, Subscription]:
    """Return a subscriber's subscriptions by digest id, on and off, as they are in the database now."""
    wanted = select(Subscription).where(Subscription.subscriber_id == subscriber.id).order_by(Subscription.id)
    rows = db.session.scalars(wanted, execution_options={"populate_existing": True})
    return {subscription.digest_id: subscription for subscription in rows}


def opted_in_since(subscriber: Subscriber, at: datetime) -> set[str]:
    """Return the keys of the digests that a subscriber has confirmed since then, also of those that were on already."""
    confirmed = select(SignupRequest.digests).where(
        SignupRequest.subscriber_id == subscriber.id, SignupRequest.confirmed_at > at
    )
    return {key for digests in db.session.scalars(confirmed) for key in digests}


def hold(row: Subscriber | SignupRequest) -> None:
    """Make others who would change this row wait until the transaction ends, and read what the last of them left."""
    db.session.flush()  # refresh forgets what was changed and not written yet
    db.session.refresh(row, with_for_update=True)


def _welcome(request: SignupRequest, *, zone: str, now: datetime) -> Subscriber:
    """Return the subscriber of the request's address, held, active, and made if there is none."""
    values = {
        "public_id": os.urandom(tokens.KEY_BYTES),
        "address": request.mailbox.mailbox,
        "addr_hash": request.addr_hash,
        "state": "active",
        "language": request.language,
        "zone": zone,
        "link_version": 1,
        "created_at": now,
    }
    insert = database.insert_for(db.engine)
    db.session.execute(insert(Subscriber).values(values).on_conflict_do_nothing())
    subscriber = db.session.execute(select(Subscriber).filter_by(addr_hash=request.addr_hash)).scalar_one()
    hold(subscriber)
    if subscriber.state == "left":
        subscriber.state, subscriber.language, subscriber.zone = "active", request.language, zone
        subscriber.paused_until, subscriber.languages = None, []
        pauses.note(subscriber, None, now)
    return subscriber


def _choices(
    digests: Sequence[Digest], request: SignupRequest, now: datetime
) -> tuple[dict[int, Taste], dict[int, Rhythm]]:
    """Return tastes by `most` and rhythms by digest. Shared rows are taken in one order everywhere (tastes, then
    rhythms, each sorted), so that two readers who confirm at once never wait for each other in a circle.
    """
    wanted = {most: tastes.proposed(request.topics, most=most) for most in sorted({d.most for d in digests})}
    rows = {}
    for digest in sorted(digests, key=lambda digest: digest.id):
        # One answer for all digests: where one is not offered like that, it comes as it usually does.
        how_often = request.rhythm if request.rhythm in digest.rhythms else digest.default_rhythm
        choice = rhythm.choose(how_often, minute=digest.default_minute, zone=request.zone or digest.default_zone)
        rows[digest.id] = rhythm.rhythm_row(digest, choice, now=now)
    return wanted, rows


def _new(subscriber: Subscriber, digest: Digest, now: datetime) -> Subscription:
    return Subscription(subscriber_id=subscriber.id, digest_id=digest.id, version=0, created_at=now)


def _turn_on(subscription: Subscription, *, taste: Taste, when: Rhythm, now: datetime) -> None:
    subscription.fresh_from = now - rhythm.period(when.rhythm)
    if subscription.version:
        # Somebody who left and came back.
        subscription.fresh_from = recaps.fresh_from(subscription, at=subscription.fresh_from)
    subscription.state = "on"
    subscription.taste = taste
    subscription.rhythm = when
    subscription.version += 1
    db.session.add(subscription)
