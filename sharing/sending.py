"""From a wish to mails: who typed an address is asked, then each friend is decided on, away from the page.

Each step reads, makes its mails outside of any transaction, and writes in one; what changed meanwhile is found there.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from core import addresses, budgets, clock, logs, mailtext
from core.addresses import Address
from core.database import db
from core.services import Services
from core.shares import ShareSettings
from delivery import outbox, suppression
from delivery.models import Content, Lane
from delivery.outbox import Frame, LinkSet, Planned, Recipient
from sharing import counts, ending, limits, mails, switch
from sharing.models import Share, ShareFriend
from sharing.signs import STREAM

log = logs.get(__name__)

CARRY_WITHIN = timedelta(hours=24)
_MARGIN = timedelta(hours=1)
"""A mail's last moment is so long before its addresses go: the ledger needs a while to clear them."""
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Made:
    """What was made for a share as it was read: in which state, of which revision of its story, and the mails.

    `to_friends` is None while its sender has yet to be asked.
    """

    share_id: int
    state: str
    revision: int
    to_sender: mailtext.Mail
    to_friends: mailtext.Mail | None


def waiting(limit: int, *, now: datetime) -> list[int]:
    """Return the ids of shares whose sender is to be asked, or whose friends get it now, the oldest first."""
    wanted = select(Share.id).where(Share.state.in_(("new", "confirmed")), Share.next_try_at <= now)
    return list(db.session.scalars(wanted.order_by(Share.next_try_at, Share.id).limit(limit)))


def make(share_id: int, *, given: ShareSettings, services: Services) -> Made | None:
    """Read a share, and make its mails; None when nothing is to be made. Writes nothing."""
    share = db.session.get(Share, share_id, populate_existing=True)
    if share is None or share.state not in ("new", "confirmed") or share.sender_sealed is None:
        return None
    if share.state == "new":
        question = mails.question(share, services=services)
        return Made(share.id, share.state, share.article.revision, question, None)
    sender = services.keyring.unseal(share.sender_sealed, share.sender_hash)
    return Made(
        share.id,
        share.state,
        share.article.revision,
        mails.notice(share, services=services),
        mails.friend(share, sender, given=given, services=services),
    )


def write(made: Made, *, given: ShareSettings, services: Services, now: datetime) -> bool:
    """Queue what was made, if it still holds; return False, with nothing written, when it is to be made anew."""
    share = db.session.get(Share, made.share_id, with_for_update=True, populate_existing=True)
    if share is None or share.state != made.state or share.sender_sealed is None:
        return True
    refusal = _refusal(share, now=now)
    if refusal is not None:
        ending.refuse(share, refusal, now=now)
        log.info("share refused", share=share.id, why=refusal)
        return True
    if share.article.revision != made.revision:
        return False
    sender = addresses.stored(services.keyring.unseal(share.sender_sealed, share.sender_hash))
    if made.to_friends is None:
        _ask(share, sender, made.to_sender, given=given, services=services, now=now)
    else:
        _queue(share, sender, made.to_sender, made.to_friends, services=services, now=now)
    return True


def _refusal(share: Share, *, now: datetime) -> str | None:
    """Return why nothing becomes of a share, whoever its friends are."""
    if switch.mode() is not switch.Mode.VERIFIED:
        return "switch"
    if not may_be_sent(share):
        return "gone"
    # Somebody must be told, and must be able to say that it was not them; who is asked may want no questions, too,
    # with whatever plus-tag somebody types.
    scopes, hashes = ["all"], {share.sender_hash}
    if share.state == "new":
        scopes, hashes = ["all", "share"], hashes | {share.sender_inbox_hash or share.sender_hash}
    is_unwanted = any(suppression.is_suppressed(one, scopes, now=now) for one in hashes)
    return "opted_out" if is_unwanted else None


def may_be_sent(share: Share) -> bool:
    """Return whether the story of a share can be read, and may be passed on."""
    return share.article.state == "published" and share.article.shareable


