"""Write what is to be mailed: mailings, contents and ledger rows. Sends nothing."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import exists, select

from core import database, mailtext
from core.addresses import Address
from core.database import Base, db, insert_for, ledger_now
from core.services import Services
from delivery import content, planning, private, protection, providers
from delivery.models import Block, Content, Delivery, Lane, Mailing, Shell
from delivery.models import LinkSet as LinkSet
from delivery.states import State

PLACES = {
    LinkSet.NONE: frozenset[str](),
    LinkSet.READER: frozenset({"preferences", "why", "unsubscribe", "unsubscribe_all", "share"}),
    LinkSet.REQUEST: frozenset({"confirm"}),
    LinkSet.CHANGED: frozenset({"preferences", "undo", "not_me"}),
    LinkSet.ADDRESS: frozenset({"confirm_address"}),
    LinkSet.FRIEND: frozenset({"share_opt_out"}),
    LinkSet.SHARE_ASKED: frozenset({"share_confirm", "share_opt_out"}),
    LinkSet.SHARE_TOLD: frozenset({"share_not_me"}),
}
"""The personal values that a mail of each link set may hold."""


class Recipient(NamedTuple):
    """Whom a mail goes to. `reader_key` is the opaque 16 bytes that the mail's links name."""

    address: Address
    reader_key: bytes | None
    link_version: int = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """What the headers of a mailing say of its sender; `stream` is what it is called to suppress it."""

    lane: Lane
    stream: str
    sender_name: str
    sender: str
    feedback: str
    doubt_policy: str
    list_id: str | None = None
    reply_to: str | None = None

    @property
    def fingerprint(self) -> str:
        """Return a short name for exactly these headers."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]


class Planned(NamedTuple):
    """One ledger row to be written by `queue_bulk`. `sealed` is the recipient's address as the ledger keeps it, where
    it was sealed before; its hash is the `once_key` then.
    """

    recipient: Recipient
    once_key: bytes
    content_id: int
    sealed: bytes | None = None


def _get_or_create(model: type[Base], keys: dict[str, object], **values: object) -> int:
    """Return the id of the row with these unique keys, made if there is none; safe when two come at once."""
    wanted = select(model.id).filter_by(**keys)  # type: ignore[attr-defined]
    found = db.session.scalar(wanted)
    if found is None:
        insert = insert_for(db.engine)
        db.session.execute(insert(model).values(**keys, **values).on_conflict_do_nothing())
        found = db.session.scalar(wanted)
    assert isinstance(found, int)  # noqa: S101 - for the type checker: the row is there now
    return found


def open_mailing(key: str, *, frame: Frame, now: datetime) -> int:
    """Return the id of the mailing `key`, opened if it is new: paused while its stream is stopped."""
    known = db.session.scalar(select(Mailing.id).where(Mailing.key == key))
    if known is not None:
        return known
    bulk = frame.lane != Lane.TRANSACTIONAL
    why = protection.why_stopped(db.session.connection(), frame.stream) if bulk else None
    values = {
        "lane": int(frame.lane),
        "stream": frame.stream,
        "list_id": frame.list_id,
        "sender_name": frame.sender_name,
        "sender": frame.sender,
        "reply_to": frame.reply_to,
        "feedback": frame.feedback,
        "doubt_policy": frame.doubt_policy,
    }
    state = "running" if why is None else "paused"
    return _get_or_create(Mailing, {"key": key}, state=state, why_paused=why, revision=1, created_at=now, **values)


def add_shell(mailing_id: int, *, language: str, format: str, head: content.Part, foot: content.Part) -> int:
    """Return the id of the compiled frame of a mailing in one language and format."""
    pieces = content.shell_json(head, foot)
    keys: dict[str, object] = {
        "mailing_id": mailing_id,
        "language": language,
        "format": format,
        "revision": 1,
    }
    return _get_or_create(Shell, keys, pieces=pieces)


def add_block(part: content.Part) -> int:
    """Return the id of a compiled part: the same part twice is one row, whatever it was made for."""
    return add_blocks([part])[part]


def add_blocks(parts: Iterable[content.Part]) -> dict[content.Part, int]:
    """Return the ids of compiled parts; new ones are written."""
    pieces = {part: part.to_json() for part in parts}
    prints = {part: hashlib.sha256(text.encode()).digest() for part, text in pieces.items()}
    ids = database.intern_rows(Block, {prints[part]: {"pieces": text} for part, text in pieces.items()})
    return {part: ids[fingerprint] for part, fingerprint in prints.items()}


@dataclass(frozen=True, slots=True)
class Made:
    """Of what a mail is made: its shell, its subject, and its blocks in order."""

    shell_id: int
    subject: str
    block_ids: tuple[int, ...]


def add_content(mailing_id: int, *, shell_id: int, subject: str, block_ids: Sequence[int]) -> int:
    """Return the id of a recipe: the same recipe twice is one row."""
    made = Made(shell_id, subject, tuple(block_ids))
    return add_contents(mailing_id, [made])[made]


def add_contents(mailing_id: int, made: Iterable[Made]) -> dict[Made, int]:
    """Return the ids of recipes; new ones are written."""
    rows: dict[bytes, dict[str, object]] = {}
    prints: dict[Made, bytes] = {}
    for one in made:
        packed = b"".join(block.to_bytes(8, "big") for block in one.block_ids)
        prints[one] = hashlib.sha256(one.shell_id.to_bytes(8, "big") + packed + one.subject.encode()).digest()
        rows[prints[one]] = {"shell_id": one.shell_id, "subject": one.subject, "block_ids": packed}
    ids = database.intern_rows(Content, rows, mailing_id=mailing_id)
    return {one: ids[fingerprint] for one, fingerprint in prints.items()}


def queue_bulk(
    rows: Sequence[Planned],
    *,
    mailing_id: int,
    lane: Lane,
    link_set: LinkSet,
    not_after: datetime,
    services: Services,
) -> int:
    """Write ledger rows and return how many are new; one with a known mailing and once_key stays as it is."""
    if not rows:
        return 0
    # The ledger's own time: a door whose clock is ahead must not put its mails off.
    now = ledger_now(db.session.connection())
    shared = {
        "mailing_id": mailing_id,
        "link_set": int(link_set),
        "lane": int(lane),
        "state": State.PLANNED.value,
        "epoch": 0,
        "attempts": 0,
        "doubts": 0,
        "next_attempt_at": now,
        "not_after": not_after,
    }
    # In random order: what goes out first is a fair sample of the list, which the failure limit judges by.
    own = [_own(row, services) for row in random.sample(rows, len(rows))]
    return planning.write(db.session.connection(), shared, own)


def _own(row: Planned, services: Services) -> planning.Own:
    (address, reader_key, link_version), once_key, content_id, sealed = row
    addr_hash, sealed = (once_key, sealed) if sealed else services.keyring.close(address)
    provider = providers.number(address.folded.rpartition("@")[2])
    return planning.Own(once_key, content_id, reader_key, link_version, addr_hash, sealed, provider)


def already_queued(mailing_id: int, once_keys: Sequence[bytes]) -> set[bytes]:
    """Return those of the keys that have a ledger row in this mailing."""
    return planning.known(db.session.connection(), mailing_id, once_keys)


def _check_places(body: content.Part, link_set: LinkSet) -> None:
    """Raise ValueError for a place that the link set does not fill, and for a part that lost its personal link."""
    strange = content.places(body) - PLACES[link_set]
    if strange:
        raise ValueError(f"A mail with link set {link_set.name} has no place for {sorted(strange)}.")
    if PLACES[link_set] and not all(content.places(content.Part(half, ())) for half in (body.text, body.html)):
        raise ValueError(f"A mail with link set {link_set.name} needs its link in the text and in the HTML.")


def queued_since(addr_hash: bytes, *, stream: str, since: datetime) -> bool:
    """Return whether an address has had a mail of a stream queued since then."""
    found = exists().where(
        Delivery.addr_hash == addr_hash,
        Delivery.next_attempt_at >= since,
        Delivery.mailing_id == Mailing.id,
        Mailing.stream == stream,
    )
    return bool(db.session.scalar(select(found)))


def system_frame(mailing: str, language: str, services: Services, *, stream: str = "system") -> Frame:
    """Return what the headers of a kind of system mail say of its sender."""
    return Frame(
        lane=Lane.TRANSACTIONAL,
        stream=stream,
        sender_name=services.publication.name(language),
        sender=services.identity.sender_of("transactional"),
        feedback=f"{mailing.replace(':', '-')}:system:postrider:{services.identity.feedback_sender}",
        doubt_policy="resend",
    )


def add_mail(
    mailing_id: int,
    mail: mailtext.Mail,
    *,
    link_set: LinkSet,
    purge_at: datetime | None = None,
    reply_to: str | None = None,
) -> int:
    """Return the id of a whole mail as a content: one block in no frame. Raises ValueError for a wrong place in it.

    With `purge_at` its text is of this one mail only, and is wiped then; so is the address that answers go to.
    """
    body, empty = content.compile_mail(mail), content.Part((), ())
    _check_places(body, link_set)
    shell_id = add_shell(mailing_id, language=mail.language, format="both", head=empty, foot=empty)
    block_id = add_block(body) if purge_at is None else private.add_block(body)
    content_id = add_content(mailing_id, shell_id=shell_id, subject=mail.subject, block_ids=[block_id])
    if purge_at is not None:
        private.keep_until(content_id, purge_at, reply_to=reply_to)
    return content_id


def queue_mail(
    recipient: Recipient,
    *,
    mailing: str,
    once_key: bytes,
    mail: mailtext.Mail,
    link_set: LinkSet,
    not_after: datetime,
    now: datetime,
    services: Services,
    stream: str = "system",
    purge_at: datetime | None = None,
) -> bool:
    """Write one system mail into the ledger; return whether it is new. Raises ValueError for a wrong place in it.

    One of the stream `answers` says in its headers that a program answers with it. For `purge_at` see `add_mail`.
    """
    frame = system_frame(mailing, mail.language, services, stream=stream)
    # Another sender or name is another mailing: what was queued under the old one leaves as it was written.
    mailing_id = open_mailing(f"{mailing}:{mail.language}:{frame.fingerprint}", frame=frame, now=now)
    content_id = add_mail(mailing_id, mail, link_set=link_set, purge_at=purge_at)
    row = Planned(recipient, once_key, content_id)
    return bool(
        queue_bulk(
            [row],
            mailing_id=mailing_id,
            lane=Lane.TRANSACTIONAL,
            link_set=link_set,
            not_after=not_after,
            services=services,
        )
    )
