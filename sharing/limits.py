"""How much may be sent by whom and to whom. All is counted in recipients, before anything is queued."""

from collections.abc import Sequence
from datetime import timedelta

from core import addresses, origins
from core.addresses import Address, Keyring
from core.budgets import Charge
from core.shares import ShareSettings
from core.windows import Away, Windows

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_MONTH_S = 30 * _DAY_S
DOMAIN_WAIT = timedelta(minutes=10)
"""A mail domain that got as much as it may gets the next mails later; none is lost."""
AWAY = "away"
"""There is no such limit: it is what stands for all of them while nothing can be counted."""
LOUD = ("origin", "story", "site", AWAY)
"""Limits of which the page says that they are reached. Of the others nobody is told: they are about a person."""


def full_window(
    *,
    windows: Windows,
    origin: str | None,
    sender: Address,
    is_proven: bool,
    story: str,
    count: int,
    limits: ShareSettings,
    keyring: Keyring,
) -> str | None:
    """Count recipients in the hours of origin, sender, story and site; return which of them has no room, or None.

    It may ask Redis, so it is called before a transaction. When Redis cannot be asked it returns AWAY: no room.
    """
    hours = (
        ("origin", "origin", origins.counted(origin), limits.per_origin_hour),
        ("sender", _kind(is_proven), addresses.inbox(sender), limits.per_sender_hour),
        ("story", "story", story, limits.per_story_hour),
        ("site", "site", "", limits.per_site_hour),
    )
    for name, kind, who, limit in hours:
        key = keyring.blur(f"share {kind} in an hour", who)
        try:
            has_room = count <= limit and windows.hit(key, limit=limit, window_s=_HOUR_S, count=count, alone=False)
        except Away:
            return AWAY
        if not has_room:
            return name
    return None


def at_page(
    *,
    origin: str | None,
    sender: Address,
    link_hash: bytes | None,
    count: int,
    limits: ShareSettings,
    keyring: Keyring,
) -> dict[Charge, str]:
    """Return what a wish costs in longer stretches of time, and the name of each limit."""
    per_day = limits.per_origin_day
    found = {
        Charge(keyring.blur("share origin", origins.counted(origin)), _DAY_S, per_day, count): "origin",
        of_sender(sender, is_proven=link_hash is not None, count=count, limits=limits, keyring=keyring): "sender",
    }
    if link_hash is not None:
        # A forwarded digest carries its reader's link: whoever has it does little with it.
        found[Charge(keyring.blur("share link", link_hash.hex()), _DAY_S, limits.per_link_day, count)] = "link"
    return found


def of_sender(sender: Address, *, is_proven: bool, count: int, limits: ShareSettings, keyring: Keyring) -> Charge:
    """Return what a day of a sender's inbox costs. What strangers type is counted apart: else whoever knows the address
    of a reader would use up their day.
    """
    key = keyring.blur(f"share {_kind(is_proven)}", addresses.inbox(sender))
    return Charge(key, _DAY_S, limits.per_sender_day, count)


def _kind(is_proven: bool) -> str:
    return "sender" if is_proven else "typed sender"


def question(sender: Address, *, limits: ShareSettings, keyring: Keyring) -> Charge:
    """Return what the question costs an inbox whether it was its owner who wants to send a story."""
    return Charge(keyring.blur("share question", addresses.inbox(sender)), _DAY_S, limits.questions_day)


def friend(inbox: str, *, limits: ShareSettings, keyring: Keyring) -> Sequence[Charge]:
    """Return what a story costs the inbox of a friend, from whomever it comes."""
    key = keyring.blur("share friend", inbox)
    return [Charge(key, _DAY_S, limits.per_friend_day), Charge(key, _MONTH_S, limits.per_friend_month)]


def domain(inbox: str, *, limits: ShareSettings, keyring: Keyring) -> Charge:
    """Return what a story costs the domain that takes it in."""
    return Charge(keyring.blur("share domain", inbox.rpartition("@")[2]), _HOUR_S, limits.per_domain_hour)
