"""Shorthand for the tests of this package: an offer, somebody who asks, what lies in the ledger."""

import itertools
import quopri
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from core import addresses, clock, tokens
from core.database import Base, db
from core.services import Services
from delivery import content
from delivery.models import Block, Content, Delivery, Mailing, Suppression
from subscribers import answers, flood, mails, offer, signup
from subscribers.models import Digest, SignupRequest, Subscriber, Subscription

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday; 10:00 in Rome, 17:00 in Hong Kong."""

TOPICS = [
    {"key": "diplomacy", "kind": "theme", "names": {"en": "Diplomacy"}},
    {"key": "economy", "kind": "theme", "names": {"en": "Economy"}},
    {"key": "kr", "kind": "country", "names": {}},
    {"key": "cu", "kind": "country", "names": {}},
]

ASIA = {
    "key": "asia-daily",
    "name": "Asia Daily",
    "about": "The day's news from Asia.",
    "language": "en",
    "rhythms": ["daily", "weekdays", "weekly"],
    "default_time": "07:00",
    "default_zone": "Asia/Hong_Kong",
    "lead_minutes": 30,
}
ARABIC = {
    "key": "asia-arabic",
    "name": "آسيا اليوم",
    "language": "ar",
    "rhythms": ["daily"],
    "default_time": "06:30",
    "default_zone": "Asia/Hong_Kong",
    "most": 5,
}

_numbers = itertools.count(1)


def note(
    services: Services,
    email: str = "reader@example.org",
    *,
    digests=("asia-daily",),
    topics=(),
    zone=None,
    language="en",
    rhythm=None,
    person=None,
    at=NOW,
) -> SignupRequest:
    """Fill in the subscribe form; return the row that it made."""
    public_id = next(_numbers).to_bytes(16, "big")
    signup.note_request(
        addresses.parse(email),
        public_id=public_id,
        digests=digests,
        topics=topics,
        language=language,
        zone=zone,
        form="/en/subscribe",
        wording="v1",
        origin="192.0.2.77",
        now=at,
        keyring=services.keyring,
        rhythm_name=rhythm,
        person=person,
    )
    return request_of(public_id)


def note_fresh_link(services: Services, email: str = "reader@example.org", *, at=NOW) -> SignupRequest:
    """Fill in the form for a fresh link; return the row that it made."""
    public_id = next(_numbers).to_bytes(16, "big")
    signup.note_fresh_link(
        addresses.parse(email),
        public_id=public_id,
        language="en",
        form="/en/fresh-link",
        origin="192.0.2.77",
        now=at,
        keyring=services.keyring,
    )
    return request_of(public_id)


def request_of(public_id: bytes) -> SignupRequest:
    return db.session.execute(select(SignupRequest).filter_by(public_id=public_id)).scalar_one()


def answered(services: Services, email: str = "reader@example.org", *, at=NOW, **form) -> SignupRequest:
    """Ask for digests and let the answer be queued."""
    request = note(services, email, at=at, **form)
    answer(request.id, services=services, now=at)
    return request


def answer(request_id: int, *, services: Services, now: datetime) -> None:
    """Let a request be answered, as tasks.signup does, but in one transaction."""
    decision = answers.decide(request_id, services=services, now=now)
    if decision is not None:
        made = mails.make(decision.letter, services) if decision.letter else None
        answers.write(decision, made, services=services, now=now)


def joined(services: Services, email: str = "reader@example.org", *, at=NOW, **form) -> signup.Confirmed:
    """Ask for digests, and press the button in the mail."""
    return confirm(answered(services, email, at=at, **form), services=services, now=at)


def confirm(request: SignupRequest, *, services: Services, now: datetime) -> signup.Confirmed:
    """Press the button in the mail, as web.signup does."""
    done = signup.confirm(request, now=now)
    if not done.again:
        flood.forgive(done.subscriber.mailbox, services.keyring)
    return done


def only(confirmed: signup.Confirmed) -> Subscription:
    (subscription,) = confirmed.subscriptions
    return subscription


def asia() -> Digest:
    return offer.by_key("asia-daily")


def confirm_token(request: SignupRequest, *, day: int | None = None) -> tokens.Token:
    return tokens.Token(request.public_id, 0, clock.day_number(request.at) if day is None else day)


def count(model: type[Base]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def left_streams(subscriber: Subscriber) -> set[str]:
    """Return what the subscriber's own leaving keeps away."""
    rows = select(Suppression.scope).filter_by(addr_hash=subscriber.addr_hash, reason="left")
    return set(db.session.scalars(rows))


@dataclass(frozen=True)
class Queued:
    """A mail in the ledger, as a test reads it; `mailing` is without the fingerprint of its frame."""

    mailing: str
    to: str
    subject: str
    text: str
    html: str
    places: frozenset[str]
    reader_key: bytes | None
    not_after: datetime


def queued(services: Services) -> list[Queued]:
    """Return the mails in the ledger, in the order in which they came."""
    rows = db.session.execute(
        select(Delivery, Mailing.key, Content)
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .join(Content, Content.id == Delivery.content_id)
        .order_by(Delivery.id)
    )
    return [_queued(services, *row) for row in rows]


def _queued(services: Services, delivery: Delivery, mailing: str, recipe: Content) -> Queued:
    block = db.session.get_one(Block, int.from_bytes(recipe.block_ids, "big"))
    part = content.Part.from_json(block.pieces)
    assert delivery.address_sealed is not None
    return Queued(
        mailing=mailing.rpartition(":")[0],
        to=services.keyring.unseal(delivery.address_sealed, delivery.addr_hash),
        subject=recipe.subject,
        text=_decoded(part.text),
        html=_decoded(part.html),
        places=content.places(part),
        reader_key=delivery.reader_key,
        not_after=delivery.not_after,
    )


def _decoded(pieces: content.Pieces) -> str:

    raw = b"".join(piece if isinstance(piece, bytes) else f"[{piece.name}]".encode() for piece in pieces)
    return re.sub(r"\r\n", "\n", quopri.decodestring(raw).decode())
