"""A sender proves their mailbox: the link in the mail that asked them shows one button, and that sends."""

from datetime import datetime

from sqlalchemy import select

from core import addresses, budgets, errors, logs, tokens
from core.addresses import Keyring
from core.database import db
from core.errors import _
from core.shares import ShareSettings
from sharing import ending, limits, switch
from sharing.asking import CONFIRM_WITHIN
from sharing.models import Share

log = logs.get(__name__)

DONE = ("confirmed", "queued")
"""States in which the button was pressed before."""
CLOSED = _("Sending stories by our mail has been turned off meanwhile. Please use your own mail program.")


def open_share(token: tokens.Token, now: datetime) -> Share:
    """Return the share that a link asks about. Raises LinkExpired after 24 hours, and for one that has ended.

    The link goes on opening it after it was pressed: the page then says so.
    """
    share = db.session.scalar(select(Share).filter_by(public_id=token.key))
    if share is None or share.token_hash is not None or not _is_open(share, now):
        raise errors.LinkExpired
    return share


def _is_open(share: Share, now: datetime) -> bool:
    return share.at > now - CONFIRM_WITHIN and share.state in ("asked", *DONE)


def confirm(share: Share, *, given: ShareSettings, keyring: Keyring, now: datetime) -> bool:
    """asked → confirmed: it is sent now. Return False when it was before, and nothing changed.

    Of a sender who has sent enough that day it is refused, which they are not told, as at the page. Raises LinkExpired,
    and Conflict when the publisher turned the switch meanwhile.
    """
    db.session.refresh(share, with_for_update=True)
    if not _is_open(share, now):
        raise errors.LinkExpired
    if share.state in DONE:
        return False
    if switch.mode() is not switch.Mode.VERIFIED:
        raise errors.Conflict(CLOSED)
    if not _has_room(share, given=given, keyring=keyring, now=now):
        ending.refuse(share, "sender", now=now)
        return True
    share.state, share.confirmed_at, share.next_try_at = "confirmed", now, now
    db.session.flush()
    log.info("share confirmed", share=share.id)
    return True


def _has_room(share: Share, *, given: ShareSettings, keyring: Keyring, now: datetime) -> bool:
    """Spend what it costs a sender who is proven from here on; return whether there was room."""
    assert share.sender_sealed is not None  # noqa: S101 - for the type checker: it is there while a share is open
    sender = addresses.stored(keyring.unseal(share.sender_sealed, share.sender_hash))
    cost = limits.of_sender(sender, is_proven=True, count=len(share.friends), limits=given, keyring=keyring)
    return budgets.spend(db.session(), [cost], now=now) is None
