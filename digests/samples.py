"""One mail of each kind, made and signed as the sender makes them, for nobody: to be looked at, never to be sent."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from checkup.samples import Sample
from core.services import Services
from delivery import content, dkim, message, outbox
from delivery.models import Lane
from delivery.moves import Intent
from delivery.outbox import Frame, LinkSet
from digests import editions, rendering
from digests.rendering import Opening, ShellView, StoryView
from subscribers import mails
from subscribers.models import Digest, SignupRequest

TO = "reader@example.org"
"""A reserved name (RFC 2606): should a sample ever leave, it comes to nobody."""
NOBODY = bytes(16)


def make(services: Services, now: datetime) -> list[Sample]:
    """Return a confirmation, a digest and a breaking digest. Nothing is read from the database or written to it."""
    digest = _digest(services)
    frame, parts = editions.frame(digest, services), _parts(digest, services)
    breaking = replace(frame, lane=Lane.BREAKING, sender=services.identity.sender_of("breaking"))
    title = f"{digest.name}: a sample"
    return [
        _confirmation(digest, services, now),
        _sample("a digest", frame, title, parts, LinkSet.READER, services, now),
        _sample("a breaking digest", breaking, title, parts, LinkSet.READER, services, now),
    ]


def _digest(services: Services) -> Digest:
    language = services.publication.default_language
    return Digest(
        key="sample", name="Sample Daily", about="What a mail looks like.", language=language, doubt_policy="skip"
    )


def _confirmation(digest: Digest, services: Services, now: datetime) -> Sample:
    asked = SignupRequest(
        public_id=NOBODY, address=TO, language=digest.language, at=now, origin_truncated="192.0.2.0/24"
    )
    letter = mails.confirm(asked, [digest], once_key=NOBODY, services=services)
    mail = mails.make(letter, services).mail
    frame = outbox.system_frame("system:confirm", mail.language, services)
    part = content.compile_mail(mail)
    return _sample("a confirmation", frame, mail.subject, [part], LinkSet.REQUEST, services, now)


def _parts(digest: Digest, services: Services) -> list[content.Part]:
    publication, language = services.publication, digest.language
    link = {"language": language, "story": "sample"}
    view = ShellView(digest.name, language, services.links.to("subscribe", language=language))
    head, foot = rendering.shell_parts(view, publication)
    opening = Opening(
        publication=publication.name(language),
        digest=digest.name,
        date="1970-01-01",
        stories=1,
        minutes=1,
        preheader="One story.",
        first=False,
        rhythm_next="",
        begins=(),
    )
    story = StoryView(
        article_id=0,
        revision=1,
        language=language,
        headline="A headline with letters from elsewhere: ä, é, ن",
        standfirst="A sentence that is long enough to be folded where lines are folded, and which ends like this.",
        minutes=1,
        published="1970-01-01",
        url=services.links.to("story", **link),
        share_url=services.links.to("share", **link),
    )
    return [head, rendering.part(opening, language), rendering.part(story, language), foot]


def _sample(
    title: str,
    frame: Frame,
    subject: str,
    parts: Sequence[content.Part],
    link_set: LinkSet,
    services: Services,
    now: datetime,
) -> Sample:
    recipe = recipe_of(frame, subject, parts)
    mail = message.splice(recipe, intent(link_set, now), to=TO, services=services)
    keys = message.keys_for(recipe, services)
    signed = mail if keys is None else dkim.sign(mail, keys=keys, at=now)
    return Sample(frame.lane.name.lower(), title, signed, signed=keys is not None)


def recipe_of(frame: Frame, subject: str, parts: Sequence[content.Part], *, format: str = "both") -> message.Recipe:
    """Return how a mail of these parts is made. Raises ValueError for what may not stand in its headers."""
    return message.Recipe(
        lane=int(frame.lane),
        stream=frame.stream,
        list_id=frame.list_id,
        sender_name=frame.sender_name,
        sender=frame.sender,
        reply_to=frame.reply_to,
        feedback=frame.feedback,
        subject=subject,
        format=format,
        parts=parts,
    )


def intent(link_set: LinkSet, now: datetime) -> Intent:
    """Return the delivery of a mail that nobody gets: its links open nothing."""
    return Intent(
        id=0,
        epoch=0,
        mailing_id=0,
        content_id=0,
        reader_key=NOBODY,
        link_set=int(link_set),
        link_version=1,
        addr_hash=b"",
        address_sealed=b"",
        dated_at=now,
        attempts=0,
        provider=0,
    )
