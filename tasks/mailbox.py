"""Mailboxes are read here: a chunk of mails is read, worked off and committed, and only then flagged in its box."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from celery import shared_task
from flask import current_app
from sqlalchemy.exc import InterfaceError, OperationalError

from core import alerts, clock, database, logs
from core.database import db, ledger_now
from core.mailboxes import Mailbox, ReturnSettings
from core.services import Services, current
from core.settings import Settings
from returns import bounds, mailboxes, taking, troubles, turns, waiting
from returns.answers import Prepared
from returns.bounds import Room
from returns.fetched import Box, BoxError, Chunk
from returns.taking import Looked, Taken
from tasks import nudge

log = logs.get(__name__)

LONGEST_S = 45.0
"""A look of beat comes to its end before the next one."""
Tell = Callable[[Mailbox, Taken], None]


class BoxesTaken(Exception):
    """Somebody else reads the mailboxes just now."""


@shared_task
def read() -> None:
    """Read the mailboxes, for three quarters of a minute at most. What is left is found by the next look."""
    settings: Settings = current_app.extensions["postrider settings"]
    if not settings.returns.mailboxes:
        _tell_operators({})
        return
    try:
        read_all(settings.returns, services=current(), tell=lambda _box, _taken: None, longest_s=LONGEST_S)
    except BoxesTaken:
        return


def read_all(
    settings: ReturnSettings, *, services: Services, tell: Tell, longest_s: float | None = None
) -> dict[str, str]:
    """Read every mailbox, and tell of each chunk; return which could not be read, and why.

    Raises BoxesTaken when somebody else is at it, on whatever host.
    """
    reader = secrets.token_hex(8)
    if not _turn(reader):
        raise BoxesTaken
    ends_at = None if longest_s is None else time.monotonic() + longest_s
    failed: dict[str, str] = {}
    try:
        _pass_on_waiting(services, settings.desk)
        for mailbox in settings.mailboxes:
            try:
                for taken in _read_box(mailbox, reader, services, settings.desk, ends_at):
                    tell(mailbox, taken)
            except BoxError as error:
                log.error("mailbox not read", mailbox=mailbox.name, why=str(error))
                failed[mailbox.name] = str(error)
        _tell_operators(failed)
    finally:
        with database.write_turn():
            turns.give_back(reader)
            bounds.forget(clock.utc_now())
            db.session.commit()
        nudge.post()
    return failed


def _tell_operators(failed: Mapping[str, str]) -> None:
    """Open an alert of what is wrong for a while, and close those that are over. Mostly nothing is written."""
    db.session.rollback()
    connection = db.session.connection()
    now, known = ledger_now(connection), alerts.open_keys(connection)
    noted = troubles.is_noted(connection)
    wrong = troubles.found(connection, failed, known=known, now=now)
    stands = any(key.partition(":")[0] in troubles.KINDS for key in known)
    if failed or noted or wrong or stands:
        with database.write_turn():
            connection = db.session.connection()
            troubles.note(connection, failed, now)
            alerts.keep(connection, wrong, kinds=troubles.KINDS, now=now)
            db.session.commit()


def _pass_on_waiting(services: Services, desk: str | None) -> None:
    """Pass on what waits, before what is new; each in a transaction of its own, so that one cannot hold up the rest."""
    left = bounds.room(clock.utc_now())
    letters = waiting.due(left)
    db.session.rollback()
    for letter in letters:
        try:
            prepared = waiting.prepare(letter, services=services, desk=desk)
            passed_on = _commit_letter(letter, prepared, left, services, desk)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # a door: it is kept aside, with the kind of the fault and none of its words
            log.exception("mail not worked off")
            passed_on = _commit_letter(letter, f"A fault of ours: {type(error).__name__}.", left, services, desk)
        if not passed_on:
            return


def _commit_letter(
    letter: waiting.Letter, prepared: Prepared | str, left: Room, services: Services, desk: str | None
) -> bool:
    with database.write_turn():
        passed_on = waiting.pass_on(letter, prepared, left=left, services=services, desk=desk)
        db.session.commit()
    return passed_on


def _read_box(
    mailbox: Mailbox, reader: str, services: Services, desk: str | None, ends_at: float | None
) -> Iterator[Taken]:
    position, left = taking.position(mailbox.name), taking.left_aside(mailbox.name)
    db.session.rollback()
    with closing(mailboxes.open_box(mailbox)) as box:
        if left is not None:
            _move_left(box, mailbox, left)
        for chunk in box.chunks(position):
            looked = taking.look(chunk, services=services, desk=desk, now=clock.utc_now())
            taken = _commit(mailbox, chunk, looked, services, desk)
            _put_away(box, mailbox, chunk, taken)
            yield taken
            if not _turn(reader):
                raise BoxesTaken
            if ends_at is not None and time.monotonic() > ends_at:
                return


def _commit(mailbox: Mailbox, chunk: Chunk, looked: list[Looked], services: Services, desk: str | None) -> Taken:
    """Work off a chunk as a whole; one by one, should that fail, so that one mail cannot keep the others from it."""
    try:
        with database.write_turn():
            taken = taking.take(looked, services=services, desk=desk, now=clock.utc_now())
            _remember(mailbox, chunk, taken)
            db.session.commit()
        return taken
    except Exception as error:  # noqa: BLE001 - a door: whatever a mail sets off, the others must be read
        log.warning("chunk of mails taken apart", error=type(error).__name__)
    together = Taken()
    for one in looked:
        together.add(_commit_one(one, services, desk, together))
    with database.write_turn():
        _remember(mailbox, chunk, together)
        db.session.commit()
    return together


def _remember(mailbox: Mailbox, chunk: Chunk, taken: Taken) -> None:
    if chunk.position is not None:
        taking.remember(mailbox.name, chunk.position)
        taking.leave_aside(mailbox.name, chunk.position, taken.unread)


def _commit_one(one: Looked, services: Services, desk: str | None, together: Taken) -> Taken:
    try:
        with database.write_turn():
            taken = taking.take([one], services=services, desk=desk, now=clock.utc_now())
            db.session.commit()
    except (OperationalError, InterfaceError):
        # The database, not the mail: the next look finds it where it is.
        raise
    except Exception as error:  # a door: it is kept aside, with the kind of the fault and none of its words
        log.exception("mail not worked off")
        with database.write_turn():
            taking.set_aside(one.fetched, why=f"A fault of ours: {type(error).__name__}.", now=clock.utc_now())
            db.session.commit()
        taken = Taken()
        taken.kinds[taking.UNREAD] += 1
        taken.unread.append(one.fetched)
    together.unread += taken.unread
    return taken


def _put_away(box: Box, mailbox: Mailbox, chunk: Chunk, taken: Taken) -> None:
    """Flag what was committed. If that fails the next look finds it again and knows it, or moves what was left.

    What the box did not give stays where it is.
    """
    aside = {mail.place for mail in taken.unread}
    unread = [mail for mail in taken.unread if not mail.label]
    box.put_away([mail for mail in chunk.mails if mail.place not in aside], unread)
    if unread and chunk.position is not None:
        _moved(mailbox)


def _move_left(box: Box, mailbox: Mailbox, left: str) -> None:
    """Move aside what the last look could not. Should that fail again, it keeps no new mail from being read."""
    try:
        box.move_left(left)
    except BoxError as error:
        log.error("mails not moved aside", mailbox=mailbox.name, why=str(error))
    else:
        _moved(mailbox)


def _moved(mailbox: Mailbox) -> None:
    with database.write_turn():
        taking.moved_aside(mailbox.name)
        db.session.commit()


def _turn(reader: str) -> bool:
    with database.write_turn():
        mine = turns.take(reader, now=ledger_now(db.session.connection()))
        db.session.commit()
    return mine
