"""Mails of every kind, put into a ledger as the rooms do: by language, by format, by lane, by address."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

from core import clock, database, mailtext, settings
from core.addresses import Address
from core.database import db
from core.services import Services
from delivery import outbox
from delivery.models import Lane, LinkSet
from digests import rendering
from tests import installation

STORIES = {
    "en": ("Philippine islanders move the ferry to fit the school bell", "It leaves ten minutes later now. " * 9),
    "ar": ("الخرائط تتغير من جديد هذا الأسبوع", "سكان الجزر ينقلون العبّارة لتوافق جرس المدرسة. " * 9),
    "zh-Hant": ("島民為配合上課鐘聲調整渡輪時間", "季風帶來的消息,送到你的門前。" * 20),
}
FORMATS = ("both", "text")


def queue(environment: Mapping[str, str], each: int) -> int:
    """Put mails to `each` readers of every kind into an installation's ledger; return how many they are."""
    known = settings.load(environment)
    services = installation.services_for(known)
    count = 0
    with installation.rooms_on(known), database.write_turn():
        for language in STORIES:
            for form in FORMATS:
                count += _edition(language, form, each, services)
        for number in range(each):
            _confirmation(f"asks{number}@example.org", services)
        db.session.commit()
    return count + each


def _edition(language: str, form: str, each: int, services: Services) -> int:
    frame = outbox.Frame(
        lane=Lane.DIGEST,
        stream="digest:asia-daily",
        sender_name=services.publication.name(language),
        sender=services.identity.sender,
        feedback=f"asia-daily:digest:postrider:{services.identity.feedback_sender}",
        doubt_policy="resend",
        list_id=f"<asia-daily.{services.identity.domain}>",
        reply_to="desk@monsoon.example.org",
    )
    headline, text = STORIES[language]
    story = rendering.StoryView(
        1, 1, language, headline, text, 4, "23 November 2026", "https://n.test/1", "https://n.test/s"
    )
    view = rendering.ShellView("Asia Daily", language, "https://n.test/subscribe")
    head, foot = rendering.shell_parts(view, services.publication)
    mailing = outbox.open_mailing(f"edition:proof:{language}:{form}", frame=frame, now=clock.utc_now())
    shell = outbox.add_shell(mailing, language=language, format=form, head=head, foot=foot)
    made = outbox.add_content(
        mailing, shell_id=shell, subject=headline, block_ids=[outbox.add_block(rendering.part(story, story.language))]
    )
    readers = [_reader(language, form, number) for number in range(each)]
    rows = [outbox.Planned(one, services.keyring.hash(one.address), made) for one in readers]
    return outbox.queue_bulk(
        rows,
        mailing_id=mailing,
        lane=Lane.DIGEST,
        link_set=LinkSet.READER,
        not_after=clock.utc_now() + timedelta(hours=12),
        services=services,
    )


def _reader(language: str, form: str, number: int) -> outbox.Recipient:
    """Return a reader; every fifth has an address that only SMTPUTF8 can carry."""
    local = f"δοκιμή{number}" if number % 5 == 0 else f"reader{number}"
    mailbox = f"{local}.{language}.{form}@example.org"
    return outbox.Recipient(Address(mailbox, mailbox), number.to_bytes(16, "big"))


def _confirmation(mailbox: str, services: Services) -> None:
    link = mailtext.place("confirm")
    now = clock.utc_now()
    key = services.keyring.hash(Address(mailbox, mailbox))
    outbox.queue_mail(
        outbox.Recipient(Address(mailbox, mailbox), key),
        mailing="system:confirm",
        once_key=key,
        mail=mailtext.Mail("en", "Please confirm", f"Open {link}", f'<p><a href="{link}">Yes</a></p>'),
        link_set=LinkSet.REQUEST,
        not_after=now + timedelta(hours=12),
        now=now,
        services=services,
    )


def kinds(raw: bytes) -> Iterator[str]:
    """Say of which kinds a mail is, by its recipient."""
    head, _blank, _body = raw.partition(b"\r\n\r\n")
    to = re.search(rb"(?m)^To: ([^\r]*)", head)
    address = to[1].decode() if to else ""
    yield "SMTPUTF8" if not address.isascii() else "ASCII address"
    if address.startswith("asks"):
        yield "transactional"
    else:
        language, form = address.partition("@")[0].split(".")[-2:]
        yield f"digest in {language}"
        yield "text only" if form == "text" else "text and HTML"
