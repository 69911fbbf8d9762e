"""Which mail services tell by webhook what became of a mail, and how each is verified, taken apart and read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.webhooks import POSTMARK_USER, WebhookSettings
from returns import mailgun, postmark, sendgrid, ses, sns
from returns.certificates import Certificates
from returns.events import Asked, Event, Reading

MOST_OCTETS = 1_000_000
"""The longest body that is taken: SendGrid sends batches of up to some 800 kB."""


@dataclass(frozen=True, slots=True)
class MailService:
    """Who runs a relay and tells by webhook.

    `verify` raises Refused, and CertificateAway when nobody can say; `events` takes a verified body apart and never
    raises; `read` raises documents.Unreadable.
    """

    verify: Callable[[Asked, WebhookSettings, Certificates], None]
    events: Callable[[bytes], list[Event]]
    read: Callable[[bytes], Reading]


def _verify_ses(asked: Asked, settings: WebhookSettings, certificates: Certificates) -> None:
    sns.verify(
        asked.raw,
        topics=settings.ses_topics,
        now=asked.now,
        key_of=lambda url: certificates.key_of(url, now=asked.now),
    )


def _verify_sendgrid(asked: Asked, settings: WebhookSettings, _certificates: Certificates) -> None:
    sendgrid.verify(asked, settings.sendgrid_keys)


def _verify_mailgun(asked: Asked, settings: WebhookSettings, _certificates: Certificates) -> None:
    mailgun.verify(asked, settings.mailgun_keys)


def _verify_postmark(asked: Asked, settings: WebhookSettings, _certificates: Certificates) -> None:
    postmark.verify(asked, POSTMARK_USER, settings.postmark_passwords)


SERVICES: Mapping[str, MailService] = {
    ses.SOURCE: MailService(_verify_ses, ses.events, ses.read),
    sendgrid.SOURCE: MailService(_verify_sendgrid, sendgrid.events, sendgrid.read),
    mailgun.SOURCE: MailService(_verify_mailgun, mailgun.events, mailgun.read),
    postmark.SOURCE: MailService(_verify_postmark, postmark.events, postmark.read),
}
