"""The settings of the limits that protect the publisher: what share of a day's mails may come back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import SettingsError

LIMIT_KEYS = tuple(
    f"{kind}_{what}" for kind in ("complaints", "bounces") for what in ("warn_percent", "stop_percent", "least_mails")
)


@dataclass(frozen=True, slots=True)
class Limit:
    """Shares, 0.001 for one in a thousand: from `warn` on operators are told, from `stop` on nothing more leaves.

    Of fewer than `least_mails` nothing is concluded.
    """

    warn: float
    stop: float
    least_mails: int


@dataclass(frozen=True, slots=True)
class ReturnLimits:
    """Complaints as the large providers want them: under 0.1 %, never 0.3 %. Hard bounces as relays bear them."""

    complaints: Limit = Limit(0.001, 0.003, 1000)
    bounces: Limit = Limit(0.02, 0.05, 200)


def read_limits(table: Mapping[str, Any]) -> ReturnLimits:
    """Read [limits], which may be missing. Raises SettingsError, whose text names the setting."""
    section = table.get("limits", {})
    if not isinstance(section, Mapping):
        raise SettingsError("[limits] must be a table of settings.")
    if strange := sorted(section.keys() - set(LIMIT_KEYS)):
        raise SettingsError(f"limits.{strange[0]} is no setting; there are {', '.join(LIMIT_KEYS)}.")
    given = ReturnLimits()
    return ReturnLimits(_limit(section, "complaints", given.complaints), _limit(section, "bounces", given.bounces))


def _limit(section: Mapping[str, Any], kind: str, default: Limit) -> Limit:
    least = section.get(f"{kind}_least_mails", default.least_mails)
    if isinstance(least, bool) or not isinstance(least, int) or not 1 <= least <= 1_000_000_000:
        raise SettingsError(f"limits.{kind}_least_mails is {least!r}; it must be a whole number of mails, 1 or more.")
    warn, stop = (
        _share(section, f"{kind}_warn_percent", default.warn),
        _share(section, f"{kind}_stop_percent", default.stop),
    )
    if warn > stop:
        raise SettingsError(
            f"limits.{kind}_warn_percent is more than limits.{kind}_stop_percent: nobody would be warned."
        )
    return Limit(warn, stop, least)


def _share(section: Mapping[str, Any], key: str, default: float) -> float:
    value = section.get(key, default * 100)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
        raise SettingsError(f"limits.{key} is {value!r}; it must be a percentage, like 0.3.")
    return value / 100
