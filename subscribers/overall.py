"""What holds for all of a reader's digests: the order of languages, a pause and what comes after it, friends."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from core import errors
from core.database import db
from core.errors import _
from delivery import suppression
from subscribers import changes, joining, pauses, preferences
from subscribers import rhythm as rhythms
from subscribers.changes import Change
from subscribers.models import Subscriber

LONGEST_PAUSE_DAYS = 365
SHARE = "share"
"""The scope of what friends send: suppressed in it, a reader gets none of it."""


@dataclass(frozen=True, slots=True)
class Overall:
    """What holds for all digests. `languages` stand in the reader's order, and with `once` a story comes in the first
    of them only; `paused_until` is the first date on which mail comes again; `catch_up` asks for one mail of what came
    out meanwhile.
    """

    languages: tuple[str, ...]
    once: bool
    paused_until: date | None
    catch_up: bool
    friends: bool

    def fields(self) -> dict[str, str]:
        """Return each field as one text, to be compared and logged."""
        return {
            "languages": ",".join(self.languages),
            "once": str(int(self.once)),
            "pause": self.paused_until.isoformat() if self.paused_until else "",
            "catch_up": str(int(self.catch_up)),
            "friends": str(int(self.friends)),
        }


def view(subscriber: Subscriber, *, spoken: Collection[str], now: datetime) -> Overall:
    """Return what a reader has. `spoken` are all languages there are; those not ranked yet stand last."""
    return Overall(
        languages=in_order([*subscriber.languages, subscriber.language], spoken),
        once=subscriber.once_over_digests,
        paused_until=preferences.paused_until(subscriber, now),
        catch_up=subscriber.catch_up,
        friends=not suppression.is_suppressed(subscriber.addr_hash, [SHARE], now=now),
    )


def in_order(wanted: Collection[str], spoken: Collection[str]) -> tuple[str, ...]:
    """Return all languages, first those that are wanted: who names one twice has said enough."""
    return tuple(dict.fromkeys([*(code for code in wanted if code in spoken), *spoken]))


def save(
    subscriber: Subscriber,
    wanted: Overall,
    *,
    spoken: Collection[str],
    version: int,
    now: datetime,
    source: str = "preferences",
) -> list[Change]:
    """Change what holds for all digests; return what changed. Raises Conflict when it is not that of `version` any
    more, Invalid for a pause that is past or too far; then nothing is changed.
    """
    joining.hold(subscriber)
    if subscriber.version != version:
        raise errors.Conflict
    before = view(subscriber, spoken=spoken, now=now)
    wanted = replace(wanted, languages=in_order(wanted.languages, spoken))
    changed = changes.between(before.fields(), wanted.fields())
    if not changed:
        return []
    _set_pause(subscriber, wanted.paused_until, now)
    subscriber.catch_up = wanted.catch_up
    subscriber.languages = list(wanted.languages)
    subscriber.once_over_digests = wanted.once
    subscriber.language = wanted.languages[0]
    _let_friends(subscriber, wanted.friends, source, now)
    subscriber.version += 1
    preferences.record(changed, subscriber=subscriber, digest=None, source=source, now=now)
    db.session.flush()
    return changed


def pause(
    subscriber: Subscriber, until: date | None, *, spoken: Collection[str], now: datetime, source: str = "preferences"
) -> list[Change]:
    """Send nothing before the date `until`; None ends a pause. Raises Invalid for one that is past or too far."""
    joining.hold(subscriber)
    wanted = replace(view(subscriber, spoken=spoken, now=now), paused_until=until)
    return save(subscriber, wanted, spoken=spoken, version=subscriber.version, now=now, source=source)


def _set_pause(subscriber: Subscriber, until: date | None, now: datetime) -> None:
    paused = preferences.paused_until(subscriber, now)
    if until == paused:
        return
    if until is not None:
        today = rhythms.local_date(now, subscriber.zone)
        if not today < until <= today + timedelta(days=LONGEST_PAUSE_DAYS):
            raise errors.Invalid("until", _("Please choose a day within the next year."))
        if paused is None:
            subscriber.paused_at = now
    subscriber.paused_until = until
    subscriber.resumed_at = now if until is None else None
    pauses.note(subscriber, until, now)


def _let_friends(subscriber: Subscriber, may: bool, source: str, now: datetime) -> None:
    """Let friends send stories, or not: the same row that a friend's "never again" makes, so it is one switch."""
    if may:
        suppression.lift(subscriber.addr_hash, scope=SHARE, reason=joining.LEFT)
    else:
        suppression.suppress(subscriber.addr_hash, scope=SHARE, reason=joining.LEFT, source=source, now=now)
