"""The settings of the sign-up form: how much of it one visitor, one domain and the site may use, and who frames it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core import budgets, relays
from core.errors import SettingsError

NUMBERS = {
    "per_origin_hour": budgets.MOST,
    "per_origin_day": budgets.MOST,
    "per_domain_hour": budgets.MOST,
    "most_unconfirmed": 1_000_000,
}
"""With the largest value of each. The smallest is 0, without a limit; but the breaker is always there."""
KEYS = ("proof_of_work", "frame_ancestors", *NUMBERS)
MOST_ANCESTORS = 20
_HOST = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
"""Stricter than a URL's: a semicolon would begin another directive of the header."""


@dataclass(frozen=True, slots=True)
class SignupSettings:
    """What the door lets in.

    `proof_of_work` asks the browser to compute for a moment. `frame_ancestors` are the sites that may show the form in
    a frame. One origin (an IPv4 address, an IPv6 /64) sends at most `per_origin_hour` and `per_origin_day` forms; one
    mail domain gets at most `per_domain_hour` confirmations; 0 is without a limit. With more than `most_unconfirmed`
    of an hour's confirmations unused and few used, nothing more is sent. A form that comes back in less than
    `least_age_s` seconds was filled in by a machine, as a rule.
    """

    proof_of_work: bool = True
    frame_ancestors: tuple[str, ...] = ()
    per_origin_hour: int = 5
    per_origin_day: int = 20
    per_domain_hour: int = 100
    most_unconfirmed: int = 50
    least_age_s: int = 2


def read_signups(table: Mapping[str, Any]) -> SignupSettings:
    """Read [signup], which may be missing. Raises SettingsError, whose text names the setting and the cure."""
    section = table.get("signup", {})
    if not isinstance(section, Mapping) or not section.keys() <= set(KEYS):
        raise SettingsError(f"[signup] has a setting nobody knows; there are {', '.join(KEYS)}.")
    given = SignupSettings()
    proof_of_work = section.get("proof_of_work", given.proof_of_work)
    if not isinstance(proof_of_work, bool):
        raise SettingsError(f"signup.proof_of_work is {proof_of_work!r}; it must be true or false.")
    numbers = {name: _number(name, section.get(name, getattr(given, name)), most) for name, most in NUMBERS.items()}
    return SignupSettings(proof_of_work, _ancestors(section.get("frame_ancestors", [])), **numbers)


def _number(name: str, value: object, most: int) -> int:
    least = 0 if name.startswith("per_") else 1
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SettingsError(f"signup.{name} is {value!r}; it must be a whole number from {least} to {most}.")
    return value


def _ancestors(value: object) -> tuple[str, ...]:
    """Return the origins of a list. They stand in a header, so each is read and written anew."""
    if not isinstance(value, list) or len(value) > MOST_ANCESTORS:
        raise SettingsError(
            f'signup.frame_ancestors must be a list like ["https://www.example.org"], of {MOST_ANCESTORS} at most.'
        )
    return tuple(dict.fromkeys(_ancestor(one) for one in value))


def _ancestor(value: object) -> str:
    parts = relays.split_url(value) if isinstance(value, str) else None
    rest = parts and (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    host = parts.hostname if parts else None
    secure = parts is not None and (parts.scheme == "https" or (parts.scheme == "http" and host in relays.LOOPBACK))
    if parts is None or rest or not secure or not _HOST.fullmatch(host or ""):
        raise SettingsError(
            f"signup.frame_ancestors: {value!r} must read like https://www.example.org (an IDN in its xn-- form)."
        )
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
