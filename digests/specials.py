"""Specials: editions without timetable, of stories by hand, for the readers of one digest and of further ones.

All is sent as the one digest: its language, its sender. Through which digest a copy came stands in it, and its links of
leaving leave that one: so each of the digests has a mailing of its own. One goes after the other, and whoever reads
several of them gets one copy, through the first.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select

from articles import topics
from articles.models import Article
from core import errors, logs
from core.database import db, insert_for
from core.services import Services
from delivery import outbox
from digests import desk, editions, notes
from digests.models import Edition, Special, Wave
from subscribers import offer, rhythm
from subscribers.models import Digest

KIND = "special"
MOST_STORIES = 100

log = logs.get(__name__)


def by_key(key: str) -> Special:
    """Return a special, sent or not. Raises Invalid."""
    found = db.session.scalar(select(Special).where(Special.key == key))
    if found is None:
        raise errors.Invalid("special", "There is no special %(key)s; flask digests specials lists them.", key=key)
    return found


def every() -> list[Special]:
    """Return all specials, the newest first."""
    return list(db.session.scalars(select(Special).order_by(Special.id.desc())))


def draft(
    key: str,
    digest: Digest,
    stories: Sequence[Article],
    *,
    also: Sequence[Digest] = (),
    topic_keys: Sequence[str] = (),
    subject: str,
    note: str = "",
    repeat: str | None = None,
) -> Special:
    """Write the draft of a special, in place of the one before. Raises Invalid, also for one that was sent."""
    if not offer.is_key(key):
        raise errors.Invalid("key", "The key of a special must be 1 to 40 small letters, digits and hyphens.")
    values = {
        "digest_id": digest.id,
        "also": [one.id for one in dict.fromkeys(also) if one.id != digest.id],
        "topics": _known(topic_keys),
        "article_ids": _articles(stories, digest),
        "subject": desk.checked_subject(subject),
        "note": notes.checked(note) if note else "",
        "repeat": digest.repeat if repeat is None else repeat,
    }
    if not values["subject"]:
        raise errors.Invalid("subject", "A special needs a subject.")
    found = db.session.scalar(select(Special).where(Special.key == key))
    if found is None:
        db.session.add(Special(key=key, **values))
    elif found.opened_at is not None:
        raise errors.Invalid("key", "The special %(key)s was sent. Write another, with another key.", key=key)
    else:
        for name, value in values.items():
            setattr(found, name, value)
    db.session.flush()
    return by_key(key)


def _known(keys: Sequence[str]) -> list[str]:
    known = {topic.key for topic in topics.all_topics()}
    for key in keys:
        if key not in known:
            raise errors.Invalid("topics", "There is no topic %(key)s.", key=key)
    return sorted(set(keys))


def _articles(stories: Sequence[Article], digest: Digest) -> list[int]:
    ours = list(dict.fromkeys(desk.in_language(one, digest).id for one in stories))
    if not 1 <= len(ours) <= MOST_STORIES:
        raise errors.Invalid("story", "A special has 1 to %(most)s stories.", most=MOST_STORIES)
    return ours


def through(special: Special) -> list[Digest]:
    """Return the digests through whose readers a special goes, in the order in which they go."""
    return [db.session.get_one(Digest, one) for one in (special.digest_id, *special.also)]


def send(special: Special, *, now: datetime, services: Services) -> None:
    """Open a special: its waves are due now. Raises Invalid for one that was sent already."""
    refuse_sent(special)
    lead = db.session.get_one(Digest, special.digest_id)
    slot = rhythm.local_date(now, services.publication.zone)
    of_day = (Edition.digest_id == lead.id, Edition.kind == KIND, Edition.slot == slot)
    number = db.session.scalar(select(func.max(Edition.number)).where(*of_day)) or 0
    for place, via in enumerate(through(special), number + 1):
        mailing_id = outbox.open_mailing(f"special:{special.key}:{via.key}", frame=frame(lead, via, services), now=now)
        edition = Edition(
            digest_id=lead.id,
            kind=KIND,
            slot=slot,
            number=place,
            special_id=special.id,
            via_id=via.id,
            mailing_id=mailing_id,
            opened_at=now,
        )
        db.session.add(edition)
        db.session.flush()
        row = {"edition_id": edition.id, "due_at": now, "state": "open", "cursor": 0}
        db.session.execute(insert_for(db.engine)(Wave).values(row).on_conflict_do_nothing())
    special.opened_at = now
    db.session.flush()
    log.info("special opened", special=special.key, digest=lead.key)


def refuse_sent(special: Special) -> None:
    """Raise Invalid for a special that was sent."""
    if special.opened_at is not None:
        raise errors.Invalid("special", "The special %(key)s was sent already.", key=special.key)


def frame(lead: Digest, via: Digest, services: Services) -> outbox.Frame:
    """Return what the headers of a special say: sent as one digest, and left as the one that it came through."""
    ours, theirs = editions.frame(lead, services), editions.frame(via, services)
    return replace(ours, stream=theirs.stream, list_id=theirs.list_id, feedback=theirs.feedback)
