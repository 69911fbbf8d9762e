"""List and search the inbox, opening no more mails than it must."""

from dataclasses import dataclass
from datetime import datetime

from inbox import headers, reading
from inbox.mailbox import Mail, Mailbox, MailNotFound


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the list: `sender` as the mail says it, `recipients` as the envelope does."""

    key: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    received_at: datetime
    envelope_from: str

    def matches(self, wanted: str) -> bool:
        """Tell whether the casefolded `wanted` is a part of the subject or of a recipient."""
        return any(wanted in text.casefold() for text in (self.subject, *self.recipients))


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the mails that were asked for, and how many there are of them in all."""

    mails: tuple[Summary, ...]
    total: int
    newest_key: str
    """The newest mail of the whole inbox when it was looked at, "" when it was empty."""


class Listing:
    """Summaries of a mailbox. A mail never changes, so what was read once is kept for the next search."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._known: dict[str, Summary] = {}

    def page(self, *, limit: int, offset: int = 0, query: str = "") -> Page:
        """Return the mails from `offset` on, newest first; with a query, those it matches."""
        keys = self._mailbox.newest()
        self._forget_all_but(keys)
        newest = keys[0] if keys else ""
        wanted = query.strip().casefold()
        if not wanted:
            return Page(tuple(self._summaries(keys[offset : offset + limit])), len(keys), newest)
        found = [mail for mail in self._summaries(keys) if mail.matches(wanted)]
        return Page(tuple(found[offset : offset + limit]), len(found), newest)

    def _summaries(self, keys: list[str]) -> list[Summary]:
        summaries = []
        for key in keys:
            try:
                summaries.append(self._known.get(key) or self._learn(key))
            except MailNotFound:
                continue  # Cleared away since its name was read.
        return summaries

    def _learn(self, key: str) -> Summary:
        summary = self._known[key] = summarise(self._mailbox.head(key))
        return summary

    def _forget_all_but(self, keys: list[str]) -> None:
        if len(self._known) > len(keys):
            present = set(keys)
            self._known = {key: mail for key, mail in list(self._known.items()) if key in present}


def summarise(mail: Mail) -> Summary:
    """Return the line of the list for a mail, of which the header is enough."""
    header = reading.header_of(mail.source)
    return Summary(
        key=mail.key,
        sender=headers.first(header, "From") or mail.envelope.sender,
        recipients=mail.envelope.recipients,
        subject=headers.first(header, "Subject"),
        message_id=headers.first(header, "Message-ID"),
        received_at=mail.envelope.received_at,
        envelope_from=mail.envelope.sender,
    )
