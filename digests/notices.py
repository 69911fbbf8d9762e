"""One labelled block of support or advertisement in a digest's editions, from one date to another."""

from datetime import date, datetime

from sqlalchemy import select

from core import errors
from core.database import db
from digests import notes
from digests.models import Notice
from digests.rendering import NoticeView
from subscribers.models import Digest


def of(digest: Digest, day: date) -> NoticeView | None:
    """Return what stands in this digest's editions of a date; nothing that was written for another language of it."""
    found = db.session.scalar(
        select(Notice).where(
            Notice.digest_id == digest.id,
            Notice.language == digest.language,
            Notice.begins_on <= day,
            Notice.ends_on >= day,
        )
    )
    if found is None:
        return None
    return NoticeView(found.language, found.kind, notes.as_html(found.text), notes.as_text(found.text))


def listed(digest: Digest) -> list[Notice]:
    """Return all notices of a digest, the earliest first."""
    return list(db.session.scalars(select(Notice).filter_by(digest_id=digest.id).order_by(Notice.begins_on)))


def add(digest: Digest, *, kind: str, text: str, begins: date, ends: date, now: datetime) -> Notice:
    """Put a notice into the editions of these dates. Raises Invalid for a bad text, dates, or a date that has one."""
    if ends < begins:
        raise errors.Invalid("notice", "A notice cannot end before it begins. Change --from or --until.")
    # Whoever else adds one waits here, so that no date has two.
    db.session.execute(select(Digest.id).where(Digest.id == digest.id).with_for_update())
    other = db.session.scalar(
        select(Notice).where(
            Notice.digest_id == digest.id,
            Notice.language == digest.language,
            Notice.begins_on <= ends,
            Notice.ends_on >= begins,
        )
    )
    if other is not None:
        raise errors.Invalid(
            "notice",
            "There is one from %(begins)s to %(ends)s already, and a digest has one at a time. Choose other dates, "
            "or take that one back with --from %(begins)s --undo.",
            begins=other.begins_on.isoformat(),
            ends=other.ends_on.isoformat(),
        )
    made = Notice(
        digest_id=digest.id,
        language=digest.language,
        kind=kind,
        text=notes.checked(text),
        begins_on=begins,
        ends_on=ends,
        added_at=now,
    )
    db.session.add(made)
    db.session.flush()
    return made


def take_back(digest: Digest, begins: date) -> None:
    """Take the notice back that begins on this date. Raises Invalid when there is none."""
    found = db.session.scalar(select(Notice).filter_by(digest_id=digest.id, begins_on=begins))
    if found is None:
        raise errors.Invalid("notice", "No notice begins on %(begins)s.", begins=begins.isoformat())
    db.session.delete(found)
    db.session.flush()
