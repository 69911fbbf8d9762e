"""One mail of each kind, made and signed as the sender makes them, for nobody: to be looked at, never to be sent."""

from dataclasses import replace
from datetime import datetime

from checkup import sampling
from checkup.samples import Sample
from checkup.sampling import NOBODY, TO
from core.services import Services
from delivery import content, outbox
from delivery.models import Lane
from delivery.outbox import LinkSet
from digests import editions, rendering
from digests.rendering import Opening, ShellView, StoryView
from subscribers import mails
from subscribers.models import Digest, SignupRequest


def make(services: Services, now: datetime) -> list[Sample]:
    """Return a confirmation, a digest and a breaking digest. Nothing is read from the database or written to it."""
    digest = _digest(services)
    frame, parts = editions.frame(digest, services), _parts(digest, services)
    breaking = replace(frame, lane=Lane.BREAKING, sender=services.identity.sender_of("breaking"))
    title = f"{digest.name}: a sample"
    return [
        _confirmation(digest, services, now),
        sampling.sample("a digest", frame, title, parts, LinkSet.READER, services, now),
        sampling.sample("a breaking digest", breaking, title, parts, LinkSet.READER, services, now),
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
    return sampling.sample("a confirmation", frame, mail.subject, [part], LinkSet.REQUEST, services, now)


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
