"""Open what is due: an edition for each digest and date, and in it a wave for each instant at which readers are due."""

from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from core.database import db, insert_for
from core.services import Services
from delivery import outbox
from delivery.models import Lane
from digests import desk, elsewhere, histories, parts, selection, shelves
from digests.models import DeskSheet, Edition, Wave
from subscribers import offer, rhythm, schedule
from subscribers.models import Digest, Subscription

LEASE = timedelta(seconds=60)
"""How long a composing task may be silent before another one takes its wave over."""


def anything_due(now: datetime) -> bool:
    """Return whether `open_due` would find something; a look costs no writer's turn."""
    return bool(schedule.due_waves(now) or schedule.due_first(now))


def open_due(now: datetime, services: Services) -> None:
    """Open the editions and waves that are due. Running twice, or beside another, changes nothing."""
    for due in schedule.due_waves(now):
        digest = db.session.get_one(Digest, due.digest_id)
        late = now > due.due_at + timedelta(seconds=digest.not_after_s)
        edition = _edition(digest, "regular", due.slot, now, services)
        desk.start(digest, due.slot, zone=services.publication.zone, now=now)
        if late:
            # After an outage the news is stale: the slot is skipped, never sent as a backlog.
            _add_wave(edition, due.due_at, "missed")
            _miss(edition, due.due_at, now)
            parts.move_on(edition, due.digest_id, due.slot, due.due_at, now=now)
        elif not _is_open(edition, due.due_at):
            # Of several who come at once, one cuts it: the others wait here, and look again.
            parts.hold(edition)
            most = services.composing_parts
            if not _is_open(edition, due.due_at):
                _add_wave(edition, due.due_at, "open", parts.count(due.digest_id, due.slot, due.due_at, most=most))
    _skip_unapproved(now)
    for digest_id in schedule.due_first(now):
        digest = db.session.get_one(Digest, digest_id)
        edition = _edition(digest, "first", _first_slot(digest, now), now, services)
        if not _awaited(edition, now):
            _add_wave(edition, now, "open")


def _first_slot(digest: Digest, now: datetime) -> date:
    """Return the date under which today's first editions are kept, whatever day it is where a reader lives."""
    return rhythm.local_date(now, digest.default_zone)


def _is_open(edition_id: int, due_at: datetime) -> bool:
    return bool(db.session.scalar(select(exists().where(Wave.edition_id == edition_id, Wave.due_at == due_at))))


def _add_wave(edition_id: int, due_at: datetime, state: str, count: int = 1) -> None:
    wave = {"edition_id": edition_id, "due_at": due_at, "state": state, "cursor": 0, "parts": count}
    rows = [{**wave, "part": part} for part in range(count + 1 if count > 1 else 1)]
    db.session.execute(insert_for(db.engine)(Wave).values(rows).on_conflict_do_nothing())


def idle(now: datetime) -> ColumnElement[bool]:
    """A wave that waits to be composed, and that nobody is composing just now."""
    free = or_(Wave.lease_until.is_(None), Wave.lease_until < now)
    return and_(Wave.state.in_(parts.UNFINISHED), free)


def _held(now: datetime) -> ColumnElement[bool]:
    """A regular wave that waits for the editors' approval."""
    return exists().where(
        *_ON_SHEET, DeskSheet.approved_at.is_(None), DeskSheet.hold_until > now, DeskSheet.held_from <= Wave.due_at
    )


_ON_SHEET = (
    Edition.id == Wave.edition_id,
    Edition.kind == "regular",
    DeskSheet.digest_id == Edition.digest_id,
    DeskSheet.slot == Edition.slot,
)
"""That a wave is of the digest and the date of a desk sheet."""


def _behind() -> ColumnElement[bool]:
    """A wave of a special that goes after one of other readers: whoever is in both gets one copy."""
    before, its_wave = aliased(Edition), aliased(Wave)
    return exists().where(
        Edition.id == Wave.edition_id,
        before.special_id == Edition.special_id,
        before.id < Edition.id,
        its_wave.edition_id == before.id,
        its_wave.state.in_(parts.UNFINISHED),
    )


