"""Mails made without a ledger: a recipe, an intent, the bytes, and what a mail program reads in them."""

import email.policy
import quopri
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from core import addresses
from core.mailtext import place
from delivery import content, message
from delivery.content import Part
from delivery.message import Recipe
from delivery.models import Lane, LinkSet
from delivery.moves import Intent
from tests import installation

SERVICES = installation.services_for(installation.settings_for("sqlite://"))
READER = bytes(range(16))
DATED = datetime(2024, 2, 15, 6, 13, 7, 999_999, tzinfo=UTC)

PARTS = [
    Part(content.cut("The Monsoon Courier\n\n"), content.cut("<html><body>\n")),
    Part(content.cut("A headline\n"), content.cut("<h2>A headline</h2>\n")),
    Part(
        content.cut(f"\nPreferences: {place('preferences')}\nUnsubscribe: {place('unsubscribe')}\n"),
        content.cut(f'<a href="{place("preferences")}">P</a> <a href="{place("unsubscribe")}">U</a></body></html>\n'),
    ),
]
LINK_ONLY = [Part(content.cut(f"Open {place('confirm')}\n"), content.cut(f'<a href="{place("confirm")}">Yes</a>\n'))]
DIGEST = Recipe(
    lane=Lane.DIGEST,
    stream="digest:asia-daily",
    list_id="<asia-daily.monsoon.example.org>",
    sender_name="The Monsoon Courier",
    sender="news@monsoon.example.org",
    reply_to="desk@monsoon.example.org",
    feedback="asia-daily:digest:postrider:monsoon",
    subject="Seoul and Havana exchange notes",
    format="both",
    parts=PARTS,
)
CONFIRMATION = replace(
    DIGEST,
    lane=Lane.TRANSACTIONAL,
    stream="system",
    list_id=None,
    reply_to=None,
    feedback="system-confirm:system:postrider:monsoon",
    subject="Please confirm: Asia Daily",
    parts=LINK_ONLY,
)


def digest(**changes: Any) -> Recipe:
    """Return the digest's recipe with some fields changed."""
    return replace(DIGEST, **{"parts": PARTS, **changes})


def intent(**changes: Any) -> Intent:
    """Return the intent of one delivery."""
    made = Intent(
        id=1,
        epoch=1,
        mailing_id=1,
        content_id=1,
        reader_key=READER,
        link_set=LinkSet.READER,
        link_version=1,
        addr_hash=SERVICES.keyring.hash(addresses.parse("reader@example.org")),
        address_sealed=b"",
        dated_at=DATED,
        attempts=1,
        provider=1,
    )
    return replace(made, **changes)


def spliced(recipe: Recipe = DIGEST, *, to: str = "reader@example.org", **changes: Any) -> bytes:
    """Return a mail's bytes."""
    if recipe.lane == Lane.TRANSACTIONAL:
        changes.setdefault("link_set", LinkSet.REQUEST)
    return message.splice(recipe, intent(**changes), to=to, services=SERVICES)


def read(raw: bytes) -> EmailMessage:
    """Return a mail as Python's mail program reads it."""
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects and not any(part.defects for part in parsed.walk())
    return parsed


def text_of(raw: bytes, subtype: str) -> str:
    """Return the decoded text of the mail's part text/plain or text/html, with its line ends."""
    for part in read(raw).walk():
        if part.get_content_type() == f"text/{subtype}":
            return quopri.decodestring(str(part.get_payload()).encode()).decode()
    raise AssertionError(f"no text/{subtype}")


def header_lines(raw: bytes) -> list[bytes]:
    """Return the header lines as they are on the wire."""
    return raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
