"""A mail of an edition as somebody would get it, made by the code that composes, before it goes out or for a test.

Nothing of a wave is written: no history grows, and nobody is counted as having had anything.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from checkup import sampling
from core import addresses
from core.database import db
from core.services import Services
from delivery import content, message, outbox
from delivery.models import Lane, LinkSet
from digests import desk, editions, layout, making, rendering, sorting
from digests.cohorts import Chunk
from digests.copies import Copy, Group
from digests.kept import Kept
from digests.making import Made
from digests.models import EditionLook
from subscribers import rhythm, schedule, wallclock
from subscribers.duereaders import DueReader
from subscribers.models import Digest, Subscription, Taste

_NO_ROW = 0
TEST_LASTS = timedelta(hours=1)
"""How long a test may be on its way."""


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody made up, to see what such a reader gets: `paused` comes back from a week away, and catches up."""

    name: str
    topics: tuple[str, ...] = ()
    format: str = "both"
    paused: bool = False


PERSONAS = (Persona("everything"), Persona("text", format="text"), Persona("paused", paused=True))
"""Those who need no topics named."""


@dataclass(frozen=True, slots=True)
class Galley:
    """One mail, compiled: its parts, its subject, and how many stories and headlines are in it."""

    who: str
    subject: str
    format: str
    stories: int
    headlines: int
    parts: tuple[content.Part, ...]
    frame: outbox.Frame

    def raw(self, services: Services, *, now: datetime, to: str = sampling.TO) -> bytes:
        """Return the whole mail; its personal links open nothing."""
        recipe = sampling.recipe_of(self.frame, self.subject, self.parts, format=self.format)
        return message.splice(recipe, sampling.intent(LinkSet.READER, now), to=to, services=services)


class Sizes:
    """How long mails are, in octets of HTML without personal values: what they show is compiled once."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._known: dict[object, int] = {}
        self._copies: dict[Copy, int] = {}

    def of(self, copy: Copy) -> int:
        """Return how long a mail is, without its frame. Openings are alike: one stands for all."""
        if copy not in self._copies:
            self._copies[copy] = sum(self._size(view) for view in layout.pieces(copy))
        return self._copies[copy]

    def _size(self, view: rendering.View) -> int:
        key: object = type(view) if isinstance(view, rendering.Opening) else view
        if key not in self._known:
            self._known[key] = rendering.compiled(view, self._language).octets
        return self._known[key]


def of_persona(digest: Digest, slot: date, persona: Persona, *, now: datetime, services: Services) -> Galley | None:
    """Return what a persona would get on a date, of the stories that are here now; None when that is no mail."""
    reader = _made_up(digest, persona, now, services)
    return _galley(persona.name, digest, "regular", slot, reader, now=now, services=services)


def of_reader(subscription: Subscription, slot: date, *, by: str, now: datetime, services: Services) -> Galley | None:
    """Return what one reader would get on a date, and record that somebody looked; None when that is no mail."""
    look = {"subscription_id": subscription.id, "slot": slot, "at": now, "by": by}
    db.session.add(EditionLook(**look))
    db.session.flush()
    reader = schedule.reader(subscription.id, slot=slot)
    if reader is None:
        return None
    kind = "regular" if subscription.first_due_at is None else "first"
    return _galley("reader", subscription.digest, kind, slot, reader, now=now, services=services)


def _made_up(digest: Digest, persona: Persona, now: datetime, services: Services) -> DueReader:
    period, address = rhythm.period(digest.default_rhythm), addresses.stored(sampling.TO)
    return DueReader(
        subscription_id=_NO_ROW,
        subscriber_id=_NO_ROW,
        reader_key=sampling.NOBODY,
        address=address,
        addr_hash=services.keyring.hash(address),
        link_version=1,
        # It belongs to no session, so it is never stored.
        taste=Taste(id=_NO_ROW, topics=list(persona.topics), countries=[], most=digest.most, format=persona.format),
        fresh_from=now - (7 if persona.paused else 1) * period,
        rhythm=digest.default_rhythm,
        zone=digest.default_zone,
        away_from=now - 7 * period if persona.paused else None,
        catch_up=persona.paused,
    )


def _galley(
    who: str, digest: Digest, kind: str, slot: date, reader: DueReader, *, now: datetime, services: Services
) -> Galley | None:
    lead = timedelta(seconds=digest.lead_s)
    due_at = wallclock.promised_at(digest.default_minute, digest.default_zone, slot) - lead
    reading = sorting.Reading(
        digest, kind, slot=slot, due_at=max(due_at, now), now=now, services=services, laid=desk.in_proof(digest, slot)
    )
    groups = reading.sort_out([reader]).groups
    if not groups:
        return None
    made = making.make(_chunk(digest, kind, slot, groups, now, services), services)
    return _of_copy(who, groups[0].copy, made, editions.frame(digest, services))


def _chunk(digest: Digest, kind: str, slot: date, groups: Sequence[Group], now: datetime, services: Services) -> Chunk:
    """Return a chunk that belongs to no wave: it is made, and never written."""
    return Chunk(
        wave_id=_NO_ROW,
        edition_id=_NO_ROW,
        mailing_id=_NO_ROW,
        digest_id=digest.id,
        language=digest.language,
        kind=kind,
        slot=slot,
        due_at=now,
        cursor=_NO_ROW,
        last=_NO_ROW,
        finished=True,
        groups=tuple(groups),
        empty=(),
        waiting=(),
        seen_until=now,
        shell=rendering.shell_view(digest, services),
        not_after=now,
        kept=Kept(),
    )


def _of_copy(who: str, copy: Copy, made: Made, frame: outbox.Frame) -> Galley:
    printed = made.printed(copy)
    shown = printed.copy.shown
    return Galley(
        who=who,
        subject=shown.subject,
        format=copy.format,
        stories=len(shown.stories),
        headlines=len(shown.headlines),
        parts=(made.head, *printed.parts, made.foot),
        frame=frame,
    )


def send_test(galley: Galley, to: addresses.Address, digest: Digest, *, now: datetime, services: Services) -> str:
    """Queue a galley for an operator's address, marked as a test in its subject; return the key of its mailing.

    It leaves by the digest's sender and relay, behind what else waits there. Its personal links open nothing.
    """
    key = f"test:{digest.key}:{os.urandom(6).hex()}"
    frame = replace(galley.frame, stream=f"test:{digest.key}", list_id=None)
    mailing_id = outbox.open_mailing(key, frame=frame, now=now)
    head, *middle, foot = galley.parts
    shell_id = outbox.add_shell(mailing_id, language=digest.language, format=galley.format, head=head, foot=foot)
    blocks = outbox.add_blocks(middle)
    subject = f"Test: {galley.subject}"
    content_id = outbox.add_content(
        mailing_id, shell_id=shell_id, subject=subject, block_ids=[blocks[part] for part in middle]
    )
    # A key that nobody has.
    recipient = outbox.Recipient(to, os.urandom(16))
    row = outbox.Planned(recipient, once_key=hashlib.sha256(key.encode()).digest()[:16], content_id=content_id)
    outbox.queue_bulk(
        [row],
        mailing_id=mailing_id,
        lane=Lane.DIGEST,
        link_set=LinkSet.READER,
        not_after=now + TEST_LASTS,
        services=services,
    )
    return key
