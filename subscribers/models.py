"""The tables of people, consent and the offer."""

from datetime import date, datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, event, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.orm.attributes import get_history

from core import addresses, changes, clock, database

BREAKING = text("breaking > 0 AND state = 'on'")


def _one_of(column: str, *values: str) -> CheckConstraint:
    """Return the constraint that a short string is one of a few."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Digest(database.Base):
    """A recurring publication on offer, in one language. Written by `subscribers.offer.apply`."""

    __tablename__ = "digests"
    __table_args__ = (
        _one_of("default_rhythm", "daily", "weekdays", "weekly"),
        _one_of("repeat", "never", "headline", "updated", "recap"),
        _one_of("doubt_policy", "resend", "skip"),
        _one_of("unapproved", "send", "skip"),
        CheckConstraint("desk_closes BETWEEN 0 AND 1439", name="desk_closes"),
        CheckConstraint("hold_until BETWEEN 0 AND 1439", name="hold_until"),
        CheckConstraint("default_minute BETWEEN 0 AND 1439", name="default_minute"),
        CheckConstraint("least BETWEEN 1 AND most", name="least"),
        changes.SHOWN,
    )

    id: Mapped[database.RowId]
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    about: Mapped[str]
    language: Mapped[str]
    rhythms: Mapped[list[str]] = mapped_column(JSON)
    default_rhythm: Mapped[str]
    default_minute: Mapped[int] = mapped_column(SmallInteger)
    default_zone: Mapped[str]
    lead_s: Mapped[int]
    desk_closes: Mapped[int | None] = mapped_column(SmallInteger)
    hold_until: Mapped[int | None] = mapped_column(SmallInteger)
    unapproved: Mapped[str] = mapped_column(default="send", server_default="send")
    least: Mapped[int] = mapped_column(SmallInteger)
    most: Mapped[int] = mapped_column(SmallInteger)
    headlines: Mapped[int] = mapped_column(SmallInteger, default=5, server_default="5")
    selection: Mapped[list[str]] = mapped_column(JSON)
    repeat: Mapped[str]
    doubt_policy: Mapped[str]
    not_after_s: Mapped[int]
    breaking_not_after_s: Mapped[int] = mapped_column(default=3600, server_default="3600")
    subject: Mapped[str]
    reply_to: Mapped[str | None]
    revision: Mapped[int] = mapped_column(default=1)
    active: Mapped[bool] = mapped_column(default=True)
    offers_breaking: Mapped[bool] = mapped_column(default=False, server_default=false())

    @property
    def stream(self) -> str:
        """Return the name under which the post office knows, and suppresses, this digest's mail."""
        return f"digest:{self.key}"


class Subscriber(database.Base):
    """A person's address and its state. `paused_until` is the first date on which mail comes again, `paused_at` when
    that pause began, `resumed_at` when its reader ended it before. `languages` are those the reader reads, the best one
    first; `once_over_digests` asks for each story in one of them only; `version` is of what holds for all digests.

    `left_by_click_id` is the digest that a mail program left: the next mail of another one says so, once.
    """

    __tablename__ = "subscribers"
    __table_args__ = (_one_of("state", "active", "left"),)

    id: Mapped[database.RowId]
    public_id: Mapped[bytes] = mapped_column(unique=True)
    address: Mapped[str]
    addr_hash: Mapped[bytes] = mapped_column(unique=True)
    state: Mapped[str]
    language: Mapped[str]
    zone: Mapped[str]
    paused_until: Mapped[date | None]
    paused_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    catch_up: Mapped[bool] = mapped_column(default=False, server_default=false())
    languages: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    once_over_digests: Mapped[bool] = mapped_column(default=False, server_default=false())
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    link_version: Mapped[int] = mapped_column(SmallInteger, default=1)
    left_by_click_id: Mapped[int | None] = mapped_column(ForeignKey("digests.id"))
    created_at: Mapped[datetime]

    @property
    def mailbox(self) -> addresses.Address:
        """Return the address as the post office takes it."""
        return addresses.stored(self.address)


class Taste(database.Base):
    """What a reader wants, interned: readers who want the same share a row. No topics and no countries: everything.

    With both, a story matches when it has one of the themes or one of the countries.
    """

    __tablename__ = "tastes"
    __table_args__ = (_one_of("format", "both", "text"),)

    id: Mapped[database.RowId]
    fingerprint: Mapped[bytes] = mapped_column(unique=True)
    topics: Mapped[list[str]] = mapped_column(JSON)
    countries: Mapped[list[str]] = mapped_column(JSON)
    most: Mapped[int] = mapped_column(SmallInteger)
    format: Mapped[str]


class Rhythm(database.Base):
    """When, interned: one row moves for all the readers of a digest who share it. `weekdays` is a mask, Monday = 1.

    `next_due_at` is when the next wave starts (the promised hour less the digest's lead), `slot` the local date
    that the promised hour belongs to.
    """

    __tablename__ = "rhythms"
    __table_args__ = (
        UniqueConstraint("digest_id", "rhythm", "weekdays", "minute", "zone"),
        _one_of("rhythm", "daily", "weekdays", "weekly"),
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays"),
        CheckConstraint("minute BETWEEN 0 AND 1439", name="minute"),
    )

    id: Mapped[database.RowId]
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"))
    rhythm: Mapped[str]
    weekdays: Mapped[int] = mapped_column(SmallInteger)
    minute: Mapped[int] = mapped_column(SmallInteger)
    zone: Mapped[str]
    next_due_at: Mapped[datetime] = mapped_column(index=True)
    slot: Mapped[date]

    digest: Mapped[Digest] = relationship()


