"""What editors lay down for a digest and a date: front page, pins, drops, note, subject, and a hold for approval.

A sheet may be written long before its edition is opened. Choices of stories hold as soon as they are made; the desk's
words, note and subject, are in waves only from the hour on at which the desk closes, and once they are approved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, select

from articles import shelf
from articles.models import Article
from core import errors, logs
from core.database import db, insert_for
from digests import notes
from digests.models import DeskPick, DeskSheet
from digests.selection import NOTHING_FOREMOST, Foremost
from subscribers import rhythm, wallclock
from subscribers.models import Digest

LONGEST_SUBJECT = 120
MOST_PICKS = 50
"""Stories on one sheet."""

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Laid:
    """What holds for one wave: what stands foremost, which stories are left out, and the desk's words, if any."""

    foremost: Foremost = NOTHING_FOREMOST
    dropped: frozenset[int] = frozenset()
    note: str = ""
    subject: str = ""

    def candidates(self, found: Sequence[shelf.Candidate]) -> list[shelf.Candidate]:
        """Return what was found with the front page, however old it is, and without what is dropped."""
        front = self.foremost.front
        kept = [one for one in found if one.story_id not in self.dropped]
        if front is not None and all(one.article_id != front for one in kept):
            kept += shelf.candidates_by_ids([front])
        return kept


NOTHING = Laid()


def sheet(digest: Digest, slot: date) -> DeskSheet | None:
    """Return what was laid down for a date; None when nothing was."""
    return db.session.scalar(select(DeskSheet).filter_by(digest_id=digest.id, slot=slot))


def picks(found: DeskSheet) -> list[tuple[str, Article]]:
    """Return the stories of a sheet with their roles: the pins in their order."""
    wanted = (
        select(DeskPick.role, Article)
        .join(Article, Article.id == DeskPick.article_id)
        .where(DeskPick.sheet_id == found.id)
        .order_by(DeskPick.role, DeskPick.place, DeskPick.article_id)
    )
    return [(row[0], row[1]) for row in db.session.execute(wanted)]


def laid_down(digest: Digest, slot: date, *, due_at: datetime | None, zone: str) -> Laid:
    """Return what holds for the wave of a date that was due at `due_at`; with None, for a mail without its words.

    `zone` is the publisher's.
    """
    found = sheet(digest, slot)
    if found is None:
        return NOTHING
    has_words = due_at is not None and due_at >= _closes(digest, slot, zone) and not _is_unapproved(found)
    return _laid(found, has_words=has_words)


def in_proof(digest: Digest, slot: date) -> Laid:
    """Return all that was laid down for a date, also words that wait for their hour or an approval."""
    found = sheet(digest, slot)
    return NOTHING if found is None else _laid(found, has_words=True)


def _laid(found: DeskSheet, *, has_words: bool) -> Laid:
    chosen = picks(found)
    by_role = {role: [one for is_so, one in chosen if is_so == role] for role in ("front", "pin", "drop")}
    return Laid(
        Foremost(next((one.id for one in by_role["front"]), None), tuple(one.id for one in by_role["pin"])),
        frozenset(one.story_id for one in by_role["drop"]),
        note=found.note if has_words else "",
        subject=found.subject if has_words else "",
    )


def front_pages(digest: Digest, *, since: date) -> frozenset[int]:
    """Return the stories on the front pages of a digest from a date on."""
    wanted = (
        select(Article.story_id)
        .join(DeskPick, DeskPick.article_id == Article.id)
        .join(DeskSheet, DeskSheet.id == DeskPick.sheet_id)
        .where(DeskSheet.digest_id == digest.id, DeskSheet.slot >= since, DeskPick.role == "front")
    )
    return frozenset(db.session.scalars(wanted))


def _closes(digest: Digest, slot: date, zone: str) -> datetime:
    """Return from when on waves of a date carry the desk's words: with no hour set, before any can begin."""
    if digest.desk_closes is None:
        return wallclock.promised_at(0, "Etc/GMT-14", slot) - timedelta(days=1)
    return wallclock.promised_at(digest.desk_closes, zone, slot)


def _is_unapproved(found: DeskSheet) -> bool:
    return found.hold_until is not None and found.approved_at is None


def write_note(digest: Digest, slot: date, text: str, *, now: datetime) -> DeskSheet:
    """Lay down the note of a date, in Markdown; an empty text takes it back. Raises Invalid."""
    found = _open(digest, slot, now)
    found.note = notes.checked(text) if text else ""
    _changed(found, digest, "note")
    return found


def set_subject(digest: Digest, slot: date, text: str, *, now: datetime) -> DeskSheet:
    """Lay down the subject of a date, word for word; an empty text takes it back. Raises Invalid."""
    found = _open(digest, slot, now)
    found.subject = checked_subject(text)
    _changed(found, digest, "subject")
    return found


def checked_subject(text: str) -> str:
    """Return a subject as it is kept. Raises Invalid."""
    text = text.strip()
    if len(text) > LONGEST_SUBJECT or not text.isprintable():
        raise errors.Invalid(
            "subject", "A subject is one line of at most %(longest)s characters.", longest=LONGEST_SUBJECT
        )
    return text


