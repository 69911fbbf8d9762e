"""Tell readers what was changed by their links: one short mail, a few minutes later, of all changes until then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from babel.dates import get_day_names
from sqlalchemy import func, select, update

from core import language as languages
from core import logs
from core.database import db
from core.services import Services
from delivery import suppression
from subscribers import joining, mails
from subscribers.models import Rhythm, Subscriber
from subscribers.trail import AddressChange, FormerKey, LinkChange

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reader is told, of which changes; no letter to an address that gets none. Equal when it says the same."""

    subscriber_id: int
    change_ids: tuple[int, ...]
    letter: mails.Letter | None


def waiting(limit: int, *, now: datetime) -> list[int]:
    """Return the ids of readers who are to be told something now, who waits longest first."""
    wanted = select(LinkChange.subscriber_id).where(LinkChange.told_at.is_(None), LinkChange.tell_at <= now)
    first = wanted.group_by(LinkChange.subscriber_id).order_by(func.min(LinkChange.tell_at))
    return list(db.session.scalars(first.limit(limit)))


def decide(subscriber_id: int, *, services: Services, now: datetime) -> Decision | None:
    """Return what a reader is told, having only read; None when there is nothing to tell any more.

    What was changed before an address did is told to the old one: whoever has the new one may have made the change.
    """
    subscriber = db.session.get_one(Subscriber, subscriber_id)
    untold = _untold(subscriber_id)
    if not untold:
        return None
    moved = next((place for place, one in enumerate(untold) if one.kind == "address"), None)
    told = untold if moved is None else untold[: moved + 1]
    ids = tuple(one.id for one in told)
    lines = tuple(_told(one, subscriber.language, services.publication.zone) for one in told)
    if moved is not None:
        return Decision(subscriber_id, ids, _to_old_address(told[-1], lines, now))
    if suppression.is_suppressed(subscriber.addr_hash, ["all", suppression.BULK], now=now):
        return Decision(subscriber_id, ids, None)
    return Decision(subscriber_id, ids, mails.changed(subscriber, lines, once_key=told[0].public_id))


def write(decision: Decision, made: mails.Made | None, *, services: Services, now: datetime) -> bool:
    """Queue the mail of a decision and mark its changes as told; return False when it does not hold any more."""
    joining.hold(db.session.get_one(Subscriber, decision.subscriber_id))
    db.session.expire_all()
    current = decide(decision.subscriber_id, services=services, now=now)
    if current is None:
        return True
    if current != decision:
        return False
    if made is not None:
        mails.queue(made, services=services, now=now)
    db.session.execute(update(LinkChange).where(LinkChange.id.in_(decision.change_ids)).values(told_at=now))
    log.info("changes told", subscriber=decision.subscriber_id, count=len(decision.change_ids))
    return True


def put_off(subscriber_id: int, *, until: datetime) -> None:
    """Try a mail that could not be made again later."""
    late = update(LinkChange).where(LinkChange.subscriber_id == subscriber_id, LinkChange.told_at.is_(None))
    db.session.execute(late.values(tell_at=until))


def _untold(subscriber_id: int) -> Sequence[LinkChange]:
    wanted = select(LinkChange).where(LinkChange.subscriber_id == subscriber_id, LinkChange.told_at.is_(None))
    return db.session.scalars(wanted.order_by(LinkChange.id)).all()


def _to_old_address(moved: LinkChange, lines: tuple[mails.Told, ...], now: datetime) -> mails.Letter | None:
    change = db.session.scalar(
        select(AddressChange).filter_by(subscriber_id=moved.subscriber_id, confirmed_at=moved.at, state="confirmed")
    )
    former = db.session.get(FormerKey, change.old_key) if change is not None and change.old_address else None
    if change is None or former is None or suppression.is_suppressed(former.addr_hash, ["all"], now=now):
        return None
    return mails.address_changed(change, lines, former.link_version, once_key=moved.public_id)


def _told(change: LinkChange, language: str, zone: str) -> mails.Told:
    """Return a change in the words of a mail."""
    was, became = _sides(change)
    until = change.after["subscriber"]["paused_until"]
    until = None if until == change.before["subscriber"]["paused_until"] else until
    same_when = was.get("rhythm_id") == became.get("rhythm_id")
    return mails.Told(
        kind=change.kind,
        at=languages.instant_text(change.at, language, zone),
        digest=mails.named([change.digest])[0] if change.digest else None,
        until=languages.date_text(date.fromisoformat(until), language) if until else "",
        when=None if same_when or not became else _when(became["rhythm_id"], language),
        what=was.get("taste_id") != became.get("taste_id"),
    )


def _sides(change: LinkChange) -> tuple[dict[str, int], dict[str, int]]:
    """Return the rows of the one subscription that a change is about, before and after it; empty for none."""
    for one in joining.subscriptions_of(change.subscriber).values():
        if one.digest_id == change.digest_id:
            sides = [side["subscriptions"].get(str(one.id), {}) for side in (change.before, change.after)]
            return sides[0], sides[1]
    return {}, {}


def _when(rhythm_id: int, language: str) -> mails.When:
    row = db.session.get_one(Rhythm, rhythm_id)
    names = get_day_names("wide", "format", languages.locale(language))
    weekly = row.rhythm == "weekly"
    return mails.When(
        rhythm=row.rhythm,
        weekday=names[row.weekdays.bit_length() - 1] if weekly else "",
        time=languages.minute_text(row.minute, language),
        city=languages.zone_city(row.zone, language),
    )
