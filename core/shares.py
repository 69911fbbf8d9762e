"""The settings of "Send to a friend": how much of it there is for whom, and what the mail to a friend may say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core import budgets
from core.errors import SettingsError

MOST_FRIENDS = 3
SWITCHES = ("note", "see_also", "subscribe", "count_reads")
NUMBERS: Mapping[str, int] = {
    "max_friends": MOST_FRIENDS,
    "per_origin_hour": budgets.MOST,
    "per_origin_day": budgets.MOST,
    "per_sender_hour": budgets.MOST,
    "per_sender_day": budgets.MOST,
    "per_link_day": budgets.MOST,
    "per_story_hour": 100_000,
    "per_site_hour": 100_000,
    "questions_day": budgets.MOST,
    "per_friend_day": budgets.MOST,
    "per_friend_month": budgets.MOST,
    "per_domain_hour": budgets.MOST,
    "burst": 100_000,
    "stop_day": 10_000_000,
}
"""With the largest value of each; the smallest is 1, since nothing of this is ever without a limit."""
KEYS = (*SWITCHES, *NUMBERS)


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """What may be sent to friends. All numbers are of recipients, never of forms.

    `note` lets a sender add 140 characters. `see_also` and `subscribe` put other stories, and where to subscribe, into
    the mail: advertising, to some courts. `count_reads` counts how often a story is opened from such mails.

    At the page: one origin (an IPv4 address, an IPv6 /64), one sender, one link of a digest, one story, the site. Of
    the questions whether it was them, an inbox gets `questions_day`. Where it arrives: one friend, from anyone; one
    mail domain, whose mails then wait. More than `burst` in ten minutes, or `stop_day` in a day, turns the switch: of
    friends, or of inboxes that are asked.
    """

    note: bool = False
    see_also: bool = False
    subscribe: bool = False
    count_reads: bool = False
    max_friends: int = 3
    per_origin_hour: int = 5
    per_origin_day: int = 20
    per_sender_hour: int = 5
    per_sender_day: int = 10
    per_link_day: int = 3
    per_story_hour: int = 200
    per_site_hour: int = 500
    questions_day: int = 3
    per_friend_day: int = 2
    per_friend_month: int = 5
    per_domain_hour: int = 50
    burst: int = 150
    stop_day: int = 2000


def read_shares(table: Mapping[str, Any]) -> ShareSettings:
    """Read [sharing], which may be missing. Raises SettingsError, whose text names the setting and the cure."""
    section = table.get("sharing", {})
    if not isinstance(section, Mapping) or not section.keys() <= set(KEYS):
        raise SettingsError(f"[sharing] has a setting nobody knows; there are {', '.join(KEYS)}.")
    values: dict[str, Any] = {name: _switch(name, section[name]) for name in SWITCHES if name in section}
    values |= {name: _number(name, section[name], most) for name, most in NUMBERS.items() if name in section}
    return ShareSettings(**values)


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"sharing.{name} is {value!r}; it must be true or false.")
    return value


def _number(name: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise SettingsError(f"sharing.{name} is {value!r}; it must be a whole number from 1 to {most}.")
    return value