def put(digest: Digest, slot: date, articles: Sequence[Article], role: str, *, now: datetime) -> DeskSheet:
    """Lay stories down as the `front` page (in place of the one before), as a `pin` below those there are, or a `drop`.

    A story has one role on a sheet, the last one that it was given. Raises Invalid.
    """
    ours = list(dict.fromkeys(in_language(one, digest).id for one in articles))
    found = _open(digest, slot, now)
    if role == "front":
        db.session.execute(delete(DeskPick).where(DeskPick.sheet_id == found.id, DeskPick.role == "front"))
    _remove(found, ours)
    chosen = db.session.scalars(select(DeskPick).filter_by(sheet_id=found.id)).all()
    if len(chosen) + len(ours) > MOST_PICKS:
        raise errors.Invalid("story", "A date has at most %(most)s stories laid down.", most=MOST_PICKS)
    last = max((one.place for one in chosen if one.role == role), default=0)
    db.session.add_all(
        DeskPick(sheet_id=found.id, article_id=one, role=role, place=place) for place, one in enumerate(ours, last + 1)
    )
    _changed(found, digest, role)
    return found


def take_back(digest: Digest, slot: date, articles: Sequence[Article], role: str, *, now: datetime) -> DeskSheet:
    """Take stories out of a role that they were given; without any, all that have it. Raises Invalid."""
    found = _open(digest, slot, now)
    ours = [in_language(one, digest).id for one in articles]
    in_role = delete(DeskPick).where(DeskPick.sheet_id == found.id, DeskPick.role == role)
    db.session.execute(in_role.where(DeskPick.article_id.in_(ours)) if ours else in_role)
    _changed(found, digest, role)
    return found


def _remove(found: DeskSheet, article_ids: Sequence[int]) -> None:
    db.session.execute(delete(DeskPick).where(DeskPick.sheet_id == found.id, DeskPick.article_id.in_(article_ids)))


def start(digest: Digest, slot: date, *, zone: str, now: datetime) -> None:
    """Start the sheet of a date, held as the digest's definition says of every date; one that is there stays as it is.

    `zone` is the publisher's.
    """
    if digest.hold_until is None or slot < rhythm.local_date(now, "Etc/GMT+12") or sheet(digest, slot) is not None:
        return
    until = wallclock.promised_at(digest.hold_until, zone, slot)
    row = {"digest_id": digest.id, "slot": slot, "held_from": _closes(digest, slot, zone), "hold_until": until}
    db.session.execute(insert_for(db.engine)(DeskSheet).values(row).on_conflict_do_nothing())


def hold(digest: Digest, slot: date, *, minute: int, zone: str, now: datetime) -> DeskSheet:
    """Hold the waves of a date that would carry the desk's words until somebody approves, or until that minute of the
    date in the publisher's `zone`. What was approved before is to be approved anew. Raises Invalid.
    """
    until = wallclock.promised_at(minute, zone, slot)
    if until <= now:
        raise errors.Invalid("until", "This moment is over. Please name one that is still to come.")
    found = _open(digest, slot, now)
    found.held_from, found.hold_until = _closes(digest, slot, zone), until
    found.approved_at = found.approved_by = None
    _changed(found, digest, "hold")
    return found


def end_hold(digest: Digest, slot: date, *, now: datetime) -> DeskSheet:
    """Take a hold back: the edition goes as if there had been none."""
    found = _open(digest, slot, now)
    found.held_from = found.hold_until = found.approved_at = found.approved_by = None
    _changed(found, digest, "hold")
    return found


def approve(digest: Digest, slot: date, *, by: str, now: datetime) -> DeskSheet:
    """Let a date that is held go, with the desk's words. Raises Invalid for one that is not held any more."""
    found = sheet(digest, slot)
    if found is None or found.hold_until is None:
        raise errors.Invalid("date", "This date is not held, so there is nothing to approve.")
    if found.approved_at is None and found.hold_until <= now:
        raise errors.Invalid("date", "It is too late: at the hour that was set the date went on unapproved.")
    if found.approved_at is None:
        found.approved_at, found.approved_by = now, by
        _changed(found, digest, "approval")
    return found


def _open(digest: Digest, slot: date, now: datetime) -> DeskSheet:
    """Return the sheet of a date, a new one if there is none. Raises Invalid for a date that is over everywhere."""
    if slot < rhythm.local_date(now, "Etc/GMT+12"):
        raise errors.Invalid("date", "This date is over: %(date)s.", date=slot)
    found = sheet(digest, slot)
    if found is None:
        found = DeskSheet(digest_id=digest.id, slot=slot)
        db.session.add(found)
        db.session.flush()
    return found


def in_language(article: Article, digest: Digest) -> Article:
    """Return the version of a story in a digest's language. Raises Invalid when there is none."""
    versions = [article, *shelf.versions(article)]
    found = next((one for one in versions if one.language == digest.language), None)
    if found is None:
        message = "“%(headline)s” is not there in the language of this digest (%(language)s)."
        raise errors.Invalid("story", message, headline=article.headline, language=digest.language)
    return found


def _changed(found: DeskSheet, digest: Digest, what: str) -> None:
    db.session.flush()
    log.info("desk sheet changed", digest=digest.key, slot=found.slot.isoformat(), what=what)
