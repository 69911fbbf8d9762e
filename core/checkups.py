"""The settings of the look at our own records in the DNS: taken by itself or not, by asking whom, for which relays."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core import names
from core.errors import SettingsError
from core.identity import LANES, MailIdentity

KEYS = ("watch", "resolver", "addresses")
MOST_ADDRESSES = 20
RESERVED = ("test", "example", "invalid", "localhost", "local", "example.com", "example.net", "example.org")
"""Domains that nobody can have (RFC 2606, RFC 6761, RFC 6762)."""


@dataclass(frozen=True, slots=True)
class CheckupSettings:
    """`watch` says whether a task looks by itself; `resolver` is a server and its port, None for those of the system;
    `addresses` are those that our relays mail from.
    """

    watch: bool = False
    resolver: tuple[str, int] | None = None
    addresses: tuple[str, ...] = ()


def read_checkup(table: Mapping[str, Any], *, base_url: str, mail: MailIdentity) -> CheckupSettings:
    """Read [records]. Raises SettingsError, whose text names the setting and the cure.

    When nothing is said, a site on https that mails from a domain which can be had is watched: neither a laptop nor a
    test asks the DNS by itself.
    """
    section = table.get("records", {})
    if not isinstance(section, Mapping) or not section.keys() <= set(KEYS):
        raise SettingsError(f"[records] has a setting nobody knows; there are {', '.join(KEYS)}.")
    watch = section.get("watch", base_url.startswith("https://") and not _is_reserved(mail))
    if not isinstance(watch, bool):
        raise SettingsError(f"records.watch is {watch!r}; it must be true or false.")
    return CheckupSettings(watch, _resolver(section.get("resolver")), _addresses(section.get("addresses", [])))


def _is_reserved(mail: MailIdentity) -> bool:
    domains = {mail.sender_of(lane).rpartition("@")[2].lower() for lane in LANES}
    return all(any(domain == one or domain.endswith(f".{one}") for one in RESERVED) for domain in domains)


def _resolver(value: object) -> tuple[str, int] | None:
    if value is None:
        return None
    try:
        return names.server_at(str(value))
    except ValueError as error:
        raise SettingsError(
            f"records.resolver is {value!r}; it must be an IP address, like 192.0.2.53 or [2001:db8::53]:5353."
        ) from error


def _addresses(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_ADDRESSES:
        raise SettingsError(f'records.addresses must be a list like ["192.0.2.1"], of {MOST_ADDRESSES} at most.')
    try:
        return tuple(dict.fromkeys(str(ipaddress.ip_address(one if isinstance(one, str) else "")) for one in value))
    except ValueError as error:
        raise SettingsError(
            f"records.addresses: {error}. Each must be an IP address that a relay mails from."
        ) from error