class Subscription(database.Base):
    """A subscriber's choice of one digest: on or off, what, and when.

    `first_due_at` asks for the first edition; regular editions wait until it was sent or found empty. Stories first
    seen after `fresh_from` are new to this reader; slots before `not_before_slot` are not for them. `breaking` is how
    many breaking mails a day at the most; 255 is all of them. `waited` is how many slots in a row brought too few
    stories for a mail. `taste_since` is when the taste was last changed; None: never.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "digest_id"),
        Index(None, "rhythm_id", "id"),
        Index("ix_subscriptions_breaking", "digest_id", "id", sqlite_where=BREAKING, postgresql_where=BREAKING),
        Index(
            None,
            "first_due_at",
            sqlite_where=text("first_due_at IS NOT NULL"),
            postgresql_where=text("first_due_at IS NOT NULL"),
        ),
        _one_of("state", "on", "off"),
        CheckConstraint("state = 'on' OR first_due_at IS NULL", name="first_only_when_on"),
        CheckConstraint("breaking IN (0, 1, 3, 255)", name="breaking"),
    )

    id: Mapped[database.RowId]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"))
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"), index=True)
    state: Mapped[str]
    taste_id: Mapped[int] = mapped_column(ForeignKey("tastes.id"))
    taste_since: Mapped[datetime | None]
    rhythm_id: Mapped[int] = mapped_column(ForeignKey("rhythms.id"))
    first_due_at: Mapped[datetime | None]
    fresh_from: Mapped[datetime]
    not_before_slot: Mapped[date | None]
    breaking: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    waited: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]

    subscriber: Mapped[Subscriber] = relationship()
    digest: Mapped[Digest] = relationship()
    taste: Mapped[Taste] = relationship()
    rhythm: Mapped[Rhythm] = relationship()


@event.listens_for(Subscription, "before_update")
def _note_taste(_mapper: object, _connection: object, subscription: Subscription) -> None:
    """Whoever changes a taste, by whatever page or undo: a wave in parts looks for it (digests.parts)."""
    if get_history(subscription, "taste_id").has_changes():
        subscription.taste_since = clock.utc_now()


class SignupRequest(database.Base):
    """What somebody asked for on a form, before anything is known of them. Its address goes when it is of no more use.

    new → answered (a mail was queued) → confirmed; new → dropped (nothing to send); unconfirmed for 7 days → dropped.
    Hashes of the cookie that the browser got for it, and of the id of the form that it was typed into, tell that
    whoever comes later is the same person.
    """

    __tablename__ = "signup_requests"
    __table_args__ = (
        Index(None, "next_try_at", sqlite_where=text("state = 'new'"), postgresql_where=text("state = 'new'")),
        Index(None, "at", sqlite_where=text("address IS NOT NULL"), postgresql_where=text("address IS NOT NULL")),
        Index(None, "addr_hash", "at"),
        Index(None, "answered_at"),
        _one_of("kind", "signup", "fresh_link"),
        _one_of("state", "new", "answered", "confirmed", "dropped"),
        CheckConstraint("address IS NULL OR state IN ('new', 'answered')", name="address_while_open"),
        CheckConstraint("(state = 'confirmed') = (subscriber_id IS NOT NULL)", name="confirmed_by_somebody"),
    )

    id: Mapped[database.RowId]
    public_id: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[str]
    address: Mapped[str | None]
    addr_hash: Mapped[bytes]
    digests: Mapped[list[str]] = mapped_column(JSON)
    topics: Mapped[list[str]] = mapped_column(JSON)
    language: Mapped[str]
    zone: Mapped[str | None]
    rhythm: Mapped[str | None]
    form: Mapped[str]
    wording: Mapped[str]
    origin_truncated: Mapped[str]
    browser_hash: Mapped[bytes | None]
    form_hash: Mapped[bytes | None]
    state: Mapped[str]
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscribers.id"), index=True)
    at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]

    @property
    def mailbox(self) -> addresses.Address:
        """Return the address as the post office takes it. Raises ValueError when it has been forgotten."""
        if self.address is None:
            raise ValueError("The address of this request has been forgotten.")
        return addresses.stored(self.address)


class ConsentEntry(database.Base):
    """One line of the proof of consent: append-only, and readable without naming anybody.

    Its place in the chain (`seq`, from 1) and its `seal` come afterwards, once: see subscribers.consentchain.
    """

    __tablename__ = "consent_entries"
    __table_args__ = (
        _one_of("kind", "opt_in", "change", "opt_out"),
        CheckConstraint("(seq IS NULL) = (seal IS NULL)", name="sealed"),
        Index(None, "seq", unique=True),
        Index(
            "ix_consent_entries_unsealed", "id", sqlite_where=text("seq IS NULL"), postgresql_where=text("seq IS NULL")
        ),
    )

    id: Mapped[database.RowId]
    at: Mapped[datetime]
    kind: Mapped[str]
    digest_id: Mapped[int | None] = mapped_column(ForeignKey("digests.id"), index=True)
    wording: Mapped[str]
    commitment: Mapped[bytes]
    seq: Mapped[int | None] = mapped_column(database.BigId)
    seal: Mapped[bytes | None]


class ConsentParticulars(database.Base):
    """Whose line it is. Erasing a person deletes this row; the entry's commitment then says nothing of them."""

    __tablename__ = "consent_particulars"

    entry_id: Mapped[int] = mapped_column(database.BigId, ForeignKey("consent_entries.id"), primary_key=True)
    salt: Mapped[bytes]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), index=True)
    addr_hash: Mapped[bytes]
    form: Mapped[str]
    origin_truncated: Mapped[str]
