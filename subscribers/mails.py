"""The mails that answer readers: of signing up, of changes made by a link, and of an address that changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core import language as languages
from core import mailtext
from core.services import Services
from delivery import content, outbox
from subscribers import consent
from subscribers.models import Digest, SignupRequest, Subscriber
from subscribers.trail import AddressChange

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


@dataclass(frozen=True, slots=True)
class When:
    """When a digest comes, as a mail says it: `weekday` is '' unless it is weekly."""

    rhythm: str
    weekday: str
    time: str
    city: str


@dataclass(frozen=True, slots=True)
class Told:
    """One change as a mail tells it: `kind` chooses the sentence, `when` and `what` say which choices differ."""

    kind: str
    at: str
    digest: Named | None
    until: str
    when: When | None
    what: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that was decided on, with all that it says; not rendered yet."""

    name: str
    recipient: outbox.Recipient
    link_set: outbox.LinkSet
    language: str
    values: Mapping[str, object]
    once_key: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """A letter with its texts."""

    letter: Letter
    mail: mailtext.Mail


def confirm(request: SignupRequest, digests: Sequence[Digest], *, once_key: bytes, services: Services) -> Letter:
    """Return the confirmation mail of a request. It holds nothing that was typed into the form."""
    values = {
        "digests": named(digests),
        "asked": languages.instant_text(request.at, request.language, services.publication.zone),
        "until": languages.instant_text(request.at + CONFIRM_WITHIN, request.language, services.publication.zone),
        "origin": consent.shown(request.origin_truncated),
    }
    # The link names the request, not a reader: there is none before it is confirmed.
    recipient = outbox.Recipient(request.mailbox, request.public_id, link_version=0)
    return Letter("confirm", recipient, outbox.LinkSet.REQUEST, request.language, values, once_key)


def already(subscriber: Subscriber, digests: Sequence[Digest], *, once_key: bytes) -> Letter:
    """Return the mail that tells a reader: you have all of these, and here you can change them."""
    return _to_reader("already", subscriber, {"digests": named(digests)}, once_key)


def fresh_link(subscriber: Subscriber, *, once_key: bytes) -> Letter:
    """Return the mail that brings a reader a new link to their choices."""
    return _to_reader("fresh-link", subscriber, {}, once_key)


def new_address(change: AddressChange, *, services: Services) -> Letter:
    """Return the mail that asks at the new address. It names nobody: it may have been mistyped."""
    language = change.subscriber.language
    values = {"until": languages.instant_text(change.at + CONFIRM_WITHIN, language, services.publication.zone)}
    recipient = outbox.Recipient(change.mailbox, change.public_id, link_version=0)
    return Letter("new-address", recipient, outbox.LinkSet.ADDRESS, language, values, change.public_id)


def address_known(change: AddressChange, known: Subscriber, *, services: Services) -> Letter:
    """Return the mail to an address that has or had choices of its own: they are not put together."""
    subscribe = services.links.to("subscribe", language=known.language)
    active = known.state == "active"
    letter = _to_reader("address-known", known, {"active": active, "subscribe": subscribe}, change.public_id)
    return letter if active else replace(letter, link_set=outbox.LinkSet.NONE)


def changed(subscriber: Subscriber, told: Sequence[Told], *, once_key: bytes) -> Letter:
    """Return the mail that tells a reader what was changed by their links."""
    return replace(_to_reader("changed", subscriber, {"told": told}, once_key), link_set=outbox.LinkSet.CHANGED)


def address_changed(change: AddressChange, told: Sequence[Told], version: int, *, once_key: bytes) -> Letter:
    """Return the mail to the old address: mail goes elsewhere now, and here it can be taken back."""
    language = change.subscriber.language
    recipient = outbox.Recipient(change.old_mailbox, change.old_key, link_version=version)
    return Letter("address-changed", recipient, outbox.LinkSet.CHANGED, language, {"told": told}, once_key)


def make(letter: Letter, services: Services) -> Made:
    """Render and compile a letter. Slow, so outside of any transaction: queueing it then finds it compiled."""
    mail = mailtext.render(letter.name, letter.language, {**letter.values, "publication": services.publication})
    content.compile_mail(mail)
    return Made(letter, mail)


def queue(made: Made, *, services: Services, now: datetime) -> None:
    """Write a letter into the ledger, once."""
    outbox.queue_mail(
        made.letter.recipient,
        mailing=f"system:{made.letter.name}",
        once_key=made.letter.once_key,
        mail=made.mail,
        link_set=made.letter.link_set,
        not_after=now + _CARRY_WITHIN,
        now=now,
        services=services,
    )


def _to_reader(name: str, subscriber: Subscriber, values: Mapping[str, object], once_key: bytes) -> Letter:
    recipient = outbox.Recipient(subscriber.mailbox, subscriber.public_id, link_version=subscriber.link_version)
    return Letter(name, recipient, outbox.LinkSet.READER, subscriber.language, values, once_key)


def named(digests: Sequence[Digest]) -> list[Named]:
    """Return digests as a mail names them."""
    return [
        Named(digest.name, digest.about, digest.language, languages.direction(digest.language)) for digest in digests
    ]
