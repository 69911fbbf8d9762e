"""What follows a letter of a person: it is passed on to the desk, and the writer gets one sentence a week at most.

Nothing that a stranger wrote comes into a header, and reports never come here: what brings them answers nobody.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from core import addresses, mailtext
from core import language as languages
from core.database import db, insert_for
from core.identity import LANES
from core.services import Services
from delivery import content, message, outbox
from returns import envelope, letters
from returns.letters import Writer
from returns.mime import Part
from returns.models import Arrival, AutoAnswer

MOST_CHARACTERS = 10_000
"""So much of a letter is passed on; the whole of it stays in the mailbox."""
ONCE_IN = timedelta(days=7)
HOUR = timedelta(hours=1)
FORWARDS_AN_HOUR = 120
ANSWERS_AN_HOUR = 60
"""Over all writers: whoever can make us answer must not make us flood anybody."""
_CARRY_WITHIN = timedelta(days=2)

ELSEWHERE = "It was written to none of our addresses."
NO_DESK = "Nobody is named who reads letters: set MAILBOX_DESK to an address of your desk."
TOO_MANY = f"More than {FORWARDS_AN_HOUR} letters came within an hour, so this one was not passed on."
NOBODY = "It does not say who wrote it."


@dataclass(frozen=True, slots=True)
class Prepared:
    """The mails of one letter, rendered: to the desk, and to the writer where that may be."""

    writer: Writer
    to_desk: mailtext.Mail
    sentence: mailtext.Mail | None
    stop: bool


@dataclass(frozen=True, slots=True)
class _Sentence:
    """Our sentence in one more language of the publication."""

    text: str
    language: str
    direction: str


def prepare(mail: Part, *, services: Services, desk: str | None) -> Prepared | str:
    """Render what a letter leads to; a why when it leads to nothing. Slow, so outside of any transaction."""
    ours = {services.identity.sender_of(lane).lower() for lane in LANES}
    if not ours & {one.lower() for one in _recipients(mail)}:
        return ELSEWHERE
    if desk is None:
        return NO_DESK
    writer = letters.writer(mail)
    if writer is None:
        return NOBODY
    stop = letters.says_stop(mail)
    language = services.publication.default_language
    values = {
        "publication": services.publication,
        "stop": stop,
        "address": writer.address.mailbox,
        "subject": letters.subject(mail),
        "lines": letters.text(mail, most=MOST_CHARACTERS).splitlines(),
    }
    to_desk = mailtext.render("letter", language, values)
    content.compile_mail(to_desk)
    return Prepared(writer, to_desk, _sentence(desk, services) if writer.answerable else None, stop)


def _recipients(mail: Part) -> Sequence[str]:
    """Return every address that the mail says it was written or delivered to."""
    texts = mail.every(*envelope.DELIVERED_TO, "to", "cc")
    words = " ".join(texts)[:8000].translate(dict.fromkeys(map(ord, '<>,;"()'), " "))
    return [word for word in words.split() if "@" in word]


def _sentence(desk: str, services: Services) -> mailtext.Mail:
    """Return the one polite sentence, in every language of the publication."""
    first, *others = services.publication.languages
    more = [
        _Sentence(
            mailtext.render_piece("answer/sentence.txt", one, {"desk": desk}).strip(), one, languages.direction(one)
        )
        for one in others
    ]
    mail = mailtext.render("answer", first, {"publication": services.publication, "desk": desk, "more": more})
    content.compile_mail(mail)
    return mail


def queue(prepared: Prepared, *, name: bytes, desk: str, now: datetime, services: Services) -> str | None:
    """Write the mails of one letter into the ledger; return why it was not passed on, None when it was."""
    if _passed_on_since(now - HOUR) >= FORWARDS_AN_HOUR:
        return TOO_MANY
    once_key = hashlib.sha256(name).digest()[:16]
    shared = {"once_key": once_key, "not_after": now + _CARRY_WITHIN, "now": now, "services": services}
    to_desk = outbox.Recipient(addresses.parse(desk), None)
    none = outbox.LinkSet.NONE
    outbox.queue_mail(to_desk, mailing="system:letter", mail=prepared.to_desk, link_set=none, **shared)  # type: ignore[arg-type]
    if prepared.sentence is not None and _may_answer(services.keyring.hash(prepared.writer.address), now):
        writer = outbox.Recipient(prepared.writer.address, None)
        outbox.queue_mail(
            writer,
            mailing="system:answer",
            mail=prepared.sentence,
            link_set=none,
            stream=message.ANSWERS,
            **shared,  # type: ignore[arg-type]
        )
    return None


def _passed_on_since(since: datetime) -> int:
    wanted = select(func.count()).where(Arrival.arrived_at > since, Arrival.kind == "reply", Arrival.state == "done")
    return db.session.scalar(wanted) or 0


def _may_answer(addr_hash: bytes, now: datetime) -> bool:
    """Take the writer's place of this week; say whether there was one, and room within this hour."""
    recent = select(func.count()).where(AutoAnswer.answered_at > now - HOUR)
    if (db.session.scalar(recent) or 0) >= ANSWERS_AN_HOUR:
        return False
    row = insert_for(db.engine)(AutoAnswer).values(addr_hash=addr_hash, answered_at=now)
    taken = row.on_conflict_do_update(
        index_elements=["addr_hash"],
        set_={"answered_at": row.excluded.answered_at},
        where=AutoAnswer.answered_at <= now - ONCE_IN,
    )
    return db.session.scalar(taken.returning(AutoAnswer.addr_hash)) is not None


def forget(now: datetime) -> None:
    """Remove who got our sentence more than a week ago: they may get it again."""
    db.session.execute(delete(AutoAnswer).where(AutoAnswer.answered_at <= now - ONCE_IN))