def _ask(
    share: Share, sender: Address, mail: mailtext.Mail, *, given: ShareSettings, services: Services, now: datetime
) -> None:
    cost = limits.question(sender, limits=given, keyring=services.keyring)
    if budgets.spend(db.session(), [cost], now=now) is not None:
        ending.refuse(share, "question", now=now)
        return
    _to_sender(share, sender, mail, link_set=LinkSet.SHARE_ASKED, services=services, now=now)
    share.state = "asked"
    db.session.flush()
    log.info("sender of a story asked", share=share.id)


def _to_sender(
    share: Share, sender: Address, mail: mailtext.Mail, *, link_set: LinkSet, services: Services, now: datetime
) -> None:
    outbox.queue_mail(
        Recipient(sender, share.public_id, link_version=0),
        mailing="system:share-confirm" if link_set is LinkSet.SHARE_ASKED else "system:share-notice",
        once_key=share.public_id,
        mail=mail,
        link_set=link_set,
        not_after=not_after(share, now),
        now=now,
        services=services,
        purge_at=share.purge_at,
    )


def not_after(share: Share, now: datetime) -> datetime:
    """Return until when a mail of a share is of use, and the ledger may have addresses of it."""
    return min(now + CARRY_WITHIN, share.purge_at - _MARGIN)


def _queue(
    share: Share,
    sender: Address,
    notice: mailtext.Mail,
    mail: mailtext.Mail,
    *,
    services: Services,
    now: datetime,
) -> None:
    """Write what the friends get, and tell the sender. Which of the friends get it is decided afterwards, one by one:
    so the notice comes at the same time, whoever they are.
    """
    frame = frame_of(share.article.language, services)
    # One mailing a day: what came back is counted by the day, and old ones are closed.
    key = f"share:{share.article.language}:{frame.fingerprint}:{clock.day_number(now)}"
    mailing_id = outbox.open_mailing(key, frame=frame, now=now)
    share.content_id = outbox.add_mail(
        mailing_id, mail, link_set=LinkSet.FRIEND, purge_at=share.purge_at, reply_to=sender.mailbox
    )
    _to_sender(share, sender, notice, link_set=LinkSet.SHARE_TOLD, services=services, now=now)
    share.state, share.queued_at, share.sender_sealed = "queued", now, None
    counts.add(share.article_id, day=now.date(), shares=1)
    db.session.flush()
    log.info("share queued", share=share.id)


def frame_of(language: str, services: Services) -> Frame:
    """Return what the headers of the mails to friends say of their sender: the publication's own address, always."""
    return Frame(
        lane=Lane.SHARE,
        stream=STREAM,
        sender_name=services.publication.name(language),
        sender=services.identity.sender_of("share"),
        feedback=f"share:share:postrider:{services.identity.feedback_sender}",
        # A second copy to somebody who did not ask for the first one is worse than none.
        doubt_policy="skip",
    )


def put_off(share_id: int, *, now: datetime) -> None:
    """Try a share that failed again later: after as long as it has been waiting, a minute to an hour."""
    share = db.session.get(Share, share_id, with_for_update=True, populate_existing=True)
    if share is not None and share.state in ("new", "confirmed"):
        share.next_try_at = later(share.at, now)
        db.session.flush()


def later(at: datetime, now: datetime) -> datetime:
    """Return when what was asked `at` and failed `now` is tried again."""
    return now + min(max(now - at, _SHORTEST_WAIT), _LONGEST_WAIT)


def once_key(share: Share, friend: ShareFriend) -> bytes:
    """Return what makes a friend's mail one in the ledger, however often its task runs."""
    return hashlib.sha256(share.public_id + friend.addr_hash).digest()[:16]


def mailing_of(content_id: int) -> int:
    """Return the mailing of what a share's friends get."""
    return db.session.scalars(select(Content.mailing_id).where(Content.id == content_id)).one()


def planned(share: Share, friend: ShareFriend, address: Address, reader_key: bytes, content_id: int) -> Planned:
    """Return the ledger row of one friend."""
    return Planned(Recipient(address, reader_key, link_version=0), once_key(share, friend), content_id)
