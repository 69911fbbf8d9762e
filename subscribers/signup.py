"""From a form to a subscriber: note a request, confirm it once, forget it in time. Its answer is `answers`' own."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Executable, select, update
from sqlalchemy.engine import CursorResult

from core import addresses, database, errors, logs, tokens
from core.database import db
from core.errors import _
from subscribers import consent, joining, mails, offer, rhythm
from subscribers.models import SignupRequest, Subscriber, Subscription

log = logs.get(__name__)

MAX_CHOSEN = 50
"""Digests or topics in one request."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a confirmation led to. `first` is the subscription whose first edition comes at once; `again` says that
    the request had been confirmed before and nothing was changed. `new` are those that were off or not there before.
    """

    subscriber: Subscriber
    subscriptions: Sequence[Subscription]
    first: Subscription | None
    again: bool
    new: Sequence[Subscription] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """By what the person at a form is known again: the id of the form, and the cookie their browser is given."""

    form_id: bytes
    cookie: str

    @property
    def form_hash(self) -> bytes:
        """Return what a request keeps of the form's id."""
        return _hashed(self.form_id)

    @property
    def browser_hash(self) -> bytes:
        """Return what a request keeps of the cookie."""
        return _hashed(self.cookie.encode())


def _hashed(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()[: tokens.KEY_BYTES]


def is_same_browser(request: SignupRequest, cookie: str | None) -> bool:
    """Return whether a cookie is the one that the browser got which sent this request."""
    if not cookie or request.browser_hash is None:
        return False
    return hmac.compare_digest(request.browser_hash, _hashed(cookie.encode("utf-8", "replace")))


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
    rhythm_name: str | None = None,
    person: Person | None = None,
) -> bool:
    """Write down that somebody asked for digests; return False for a form that came before, and is no second request.

    `public_id` is made of the form's own random id. Nothing is looked up, so that a known, an unknown and a
    suppressed address take the same path. Raises Invalid.
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
        "rhythm": _known_rhythm(rhythm_name),
        "language": language,
        "form": form,
        "wording": wording,
        "form_hash": person and person.form_hash,
        "browser_hash": person and person.browser_hash,
    }
    return _note(address, values, public_id=public_id, origin=origin, now=now, keyring=keyring)


def _known_rhythm(name: str | None) -> str | None:
    if name and name not in rhythm.RHYTHMS:
        raise errors.Invalid("rhythm", _("Please choose from the list how often you want to get mail."))
    return name or None


def note_fresh_link(
    address: addresses.Address,
    *,
    public_id: bytes,
    language: str,
    form: str,
    origin: str | None,
    now: datetime,
    keyring: addresses.Keyring,
) -> bool:
    """Write down that somebody asked for a fresh link; return False for a form that came before.

    Nothing is looked up here either.
    """
    values: Mapping[str, object] = {
        "kind": "fresh_link",
        "digests": [],
        "topics": [],
        "zone": None,
        "language": language,
        "form": form,
        "wording": "",
    }
    return _note(address, values, public_id=public_id, origin=origin, now=now, keyring=keyring)


def _note(
    address: addresses.Address,
    values: Mapping[str, object],
    *,
    public_id: bytes,
    origin: str | None,
    now: datetime,
    keyring: addresses.Keyring,
) -> bool:
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
        "next_try_at": now,
    }
    connection = db.session.connection()
    return connection.execute(_noting(database.insert_for(connection.engine)), row).first() is not None


@lru_cache(maxsize=2)
def _noting(insert: Any) -> Executable:
    """Return the statement that writes a request down, once; made once, as every form needs it."""
    table = SignupRequest.__table__
    statement: Executable = insert(table).on_conflict_do_nothing().returning(table.c.id)
    return statement


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


def confirm(request: SignupRequest, *, now: datetime) -> Confirmed:
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
    request.state, request.confirmed_at = "confirmed", now
    request.subscriber_id = joined.subscriber.id
    request.address = None
    db.session.flush()
    log.info("signup request confirmed", request=request.id, subscriber=joined.subscriber.id, new=len(joined.new))
    return Confirmed(joined.subscriber, joined.subscriptions, first, again=False, new=joined.new)


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
