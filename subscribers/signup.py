"""From a form to a subscriber: note a request, answer it by mail, confirm it once, forget it in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.engine import CursorResult

from core import addresses, database, errors, logs, tokens
from core.database import db
from core.errors import _
from core.services import Services
from delivery import suppression
from subscribers import consent, joining, mails, offer, rhythm
from subscribers.models import SignupRequest, Subscriber, Subscription

log = logs.get(__name__)

MAX_CHOSEN = 50
"""Digests or topics in one request."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a confirmation led to. `first` is the subscription whose first edition comes at once; `again` says that
    the request had been confirmed before and nothing was changed.
    """

    subscriber: Subscriber
    subscriptions: Sequence[Subscription]
    first: Subscription | None
    again: bool


def note_request(
    address: addresses.Address,
    *,
    public_id: bytes,
    digests: Sequence[str],
    topics: Sequence[str],
    language: str,
    zone: str | None,
    form: str,
    wording: str,
    origin: str | None,
    now: datetime,
    keyring: addresses.Keyring,
) -> None:
    """Write down that somebody asked for digests. `public_id` is the form's own random id: sent twice, it is one.

    Nothing is looked up, so that a known, an unknown and a suppressed address take the same path. Raises Invalid.
    """
    if not digests:
        raise errors.Invalid("digests", _("Please choose at least one digest."))
    for field, chosen in (("digests", digests), ("topics", topics)):
        if len(chosen) > MAX_CHOSEN:
            raise errors.Invalid(field, _("Please choose at most %(limit)s."), limit=MAX_CHOSEN)
    values = {
        "kind": "signup",
        "digests": list(dict.fromkeys(digests)),
        "topics": list(dict.fromkeys(topics)),
        "zone": rhythm.known_zone(zone) if zone else None,
        "language": language,
        "form": form,
        "wording": wording,
    }
    _note(address, values, public_id=public_id, origin=origin, now=now, keyring=keyring)


def note_fresh_link(
    address: addresses.Address,
    *,
    public_id: bytes,
    language: str,
    form: str,
    origin: str | None,
    now: datetime,
    keyring: addresses.Keyring,
) -> None:
    """Write down that somebody asked for a fresh link. Nothing is looked up here either."""
    values: Mapping[str, object] = {
        "kind": "fresh_link",
        "digests": [],
        "topics": [],
        "zone": None,
        "language": language,
        "form": form,
        "wording": "",
    }
    _note(address, values, public_id=public_id, origin=origin, now=now, keyring=keyring)


def _note(
    address: addresses.Address,
    values: Mapping[str, object],
    *,
    public_id: bytes,
    origin: str | None,
    now: datetime,
    keyring: addresses.Keyring,
) -> None:
    if len(public_id) != tokens.KEY_BYTES:
        raise errors.Invalid("once", _("This form is damaged. Please load the page again."))
    row = {
        **values,
        "public_id": public_id,
        "address": address.mailbox,
        "addr_hash": keyring.hash(address),
        "origin_truncated": consent.truncated(origin),
        "state": "new",
        "at": now,
    }
    insert = database.insert_for(db.engine)
    db.session.execute(insert(SignupRequest).values(row).on_conflict_do_nothing())


def waiting(limit: int) -> list[int]:
    """Return the ids of requests that nobody has answered yet, oldest first."""
    wanted = select(SignupRequest.id).where(SignupRequest.state == "new").order_by(SignupRequest.id)
    return list(db.session.scalars(wanted.limit(limit)))


def answer(request_id: int, *, services: Services, now: datetime) -> None:
    """Decide what a request gets, and queue that mail, or none. A request that was answered before is left alone."""
    request = db.session.get(SignupRequest, request_id, with_for_update=True, populate_existing=True)
    if request is None or request.state != "new":
        return
    if suppression.is_suppressed(request.addr_hash, ["all"]):
        sent = None
    elif request.kind == "fresh_link":
        sent = _answer_fresh_link(request, services, now)
    else:
        sent = _answer_signup(request, services, now)
    request.state = "answered" if sent else "dropped"
    request.answered_at = now
    if sent != "confirm" or request.kind == "fresh_link":
        request.address = None  # there is nothing to confirm: the ledger has what the post office needs
    db.session.flush()
    log.info("signup request answered", request=request.id, kind=request.kind, mail=sent)


def _answer_signup(request: SignupRequest, services: Services, now: datetime) -> str | None:
    digests = offer.still_offered(request.digests)
    if not digests:
        return None
    subscriber = _active(request.addr_hash)
    if subscriber is not None:
        known = joining.subscriptions_of(subscriber)
        if all(digest.id in known and known[digest.id].state == "on" for digest in digests):
            mails.queue_already(subscriber, digests, once_key=request.public_id, services=services, now=now)
            return "already"
    mails.queue_confirm(request, digests, once_key=request.public_id, services=services, now=now)
    return "confirm"


def _answer_fresh_link(request: SignupRequest, services: Services, now: datetime) -> str | None:
    subscriber = _active(request.addr_hash)
    if subscriber is not None:
        mails.queue_fresh_link(subscriber, once_key=request.public_id, services=services, now=now)
        return "fresh-link"
    pending = _newest_unconfirmed(request.addr_hash, now)
    digests = offer.still_offered(pending.digests) if pending else []
    if pending is None or not digests:
        return None
    # The key is the asking request's own, so that the same confirmation can be sent again, once per asking.
    mails.queue_confirm(pending, digests, once_key=request.public_id, services=services, now=now)
    return "confirm"


def _active(addr_hash: bytes) -> Subscriber | None:
    return db.session.scalar(select(Subscriber).filter_by(addr_hash=addr_hash, state="active"))


def _newest_unconfirmed(addr_hash: bytes, now: datetime) -> SignupRequest | None:
    wanted = select(SignupRequest).where(
        SignupRequest.addr_hash == addr_hash,
        SignupRequest.kind == "signup",
        SignupRequest.address.is_not(None),
        SignupRequest.at > now - mails.CONFIRM_WITHIN,
    )
    return db.session.scalar(wanted.order_by(SignupRequest.at.desc(), SignupRequest.id.desc()).limit(1))


def open_request(token: tokens.Token, now: datetime) -> SignupRequest:
    """Return the request that a confirm token names. Raises LinkExpired after 7 days, and for one that is gone."""
    request = db.session.scalar(select(SignupRequest).filter_by(public_id=token.key, kind="signup"))
    if request is None or not _open(request, now):
        raise errors.LinkExpired
    return request


def _open(request: SignupRequest, now: datetime) -> bool:
    """Return whether a link to this request still works; after it was confirmed, it shows what was done."""
    usable = request.state == "confirmed" or request.address is not None
    return usable and request.at > now - mails.CONFIRM_WITHIN


def confirm(request: SignupRequest, *, services: Services, now: datetime) -> Confirmed:
    """Make the reader's choice count. A request moves once: confirmed again, also after leaving, it changes nothing.

    Raises LinkExpired, and NotFound when nothing that was asked for is on offer any more.
    """
    joining.hold(request)
    if not _open(request, now):
        raise errors.LinkExpired
    if request.state == "confirmed":
        return _confirmed_before(request)
    joined = joining.join(request, now=now)
    first = joined.new[0] if joined.new else None
    if first is not None:
        first.first_due_at = now
    request.state = "confirmed"
    request.subscriber_id = joined.subscriber.id
    request.address = None
    db.session.flush()
    log.info("signup request confirmed", request=request.id, subscriber=joined.subscriber.id, new=len(joined.new))
    return Confirmed(joined.subscriber, joined.subscriptions, first, again=False)


def _confirmed_before(request: SignupRequest) -> Confirmed:
    subscriber = db.session.get_one(Subscriber, request.subscriber_id)
    known = joining.subscriptions_of(subscriber)
    asked = [known[digest.id] for digest in offer.still_offered(request.digests) if digest.id in known]
    return Confirmed(subscriber, asked, None, again=True)


def forget_unconfirmed(now: datetime) -> int:
    """Drop the requests that nobody confirmed within 7 days, with their addresses; return how many."""
    gone = (
        update(SignupRequest)
        .where(SignupRequest.address.is_not(None), SignupRequest.at <= now - mails.CONFIRM_WITHIN)
        .values(address=None, state="dropped")
    )
    result = db.session.execute(gone, execution_options={"synchronize_session": "fetch"})
    return result.rowcount if isinstance(result, CursorResult) else 0
