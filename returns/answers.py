"""What follows a letter of a person: it is passed on to the desk, and the writer gets one sentence a week at most.

Nothing that a stranger wrote comes into a header, and reports never come here: what brings them answers nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from core import addresses, mailtext
from core import language as languages
from core.identity import LANES
from core.services import Services
from delivery import content, message, outbox
from returns import bounds, envelope, letters
from returns.bounds import Room
from returns.letters import Writer
from returns.mime import Part

MOST_CHARACTERS = 10_000
"""So much of a letter is passed on; the whole of it stays in the mailbox."""
_CARRY_WITHIN = timedelta(days=2)

ELSEWHERE = "It was written to none of our addresses."
NO_DESK = "Nobody is named who reads letters: set MAILBOX_DESK to an address of your desk."
TOO_MANY = "So many letters wait to be passed on that this one was only kept."
TOO_MANY_OF_ONE = f"Its writer has had {bounds.LETTERS_A_DAY} letters passed on today, so this one was not."
DESKS_OWN = "The desk wrote it, so it is not passed on to the desk."
NOBODY = "It does not say who wrote it."


class Outcome(StrEnum):
    """What became of a letter."""

    PASSED_ON = "passed on"
    WAITS = "waits"
    """It has the room of its writer, and waits for that of all."""
    KEPT = TOO_MANY
    KEPT_OF_ONE = TOO_MANY_OF_ONE


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
    if writer.address.folded == addresses.parse(desk).folded:
        # Such as a program that answers each mail to the desk: it would get its own answers for ever.
        return DESKS_OWN
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


def queue(
    prepared: Prepared, *, once_key: bytes, desk: str, left: Room, services: Services, waited: bool = False
) -> Outcome:
    """Write the mails of one letter into the ledger, if there is room for its writer, and then among all.

    One that `waited` has been counted as its writer's already.
    """
    addr_hash = services.keyring.hash(prepared.writer.address)
    if not waited and not bounds.may_pass_on(addr_hash, left.at):
        return Outcome.KEPT_OF_ONE
    if not left.pass_on():
        return Outcome.WAITS if waited or left.wait() else Outcome.KEPT
    shared = {"once_key": once_key, "not_after": left.at + _CARRY_WITHIN, "now": left.at, "services": services}
    to_desk = outbox.Recipient(addresses.parse(desk), None)
    none = outbox.LinkSet.NONE
    outbox.queue_mail(to_desk, mailing="system:letter", mail=prepared.to_desk, link_set=none, **shared)  # type: ignore[arg-type]
    if prepared.sentence is not None and bounds.may_answer(addr_hash, left):
        writer = outbox.Recipient(prepared.writer.address, None)
        outbox.queue_mail(
            writer,
            mailing="system:answer",
            mail=prepared.sentence,
            link_set=none,
            stream=message.ANSWERS,
            **shared,  # type: ignore[arg-type]
        )
    return Outcome.PASSED_ON
