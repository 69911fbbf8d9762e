"""The post office's tables: mailings, compiled pieces, the ledger of deliveries, and addresses not to be mailed."""

from datetime import date, datetime
from enum import IntEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, RowId
from delivery import states
from delivery.states import State


class Lane(IntEnum):
    """Priority: a lower number leaves first."""

    TRANSACTIONAL = 0
    BREAKING = 10
    SHARE = 20
    DIGEST = 30


class LinkSet(IntEnum):
    """Which personal links a mail carries, and so which places it may hold."""

    NONE = 0
    READER = 1
    REQUEST = 2
    CHANGED = 3
    ADDRESS = 4
    FRIEND = 5
    SHARE_ASKED = 6
    SHARE_TOLD = 7


class Mailing(Base):
    """What the post office is asked to carry under one key: an edition, or one kind of system mail.

    `counts` is JSON, mails by state, written when the mailing is closed: nothing of it is open any more.
    """

    __tablename__ = "mailings"
    id: Mapped[RowId]
    key: Mapped[str] = mapped_column(unique=True)
    lane: Mapped[int] = mapped_column(SmallInteger)
    stream: Mapped[str]
    list_id: Mapped[str | None]
    sender_name: Mapped[str]
    sender: Mapped[str]
    reply_to: Mapped[str | None]
    feedback: Mapped[str]
    state: Mapped[str] = mapped_column(default="running")
    doubt_policy: Mapped[str]
    why_paused: Mapped[str | None]
    counts: Mapped[str | None]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("state IN ('running', 'paused', 'cancelled', 'closed')", name="state"),
        CheckConstraint("doubt_policy IN ('resend', 'skip')", name="doubt_policy"),
    )


class Shell(Base):
    """The frame of a mail, compiled once per mailing, language and format. `pieces` is JSON, see delivery.content."""

    __tablename__ = "shells"
    id: Mapped[RowId]
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    language: Mapped[str]
    format: Mapped[str]
    revision: Mapped[int] = mapped_column(default=1)
    pieces: Mapped[str]
    __table_args__ = (
        UniqueConstraint("mailing_id", "language", "format", "revision"),
        CheckConstraint("format IN ('both', 'text')", name="format"),
    )


class Block(Base):
    """One part of a mail, such as a story, compiled once. `fingerprint` is the SHA-256 of its pieces."""

    __tablename__ = "blocks"
    id: Mapped[RowId]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    pieces: Mapped[str]


_OF_ONE = "purge_at IS NOT NULL"


class Content(Base):
    """A recipe: a shell and the blocks that go into it, in order. `block_ids` is packed, 8 bytes each.

    It never changes. `recall` says what becomes of mails that were to be made of it and have not left: they are held
    until it is made anew, they are made of the one that replaced it, or they have ended, since nothing is left of it.

    One that is about a single person has blocks of its own, which are emptied at `purge_at`, with `reply_to`: whoever
    answers such a mail writes to that address instead of the mailing's.
    """

    __tablename__ = "contents"
    id: Mapped[RowId]
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    shell_id: Mapped[int] = mapped_column(ForeignKey("shells.id"))
    subject: Mapped[str]
    block_ids: Mapped[bytes]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    recall: Mapped[str | None]
    replaced_by: Mapped[int | None] = mapped_column(ForeignKey("contents.id"))
    reply_to: Mapped[str | None]
    purge_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("mailing_id", "fingerprint"),
        CheckConstraint("recall IN ('held', 'replaced', 'ended')", name="recall"),
        CheckConstraint("(replaced_by IS NULL) = (recall IS NULL OR recall <> 'replaced')", name="replaced_by"),
        Index("ix_contents_held", "id", postgresql_where=text("recall = 'held'"), sqlite_where=text("recall = 'held'")),
        Index("ix_contents_purge", "purge_at", postgresql_where=text(_OF_ONE), sqlite_where=text(_OF_ONE)),
    )


def _partial(name: str, *columns: str, where: str) -> Index:
    """Return an index of some of the ledger's rows: one that every row were in would cost every step of every mail."""
    return Index(f"ix_deliveries_{name}", *columns, postgresql_where=text(where), sqlite_where=text(where))


