"""*This was not me*: all of a reader's links are renewed, and what waits to be confirmed is ended."""

from dataclasses import dataclass
from datetime import datetime

from core import clock, errors, logs, tokens
from subscribers import address, joining, preferences
from subscribers.models import Subscriber

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Renewed:
    """What *not me* led to: whether a change of address was ended that waited. `again`: it was pressed before."""

    again: bool
    ended: bool = False


def by_token(token: tokens.Token, now: datetime) -> Subscriber:
    """Return whose links are to be renewed. Raises LinkExpired after 90 days, LinkDamaged for nobody.

    One of an earlier link version is taken: it may have been pressed twice, and `renew` then does nothing.
    """
    subscriber = preferences.by_key(token.key)
    if clock.day_number(now) - token.day > preferences.LINK_DAYS:
        raise errors.LinkExpired
    return subscriber


def is_done(subscriber: Subscriber, token: tokens.Token) -> bool:
    """Return whether the links were renewed since this one was made."""
    return token.version != subscriber.link_version & 0xFF


def renew(subscriber: Subscriber, token: tokens.Token) -> Renewed:
    """Give a reader new links; those of before open nothing any more, but go on stopping mail. Twice is once."""
    joining.hold(subscriber)
    if is_done(subscriber, token):
        return Renewed(again=True)
    subscriber.link_version += 1
    ended = address.drop_open(subscriber)
    log.info("links renewed", subscriber=subscriber.id, ended=ended)
    return Renewed(again=False, ended=bool(ended))
