"""The three mails of signing up: please confirm, you have it already, here is your fresh link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core import language as languages
from core import mailtext
from core.services import Services
from delivery import outbox
from subscribers import consent
from subscribers.models import Digest, SignupRequest, Subscriber

CONFIRM_WITHIN = timedelta(days=7)
"""How long a request can be confirmed; then its address is forgotten."""
_CARRY_WITHIN = timedelta(hours=24)
"""A mail that answers a form is of no use later than this."""


@dataclass(frozen=True, slots=True)
class Named:
    """A digest as a mail names it: its name may be in another language than the mail."""

    name: str
    about: str
    language: str
    direction: str


def _named(digests: Sequence[Digest]) -> list[Named]:
    return [
        Named(digest.name, digest.about, digest.language, languages.direction(digest.language)) for digest in digests
    ]


def queue_confirm(
    request: SignupRequest, digests: Sequence[Digest], *, once_key: bytes, services: Services, now: datetime
) -> None:
    """Queue the confirmation mail of a request. It holds nothing that was typed into the form."""
    values = {
        "digests": _named(digests),
        "asked": languages.instant_text(request.at, request.language, services.publication.zone),
        "until": languages.instant_text(request.at + CONFIRM_WITHIN, request.language, services.publication.zone),
        "origin": consent.shown(request.origin_truncated),
    }
    # The link names the request, not a reader: there is none before it is confirmed.
    recipient = outbox.Recipient(request.mailbox, request.public_id, link_version=0)
    _queue("confirm", recipient, outbox.LinkSet.REQUEST, request.language, values, once_key, services, now)


def queue_already(
    subscriber: Subscriber, digests: Sequence[Digest], *, once_key: bytes, services: Services, now: datetime
) -> None:
    """Queue the mail that tells a reader: you have all of these, and here you can change them."""
    values = {"digests": _named(digests)}
    _queue("already", _reader(subscriber), outbox.LinkSet.READER, subscriber.language, values, once_key, services, now)


def queue_fresh_link(subscriber: Subscriber, *, once_key: bytes, services: Services, now: datetime) -> None:
    """Queue the mail that brings a reader a new link to their choices."""
    _queue("fresh-link", _reader(subscriber), outbox.LinkSet.READER, subscriber.language, {}, once_key, services, now)


def _reader(subscriber: Subscriber) -> outbox.Recipient:
    return outbox.Recipient(subscriber.mailbox, subscriber.public_id, link_version=subscriber.link_version)


def _queue(
    name: str,
    recipient: outbox.Recipient,
    link_set: outbox.LinkSet,
    language: str,
    values: Mapping[str, object],
    once_key: bytes,
    services: Services,
    now: datetime,
) -> None:
    outbox.queue_mail(
        recipient,
        mailing=f"system:{name}",
        once_key=once_key,
        mail=mailtext.render(name, language, {**values, "publication": services.publication}),
        link_set=link_set,
        not_after=now + _CARRY_WITHIN,
        now=now,
        services=services,
    )
