"""Write down that somebody wants to send a story to friends. That is all a request does, whatever it is about.

Nothing depends on the friends here but what becomes of their sealed address, inside the one statement that writes it:
a friend who wants no such mail is not kept. So every answer is the same, and comes after the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Executable, LargeBinary, bindparam, case, exists, insert, null, select

from core import addresses, budgets, database, errors, logs, tokens
from core.addresses import Address, Keyring
from core.database import db
from core.errors import _
from core.shares import ShareSettings
from delivery import suppression
from delivery.models import Suppression
from sharing import counts, limits, switch
from sharing.models import Share, ShareFriend
from sharing.senders import Sender
from subscribers import consent

log = logs.get(__name__)

SCOPES = ("all", "share")
"""The suppressions under which nobody gets a story from a friend."""
CONFIRM_WITHIN = timedelta(hours=24)
KEPT = timedelta(hours=72)
"""How long addresses are kept, sealed, at the very most."""


class Answer(StrEnum):
    """What the page says: `taken` whenever it is about a person, so also when it was silently refused."""

    TAKEN = "taken"
    BUSY = "busy"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Wish:
    """One story for up to three friends. Name and note were checked; `public_id` is made of the form's own id.

    `language` is that of the page it was typed into.
    """

    public_id: bytes
    article_id: int
    friends: Sequence[Address]
    name: str
    note: str
    language: str


def checked(friends: Sequence[Address], *, most: int) -> tuple[Address, ...]:
    """Return the friends of a form, each once. Raises Invalid when there are none, or too many."""
    found = tuple({friend.folded: friend for friend in reversed(friends)}.values())[::-1]
    if not found:
        raise errors.Invalid("friend_1", _("Please type the address of a friend."))
    if len(found) > most:
        raise errors.Invalid("friend_1", _("A story can be sent to %(most)s friends at a time."), most=most)
    return found


def is_noted(wish: Wish) -> bool:
    """Say whether a wish stands here already: somebody pressed the button twice."""
    return db.session.scalar(select(Share.id).filter_by(public_id=wish.public_id)) is not None


def note(
    wish: Wish,
    sender: Sender,
    *,
    full: str | None,
    origin: str | None,
    given: ShareSettings,
    now: datetime,
    keyring: Keyring,
) -> Answer:
    """Write a wish down, once, and spend what it costs at the page; the caller commits whatever it answers.

    `full` is what `limits.full_window` said before. Raises ValueError for a form id of another length.
    """
    if len(wish.public_id) != tokens.KEY_BYTES:
        raise ValueError("The id of a share has 16 bytes.")
    if switch.mode() is not switch.Mode.VERIFIED:
        return Answer.CLOSED
    over = full or _written(wish, sender, origin=origin, given=given, now=now, keyring=keyring)
    if over is None:
        return Answer.TAKEN
    counts.refuse(over, friends=len(wish.friends), now=now)
    log.info("share refused at the page", limit=over, friends=len(wish.friends))
    return Answer.BUSY if over in limits.LOUD else Answer.TAKEN


def _written(
    wish: Wish, sender: Sender, *, origin: str | None, given: ShareSettings, now: datetime, keyring: Keyring
) -> str | None:
    """Write the rows and spend; return the limit that was over, with nothing written. Sent twice, it is one wish."""
    charges = limits.at_page(
        origin=origin,
        sender=sender.address,
        link_hash=sender.link_hash,
        count=len(wish.friends),
        limits=given,
        keyring=keyring,
    )
    with db.session.begin_nested() as all_or_none:
        share_id = _write_share(wish, sender, origin=origin, now=now, keyring=keyring)
        if share_id is None:
            return None
        _write_friends(share_id, wish.friends, now=now, keyring=keyring)
        over = budgets.spend_until_over(db.session(), charges, now=now)
        if over is not None:
            all_or_none.rollback()
    return None if over is None else charges[over]


def _write_share(wish: Wish, sender: Sender, *, origin: str | None, now: datetime, keyring: Keyring) -> int | None:
    sender_hash, sealed = keyring.close(sender.address)
    values = {
        "public_id": wish.public_id,
        "article_id": wish.article_id,
        "subscriber_id": sender.subscriber_id,
        "sender_hash": sender_hash,
        "sender_inbox_hash": inbox_hash(sender.address, keyring),
        "sender_sealed": sealed,
        "token_hash": sender.link_hash,
        "name": wish.name,
        "note": wish.note,
        "language": sender.language or wish.language,
        "origin_truncated": consent.truncated(origin),
        "state": "confirmed" if sender.is_proven else "new",
        "confirmed_at": now if sender.is_proven else None,
        "at": now,
        "next_try_at": now,
        "purge_at": now + KEPT,
    }
    statement = database.insert_for(db.engine)(Share).values(values).on_conflict_do_nothing()
    found: int | None = db.session.scalar(statement.returning(Share.id))
    return found


def _write_friends(share_id: int, friends: Sequence[Address], *, now: datetime, keyring: Keyring) -> None:
    rows = [
        _friend(friend, keyring) | {"share_id": share_id, "position": place, "next_try_at": now}
        for place, friend in enumerate(friends)
    ]
    connection = db.session.connection()
    for row in rows:
        connection.execute(_WRITE_FRIEND, row | {"now": now})


def _friend(friend: Address, keyring: Keyring) -> dict[str, Any]:
    addr_hash, sealed = keyring.close(friend)
    return {
        "addr_hash": addr_hash,
        "inbox_hash": inbox_hash(friend, keyring),
        "sealed": sealed,
        "masked": masked(friend),
    }


def inbox_hash(address: Address, keyring: Keyring) -> bytes:
    """Return the hash of the inbox that an address ends in, as that of an address: one opt-out is of both."""
    return keyring.hash(addresses.stored(addresses.inbox(address)))


def masked(address: Address) -> str:
    """Return an address as only those know it who typed it: `j***@e***.org`."""
    local, _at, domain = address.mailbox.rpartition("@")
    first, dot, last = domain.rpartition(".")
    return f"{local[:1]}***@{first[:1]}***{dot}{last}" if first else f"{local[:1]}***@{domain[:1]}***"


def _statement() -> Executable:
    """Return the statement that writes a friend: the address of one who wants no such mail is not kept."""
    unwanted = exists().where(
        Suppression.addr_hash.in_(
            [bindparam("addr_hash", type_=LargeBinary(16)), bindparam("inbox_hash", type_=LargeBinary(16))]
        ),
        Suppression.scope.in_(SCOPES),
        suppression.holds(bindparam("now", type_=database.UtcTime)),
    )
    columns = ShareFriend.__table__.c
    picked: dict[str, ColumnElement[Any]] = {name: bindparam(name, type_=columns[name].type) for name in _OWN}
    picked["sealed"] = case((unwanted, null()), else_=bindparam("sealed", type_=LargeBinary))
    picked["state"] = case((unwanted, "dropped"), else_="waiting")
    return insert(ShareFriend).from_select([*picked], select(*picked.values()), include_defaults=False)


_OWN = ("share_id", "position", "addr_hash", "masked", "next_try_at")
_WRITE_FRIEND = _statement()