def _ready(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return what makes a wave one to be composed: nobody is at it, and nothing holds it."""
    return idle(now), ~_held(now), ~_behind(), ~parts.waits()


def _skip_unapproved(now: datetime) -> None:
    """Skip the waves that nobody has approved until it was too late, of the digests that say so."""
    unapproved = (DeskSheet.approved_at.is_(None), DeskSheet.hold_until <= now, DeskSheet.held_from <= Wave.due_at)
    wanted = (
        select(Wave.id, Edition.id, Edition.digest_id, Edition.slot, Wave.due_at)
        .join(Edition, Edition.id == Wave.edition_id)
        .join(DeskSheet, and_(*_ON_SHEET))
        .join(Digest, Digest.id == Edition.digest_id)
        .where(Wave.state == "open", idle(now), *unapproved, Digest.unapproved == "skip")
        .order_by(Wave.id)
    )
    for wave_id, edition_id, digest_id, slot, due_at in db.session.execute(wanted).all():
        db.session.execute(
            update(Wave)
            .where(Wave.id == wave_id, Wave.state == "open")
            .values(state="skipped")
            .execution_options(synchronize_session=False)
        )
        parts.move_on(edition_id, digest_id, slot, due_at, now=now)


def _awaited(edition_id: int, now: datetime) -> bool:
    """Return whether a first wave is under way; one that nobody composes yet takes in who joined since.

    Waves do not pile up while composing fails; whoever comes after a wave that is being composed gets the next one.
    """
    unfinished = (Wave.edition_id == edition_id, Wave.state.in_(parts.UNFINISHED))
    last = select(func.max(Wave.id)).where(*unfinished, idle(now)).scalar_subquery()
    db.session.execute(
        update(Wave).where(Wave.id == last).values(due_at=now).execution_options(synchronize_session=False)
    )
    return db.session.scalar(select(func.count()).where(*unfinished)) != 0


def _miss(edition_id: int, due_at: datetime, now: datetime) -> None:
    """Call a wave missed, also one that was opened before the outage; not one that is being composed just now."""
    db.session.execute(
        update(Wave)
        .where(Wave.edition_id == edition_id, Wave.due_at == due_at, idle(now))
        .values(state="missed", lease_until=None)
        .execution_options(synchronize_session=False)
    )


def _edition(digest: Digest, kind: str, slot: date, now: datetime, services: Services) -> int:
    """Return the id of the edition, opened with its mailing if it is new."""
    wanted = select(Edition.id).filter_by(digest_id=digest.id, kind=kind, slot=slot)
    found = db.session.scalar(wanted)
    if found is not None:
        return found
    mailing_id = outbox.open_mailing(f"edition:{digest.key}:{kind}:{slot}", frame=frame(digest, services), now=now)
    row = {"digest_id": digest.id, "kind": kind, "slot": slot, "mailing_id": mailing_id, "opened_at": now}
    db.session.execute(insert_for(db.engine)(Edition).values(row).on_conflict_do_nothing())
    return db.session.execute(wanted).scalar_one()


def frame(digest: Digest, services: Services) -> outbox.Frame:
    """Return what the headers of a digest's mails say of its sender."""
    return outbox.Frame(
        lane=Lane.DIGEST,
        stream=digest.stream,
        sender_name=services.publication.name(digest.language),
        sender=services.identity.sender_of("digest"),
        feedback=f"{digest.key}:digest:postrider:{services.identity.feedback_sender}",
        doubt_policy=digest.doubt_policy,
        list_id=f"<{digest.key}.{services.identity.domain}>",
        reply_to=digest.reply_to,
    )


def unfinished(now: datetime) -> list[int]:
    """Return the ids of waves that nobody is composing and nothing holds, the oldest first."""
    return list(db.session.scalars(select(Wave.id).where(*_ready(now)).order_by(Wave.due_at, Wave.id)))


def is_ready(wave_id: int, now: datetime) -> bool:
    """Return whether a wave waits for somebody to compose it."""
    return bool(db.session.scalar(select(exists().where(Wave.id == wave_id, *_ready(now)))))


def begin(wave_id: int, now: datetime) -> bool:
    """Take a wave for composing, for the length of a lease; return whether it is ours."""
    session: Session = db.session()
    taken = session.execute(
        update(Wave)
        .where(Wave.id == wave_id, *_ready(now))
        .values(state="composing", lease_until=now + LEASE)
        .returning(Wave.id)
        .execution_options(synchronize_session=False)
    )
    return taken.first() is not None


def release(wave_id: int) -> None:
    """Give a wave back before it is done, for whoever comes next."""
    db.session.execute(
        update(Wave)
        .where(Wave.id == wave_id, Wave.state == "composing")
        .values(lease_until=None)
        .execution_options(synchronize_session=False)
    )


def anything_for(subscription: Subscription, *, now: datetime, services: Services) -> bool:
    """Return whether a reader who asks for a first edition gets one: not twice in a day, and nothing they had."""
    digest, reader = subscription.digest, subscription.subscriber
    edition = select(Edition.mailing_id).filter_by(digest_id=digest.id, kind="first", slot=_first_slot(digest, now))
    mailing_id = db.session.scalar(edition)
    if mailing_id is not None and outbox.already_queued(mailing_id, [reader.addr_hash]):
        return False
    past = histories.entries(histories.of_readers([reader.id]).values())
    had = {article: known for packed in past.values() for article, known in histories.known(packed).items()}
    wish = selection.Wish(shelves.topic_ids(subscription.taste), selection.FIRST_MOST, None, evenly=False)
    laid = desk.laid_down(digest, _first_slot(digest, now), due_at=None, zone=services.publication.zone)
    found = laid.candidates(shelves.candidates(digest, since=None, topic_ids=wish.topic_ids))
    without: frozenset[int] = frozenset()
    if reader.once_over_digests:
        better = elsewhere.of_subscriptions([subscription.id], digest, now=now, services=services)
        without = elsewhere.Once(found, digest.language).without(better[subscription.id], had=had)
    return bool(selection.choose(found, wish, had=had, without=without, foremost=laid.foremost).full)


def to_begin(subscription: Subscription) -> list[Subscription]:
    """Return the reader's other digests that are published and have not begun, in the order of the offer."""
    order = {digest.id: place for place, digest in enumerate(offer.active())}
    rows = select(Subscription).where(
        Subscription.subscriber_id == subscription.subscriber_id,
        Subscription.state == "on",
        Subscription.id != subscription.id,
        Subscription.digest_id.in_(order),
    )
    addr_hash = subscription.subscriber.addr_hash
    waiting = [
        one
        for one in db.session.scalars(rows)
        if not outbox.queued_since(addr_hash, stream=one.digest.stream, since=one.fresh_from)
    ]
    return sorted(waiting, key=lambda one: order[one.digest_id])
