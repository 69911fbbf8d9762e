"""The settings of the post office: the relays with their limits, which lane goes through which, and its times."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from core import addresses
from core.errors import Invalid, SettingsError
from core.identity import LANES, MAIN, LaneSender, PostOffice, Relay, Timing, WarmUp

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LANE_KEYS = ("relay", "sender", "bounce_domain", "signed_by_relay")
RELAY_KEYS = ("connections", "urgent_connections", "mails_per_connection", "rate", "warm_up")
WARM_UP_KEYS = ("first_day", "mails", "grows")
TIMING_KEYS = ("lease_seconds", "doubt_grace_seconds", "look_seconds")
_URL_OPTIONS = ("starttls", "ca")
_RELAY_NAME = re.compile("[a-z][a-z0-9_]{0,39}")


def split_url(url: str) -> SplitResult | None:
    """Return the parts of a URL with a host and a possible port; None for anything else."""
    try:
        parts = urlsplit(url)
        fits = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        return None
    return parts if fits else None


def plain_address(where: str, text: str) -> str:
    """Return one plain address of the configuration; `where` names it for the person who wrote it."""
    try:
        return addresses.parse(text).mailbox
    except Invalid as error:
        raise SettingsError(f"{where} {text!r} must be one plain address, like news@example.org.") from error


def domain(where: str, text: str) -> str:
    """Return a domain as its A-label: a broken one would make every mail fail, long after the start."""
    try:
        return addresses.parse("x@" + text).mailbox.partition("@")[2]
    except Invalid as error:
        raise SettingsError(f"{where} {text!r} must be a domain, like example.org.") from error


def read_lanes(table: Mapping[str, Any]) -> Mapping[str, LaneSender]:
    """Read the [lanes.NAME] tables: as whom a lane mails, and through which relay."""
    lanes: dict[str, LaneSender] = {}
    for name, section in _tables(table, "lanes", LANE_KEYS).items():
        where = f"lanes.{name}"
        if name not in LANES:
            raise SettingsError(f"{where}: there is no lane {name!r}. The lanes are {', '.join(LANES)}.")
        signed = section.get("signed_by_relay", False)
        if not isinstance(signed, bool):
            raise SettingsError(f"{where}.signed_by_relay is {signed!r}; it must be true or false.")
        lanes[name] = LaneSender(
            relay=_relay_name(f"{where}.relay", section.get("relay", MAIN)),
            sender=plain_address(f"{where}.sender", str(section["sender"])) if "sender" in section else None,
            bounce_domain=(
                domain(f"{where}.bounce_domain", str(section["bounce_domain"])) if "bounce_domain" in section else None
            ),
            signed_by_relay=signed,
        )
    return lanes


def _relay_name(where: str, name: object) -> str:
    """Return the name of a relay, which also ends that of a variable of the environment."""
    if not isinstance(name, str) or not _RELAY_NAME.fullmatch(name):
        raise SettingsError(f"{where} is {name!r}; it must be a name of small letters, digits and _, like desk.")
    return name


def read_post_office(table: Mapping[str, Any], env: Mapping[str, str], lanes: Mapping[str, LaneSender]) -> PostOffice:
    """Read every relay that a lane goes through, with the limits of its [relays.NAME] table, and [delivery]."""
    limits = _tables(table, "relays", RELAY_KEYS)
    used = {MAIN, *(lane.relay for lane in lanes.values())}
    if strange := sorted(limits.keys() - used):
        raise SettingsError(f"relays.{strange[0]}: no lane goes through this relay. Name it in a [lanes.…] table.")
    found = {name: _relay(name, env, limits.get(name, {})) for name in sorted(used)}
    return PostOffice(found, _timing(table))


def _tables(table: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    """Return the tables [name.…] by what stands after the point. Raises SettingsError for a key nobody knows."""
    found = table.get(name, {})
    if not isinstance(found, Mapping) or not all(isinstance(one, Mapping) for one in found.values()):
        raise SettingsError(f"[{name}] must hold tables, each like [{name}.main].")
    for title, section in found.items():
        if strange := sorted(section.keys() - set(keys)):
            raise SettingsError(f"{name}.{title}.{strange[0]} is no setting; there are {', '.join(keys)}.")
    return dict(found)


def _relay(name: str, env: Mapping[str, str], limits: Mapping[str, Any]) -> Relay:
    setting = "SMTP_URL" if name == MAIN else f"SMTP_URL_{name.upper()}"
    url = env.get(setting, "").strip()
    if not url:
        raise SettingsError(f"{setting} is not set. docs/settings.md says what it is for.")
    where = f"relays.{name}"
    return replace(
        at_url(setting, url),
        name=name,
        connections=_whole(limits, where, "connections", 8, 1, 256),
        urgent_connections=_whole(limits, where, "urgent_connections", 2, 1, 32),
        mails_per_connection=_whole(limits, where, "mails_per_connection", 1000, 1, 1_000_000),
        rate=_number(limits, where, "rate", 0.01, 100_000) if "rate" in limits else None,
        warm_up=_warm_up(limits["warm_up"], f"{where}.warm_up") if "warm_up" in limits else None,
    )


def at_url(setting: str, url: str) -> Relay:
    """Read smtp://user:password@host:port, smtps://… (TLS from the start), with ?ca=file for a private CA.

    A host that is not this machine is spoken to in TLS only: smtp:// then means STARTTLS (RFC 3207). For a relay on
    this machine ?starttls asks for it.
    """
    parts = split_url(url)
    if parts is None or parts.scheme not in ("smtp", "smtps") or parts.path.strip("/"):
        raise SettingsError(f"{setting} must read like smtp://user:password@relay.example.org:587 or smtps://….")
    if (parts.username is None) != (parts.password is None):
        raise SettingsError(f"{setting} must have a user name and a password, or neither.")
    query = parse_qs(parts.query, keep_blank_values=True)
    if not query.keys() <= set(_URL_OPTIONS):
        raise SettingsError(f"{setting} has an unknown option; there are {' and '.join(_URL_OPTIONS)}.")
    plain = parts.hostname in LOOPBACK and "starttls" not in query
    security = "tls" if parts.scheme == "smtps" else "none" if plain else "starttls"
    return Relay(
        host=str(parts.hostname),
        port=parts.port or {"tls": 465, "starttls": 587, "none": 25}[security],
        security=security,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ca_file=_ca_file(setting, query["ca"][-1]) if "ca" in query else None,
    )


def _ca_file(setting: str, path: str) -> str:
    if not Path(path).is_file():
        raise SettingsError(f"{setting}: there is no certificate file {path!r} to check the relay with.")
    return path


def _warm_up(section: object, where: str) -> WarmUp:
    like = "{first_day = 2026-12-01, mails = 500, grows = 1.5}"
    if not isinstance(section, Mapping) or set(section) != set(WARM_UP_KEYS) or type(section["first_day"]) is not date:
        raise SettingsError(f"{where} must read like {like}.")
    return WarmUp(
        first_day=section["first_day"],
        mails=_whole(section, where, "mails", 0, 1, 100_000_000),
        grows=_number(section, where, "grows", 1, 10),
    )


def _timing(table: Mapping[str, Any]) -> Timing:
    section = table.get("delivery", {})
    if not isinstance(section, Mapping) or not section.keys() <= set(TIMING_KEYS):
        raise SettingsError(f"[delivery] has a setting nobody knows; there are {', '.join(TIMING_KEYS)}.")
    given = Timing()
    return Timing(
        lease_s=_number(section, "delivery", "lease_seconds", 2, 3600, given.lease_s),
        doubt_grace_s=_number(section, "delivery", "doubt_grace_seconds", 1, 86_400, given.doubt_grace_s),
        look_s=_number(section, "delivery", "look_seconds", 0.2, 60, given.look_s),
    )


def _whole(section: Mapping[str, Any], where: str, key: str, default: int, least: int, most: int) -> int:
    value = section.get(key, default)
    if type(value) is not int or not least <= value <= most:
        raise SettingsError(f"{where}.{key} is {value!r}; it must be a whole number from {least} to {most}.")
    return value


def _number(
    section: Mapping[str, Any], where: str, key: str, least: float, most: float, default: float | None = None
) -> float:
    value = section.get(key, default)
    if type(value) not in (int, float) or not least <= value <= most:
        raise SettingsError(f"{where}.{key} is {value!r}; it must be a number from {least} to {most}.")
    return float(value)
