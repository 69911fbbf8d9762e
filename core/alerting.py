"""The settings of what operators are told: over which channels, how often again, and from when on."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from core import hosts, relays
from core.errors import SettingsError
from core.identity import Relay


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Each channel may be missing; without any, alerts stand in the table and in the log alone.

    `repeat` is how long an alert rests until it is told again. A mail that is due and waits for longer than `queue` is
    a trouble, system mail for longer than `urgent`; so are more than `doubts` mails in doubt.
    """

    webhook: str | None = None
    command: tuple[str, ...] = ()
    relay: Relay | None = None
    to: tuple[str, ...] = ()
    repeat: timedelta = timedelta(minutes=15)
    queue: timedelta = timedelta(minutes=30)
    urgent: timedelta = timedelta(minutes=5)
    doubts: int = 20

    def __repr__(self) -> str:
        """Show no secret: both the webhook's address and the command's arguments may be one."""
        channels = {"webhook": self.webhook, "command": self.command, "mail": self.relay}
        return f"AlertSettings({', '.join(name for name, value in channels.items() if value)})"


def read_alerts(env: Mapping[str, str]) -> AlertSettings:
    """Read the ALERT_… settings. Raises SettingsError, whose text names the setting and shows no secret."""
    given = AlertSettings()
    relay, to = _mail(env)
    return AlertSettings(
        webhook=_webhook(env.get("ALERT_WEBHOOK", "").strip()),
        command=_command(env.get("ALERT_COMMAND", "")),
        relay=relay,
        to=to,
        repeat=_minutes("ALERT_REPEAT_MINUTES", env.get("ALERT_REPEAT_MINUTES", ""), given.repeat),
        queue=_minutes("ALERT_QUEUE_MINUTES", env.get("ALERT_QUEUE_MINUTES", ""), given.queue),
        urgent=_minutes("ALERT_URGENT_MINUTES", env.get("ALERT_URGENT_MINUTES", ""), given.urgent),
        doubts=_number("ALERT_DOUBTS", env.get("ALERT_DOUBTS", ""), given.doubts, 0, 1_000_000),
    )


def _webhook(url: str) -> str | None:
    if not url:
        return None
    try:
        hosts.parse(url, any_port=True)
    except ValueError as error:
        raise SettingsError(f"ALERT_WEBHOOK must read like https://alerts.example.org/hook: {error}.") from error
    return url


def _command(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise SettingsError("ALERT_COMMAND has a quote or a backslash that nothing follows.") from error


def _mail(env: Mapping[str, str]) -> tuple[Relay | None, tuple[str, ...]]:
    url, to = env.get("ALERT_SMTP_URL", "").strip(), env.get("ALERT_TO", "").strip()
    if bool(url) != bool(to):
        raise SettingsError("ALERT_SMTP_URL and ALERT_TO belong together: a second relay, and whom it mails.")
    if not url:
        return None, ()
    readers = tuple(relays.plain_address("ALERT_TO", one.strip()) for one in to.split(","))
    return relays.at_url("ALERT_SMTP_URL", url), readers


def _minutes(name: str, text: str, default: timedelta) -> timedelta:
    return timedelta(minutes=_number(name, text, int(default.total_seconds() // 60), 1, 1440))


def _number(name: str, text: str, default: int, least: int, most: int) -> int:
    value = text.strip() or str(default)
    if not (value.isascii() and value.isdecimal() and len(value) <= 9 and least <= int(value) <= most):
        raise SettingsError(f"{name} is {text.strip()!r}; it must be a whole number from {least} to {most}.")
    return int(value)