class Delivery(Base):
    """The ledger row: one content to one recipient. The sealed address is cleared when the row is done."""

    __tablename__ = "deliveries"
    id: Mapped[RowId]
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    once_key: Mapped[bytes] = mapped_column(LargeBinary(16))
    content_id: Mapped[int] = mapped_column(ForeignKey("contents.id"))
    reader_key: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    link_set: Mapped[int] = mapped_column(SmallInteger)
    link_version: Mapped[int] = mapped_column(SmallInteger, default=1)
    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16))
    address_sealed: Mapped[bytes | None]
    provider: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    lane: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(String(10), default=State.PLANNED.value)
    epoch: Mapped[int] = mapped_column(default=0)
    worker_id: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    doubts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    not_after: Mapped[datetime]
    dated_at: Mapped[datetime | None]
    intent_at: Mapped[datetime | None]
    doubt_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    last_code: Mapped[int | None]
    last_text: Mapped[str | None] = mapped_column(String(300))
    returned_at: Mapped[datetime | None]
    returned_as: Mapped[str | None] = mapped_column(String(20))
    __table_args__ = (
        UniqueConstraint("mailing_id", "once_key"),
        CheckConstraint(f"state IN ({states.quoted(tuple(State))})", name="state"),
        CheckConstraint(f"(state IN ({states.quoted(states.LEASED)})) = (lease_until IS NOT NULL)", name="lease"),
        CheckConstraint("(lease_until IS NULL) = (worker_id IS NULL)", name="lease_has_worker"),
        CheckConstraint(f"state NOT IN ({states.quoted(states.TERMINAL)}) OR done_at IS NOT NULL", name="end"),
        CheckConstraint(
            f"done_at IS NULL OR state IN ({states.quoted((*states.TERMINAL, State.IN_DOUBT))})",
            name="settled",
        ),
        CheckConstraint("(done_at IS NULL) = (address_sealed IS NOT NULL)", name="address"),
        CheckConstraint("state <> 'in_doubt' OR (doubt_at IS NOT NULL AND doubts >= 1)", name="doubt"),
        CheckConstraint("state <> 'sending' OR (intent_at IS NOT NULL AND dated_at IS NOT NULL)", name="intent"),
        CheckConstraint(f"doubts BETWEEN 0 AND {states.MAX_DOUBTS}", name="doubts"),
        CheckConstraint("attempts BETWEEN 0 AND epoch", name="attempts"),
        _partial("queue", "mailing_id", "provider", "next_attempt_at", "id", where="state = 'planned'"),
        _partial("expiry", "not_after", where="state = 'planned'"),
        _partial("lease", "lease_until", where="state IN ('claimed', 'sending')"),
        _partial("doubt", "doubt_at", where="state = 'in_doubt' AND done_at IS NULL"),
        _partial("system", "addr_hash", where="lane = 0"),
        _partial("state", "mailing_id", "state", where="state <> 'planned'"),
        _partial("returned", "mailing_id", "returned_as", "state", where="returned_at IS NOT NULL"),
        _partial("returned_at", "returned_at", where="returned_at IS NOT NULL"),
        _partial("unjudged", "id", where=states.UNJUDGED),
    )


class DeliveryEvent(Base):
    """An abnormal step of a delivery: a refusal, a retry, a doubt, a late proof. The happy path writes none."""

    __tablename__ = "delivery_events"
    id: Mapped[RowId]
    delivery_id: Mapped[int] = mapped_column(BigId, ForeignKey("deliveries.id"), index=True)
    epoch: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str]
    code: Mapped[int | None]
    text: Mapped[str | None] = mapped_column(String(300))


class Suppression(Base):
    """An address that must not be mailed in a scope (a stream, `bulk`, `share` or `all`), with the reason.

    One with an end holds until then.
    """

    __tablename__ = "suppressions"
    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class Bounce(Base):
    """A mail to an address that came back without being enough for a suppression, by what it counts as; once each.

    `at` is when that mail was handed over, so that what came back late is counted for its own day.
    """

    __tablename__ = "bounces"
    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    delivery_id: Mapped[int] = mapped_column(BigId, ForeignKey("deliveries.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)


class Outcome(Base):
    """What those above must learn of a reader's mail: an append-only feed that they read by a cursor."""

    __tablename__ = "outcomes"
    id: Mapped[RowId]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(20))
    delivery_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("deliveries.id"))
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    reader_key: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16))
    __table_args__ = (
        CheckConstraint(
            "kind IN ('hard_bounce', 'soft_bounce', 'complaint', 'left_by_mail', 'ended_unsent', 'mailing_cancelled')",
            name="kind",
        ),
    )


class Gate(Base):
    """What holds a relay's mail back: provider 0 is the relay itself, any other is who runs the receiving side.

    `not_before` with `fails` is back-off; `probe` is the one delivery that may find out whether the gate can open.
    `rate` is in mails a second over all senders, NULL when nothing limits them; `ready_at` is until when it is used
    up. `paused_at` waits for a person.
    """

    __tablename__ = "gates"
    relay: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    not_before: Mapped[datetime | None]
    fails: Mapped[int] = mapped_column(default=0)
    probe: Mapped[int | None] = mapped_column(BigId)
    rate: Mapped[float | None]
    ready_at: Mapped[datetime | None]
    slowed_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    why: Mapped[str | None] = mapped_column(String(300))


class Quota(Base):
    """How many mails of a domain were let go on a UTC day, where its relay is being warmed up."""

    __tablename__ = "quotas"
    domain: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    taken: Mapped[int]


class Worker(Base):
    """A sender process that lives, or did: `heartbeat_at` is refreshed every few seconds, `refused` is JSON."""

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]
    sent: Mapped[int] = mapped_column(BigId, default=0)
    rate: Mapped[float] = mapped_column(default=0.0)
    refused: Mapped[str] = mapped_column(default="{}")
