"""A mail to a friend as the sender makes it, for nobody: to be looked at, never to be sent."""

from datetime import datetime

from articles.models import Article
from checkup import sampling
from checkup.samples import Sample
from core.services import Services
from core.shares import ShareSettings
from delivery import content
from delivery.outbox import LinkSet
from sharing import mails, sending
from sharing.models import Share


def make(given: ShareSettings, services: Services, now: datetime) -> list[Sample]:
    """Return a mail to a friend. Nothing is read from the database or written to it."""
    language = services.publication.default_language
    article = Article(
        language=language,
        public_id="sample",
        slug="",
        headline="A headline with letters from elsewhere: ä, é, ن",
        standfirst="A sentence that is long enough to be folded where lines are folded, and which ends like this.",
        dateline_place="Seoul",
        dateline_agency="Sample",
        body="<p>The first paragraph.</p>",
        published_at=now,
        url="",
        read_at="postrider",
        printable=True,
        teaser_only=False,
    )
    share = Share(article=article, name="A Reader", note="", language=language)
    alone = ShareSettings(note=given.note, subscribe=given.subscribe)
    mail = mails.friend(share, sampling.TO, given=alone, services=services)
    part = content.compile_mail(mail)
    frame = sending.frame_of(language, services)
    return [sampling.sample("a story for a friend", frame, mail.subject, [part], LinkSet.FRIEND, services, now)]
