"""How a sample of a mail is made and signed: as the sender makes it, for nobody, to be looked at and never sent."""

from collections.abc import Sequence
from datetime import datetime

from checkup.samples import Sample
from core.services import Services
from delivery import content, dkim, message
from delivery.moves import Intent
from delivery.outbox import Frame, LinkSet

TO = "reader@example.org"
"""A reserved name (RFC 2606): should a sample ever leave, it comes to nobody."""
NOBODY = bytes(16)


def sample(
    title: str,
    frame: Frame,
    subject: str,
    parts: Sequence[content.Part],
    link_set: LinkSet,
    services: Services,
    now: datetime,
) -> Sample:
    """Return a mail of these parts, as one of its lane."""
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
