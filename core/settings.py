"""Typed settings, read once at the start from a TOML file and the environment, and refused with a clear sentence."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from core import alerting, characters, checkups, dkimkeys, limits, mailboxes, relays, shares, signups, webhooks
from core.alerting import AlertSettings
from core.checkups import CheckupSettings
from core.dkimkeys import SigningKeys
from core.errors import SettingsError
from core.identity import LANES, LaneSender, MailIdentity, PostOffice
from core.limits import ReturnLimits
from core.mailboxes import ReturnSettings
from core.publication import Publication, QuietHours
from core.shares import ShareSettings
from core.signups import SignupSettings
from core.webhooks import WebhookSettings

ROOT = Path(__file__).resolve().parent.parent
MIN_SECRET = 32
MIN_METRICS_TOKEN = 16
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that an installation chooses. Without `redis_url` the queue is in the process itself.

    `trusted_proxies` is how many proxies of ours stand before the site: only then is what they say of a visitor's
    address believed. Without `metrics_token` there are no metrics to be had. `state_dir` is this host's own folder,
    outside the database. A large wave is composed in `composing_parts` by as many workers.
    """

    publication: Publication
    mail: MailIdentity
    post: PostOffice
    database_url: str
    redis_url: str | None
    secret_key: bytes
    hash_key: bytes
    consent_key: bytes
    older_secret_keys: tuple[bytes, ...] = ()
    trusted_proxies: int = 0
    composing_parts: int = 2
    metrics_token: bytes | None = None
    alerts: AlertSettings = field(default_factory=AlertSettings)
    dkim: SigningKeys = field(default_factory=SigningKeys)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    returns: ReturnSettings = field(default_factory=ReturnSettings)
    limits: ReturnLimits = field(default_factory=ReturnLimits)
    checkup: CheckupSettings = field(default_factory=CheckupSettings)
    signup: SignupSettings = field(default_factory=SignupSettings)
    sharing: ShareSettings = field(default_factory=ShareSettings)
    state_dir: Path = ROOT / "var"

    def __repr__(self) -> str:
        """Show no secret."""
        return f"Settings({self.publication.base_url})"


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises SettingsError, whose text names the setting and what to do."""
    env = os.environ if env is None else env
    table = _read_file(Path(env.get("POSTRIDER_CONFIG") or ROOT / "postrider.toml"))
    lanes = relays.read_lanes(table)
    post = relays.read_post_office(table, env, lanes)
    mail = _mail(_section(table, "mail"), lanes, post)
    publication = _publication(_section(table, "publication"), env)
    senders = {mail.sender_of(lane) for lane in LANES}
    return Settings(
        publication=publication,
        mail=mail,
        post=post,
        database_url=_database_url(_required(env, "DATABASE_URL")),
        redis_url=_redis_url(env.get("REDIS_URL", "").strip()),
        secret_key=_secret(env, "SECRET_KEY"),
        hash_key=_secret(env, "HASH_KEY"),
        consent_key=_secret(env, "CONSENT_KEY"),
        older_secret_keys=_older_secrets(env, "SECRET_KEYS_OLD"),
        trusted_proxies=_count(env, "TRUSTED_PROXIES"),
        composing_parts=_count(env, "COMPOSING_PARTS", least=1, otherwise=2),
        metrics_token=_metrics_token(env.get("METRICS_TOKEN", "").strip()),
        alerts=alerting.read_alerts(env),
        dkim=dkimkeys.read_dkim(table, mail),
        webhooks=webhooks.read_webhooks(env),
        returns=mailboxes.read_returns(env, contact=publication.contact, senders=senders),
        limits=limits.read_limits(table),
        checkup=checkups.read_checkup(table, base_url=publication.base_url, mail=mail),
        signup=signups.read_signups(table),
        sharing=shares.read_shares(table),
        state_dir=Path(env.get("STATE_DIR", "").strip() or ROOT / "var").resolve(),
    )


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(
            f"There is no {path}. Copy postrider.example.toml there, or set POSTRIDER_CONFIG."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error


def _section(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = table.get(name)
    if not isinstance(section, dict):
        raise SettingsError(f"The configuration has no [{name}] section.")
    return section


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set. docs/settings.md says what it is for.")
    return value


def _count(env: Mapping[str, str], name: str, *, least: int = 0, otherwise: int = 0) -> int:
    value = env.get(name, "").strip() or str(otherwise)
    if not (value.isascii() and value.isdecimal()) or not least <= int(value) <= 9:
        raise SettingsError(f"{name} is {value!r}; it must be a number from {least} to 9.")
    return int(value)


def _secret(env: Mapping[str, str], name: str) -> bytes:
    value = _required(env, name)
    if len(value) < MIN_SECRET or len(set(value)) < 10 or "change" in value.lower() or "secret" in value.lower():
        cure = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        raise SettingsError(f"{name} is a default or too weak. Make one of your own with: {cure}")
    return value.encode()


def _older_secrets(env: Mapping[str, str], name: str) -> tuple[bytes, ...]:
    """Return the keys that signed links before, newest first: each was a SECRET_KEY, so each must be as good."""
    listed = [one.strip() for one in env.get(name, "").split(",") if one.strip()]
    return tuple(_secret({name: one}, name) for one in listed)


def _metrics_token(value: str) -> bytes | None:
    """Return what a request for the metrics must carry; it stands in a header, so it is plain ASCII."""
    if value and (len(value) < MIN_METRICS_TOKEN or not value.isascii() or not value.isprintable() or " " in value):
        cure = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        raise SettingsError(
            f"METRICS_TOKEN must be at least {MIN_METRICS_TOKEN} ASCII characters without spaces. Make one with: {cure}"
        )
    return value.encode() or None


def _text(section: Mapping[str, Any], where: str, key: str, *, lines: bool = False) -> str:
    """Return a text of the configuration: on one line, since it may stand in a header, unless it may have `lines`."""
    value = section.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}.{key} is missing in the configuration.")
    text = value.strip().replace("\r\n", "\n")
    checked = text.replace("\n", "") if lines else text
    if characters.has_controls(checked):
        raise SettingsError(f"{where}.{key} has a line break or a control character in it.")
    return text


def _texts(section: Mapping[str, Any], where: str, key: str, languages: tuple[str, ...]) -> Mapping[str, str]:
    value = section.get(key)
    table = value if isinstance(value, dict) else {languages[0]: value}
    if languages[0] not in table:
        raise SettingsError(f"{where}.{key} has no text in the first language, {languages[0]}.")
    return {str(language): _text({key: text}, where, key) for language, text in table.items()}


def _languages(section: Mapping[str, Any]) -> tuple[str, ...]:
    codes = section.get("languages", ["en"])
    if not isinstance(codes, list) or not codes:
        raise SettingsError('publication.languages must be a list of language codes, like ["en", "ar"].')
    for code in codes:
        try:
            Locale.parse(str(code), sep="-")
        except (ValueError, UnknownLocaleError) as error:
            raise SettingsError(
                f"publication.languages: there is no language {code!r}. Write it like en, ar or zh-Hant."
            ) from error
    return tuple(codes)


def _publication(section: Mapping[str, Any], env: Mapping[str, str]) -> Publication:
    languages = _languages(section)
    zone = _text(section, "publication", "zone")
    if zone not in available_timezones():
        raise SettingsError(f"publication.zone: there is no time zone {zone!r}. Write it like Asia/Hong_Kong.")
    if not section.get("postal_address"):
        raise SettingsError(
            "publication.postal_address is missing. The law of most countries asks for it in every mail."
        )
    return Publication(
        names=_texts(section, "publication", "name", languages),
        mottoes=_texts(section, "publication", "motto", languages),
        postal_address=_text(section, "publication", "postal_address", lines=True),
        base_url=_base_url(env.get("BASE_URL", "").strip() or _text(section, "publication", "base_url")),
        languages=languages,
        zone=zone,
        contact=_text(section, "publication", "contact"),
        quiet=_quiet(section.get("quiet_hours", "22:00-06:00")),
    )


def _quiet(value: object) -> QuietHours:
    """Read `22:00-06:00`; an empty text is none at all."""
    if value == "":
        return QuietHours(0, 0)
    found = _HOURS.fullmatch(str(value))
    if found is None:
        raise SettingsError('publication.quiet_hours must read like "22:00-06:00", or be "" for none.')
    begin, until = (60 * int(found[part]) + int(found[part + 1]) for part in (1, 3))
    return QuietHours(begin, until)


def _base_url(url: str) -> str:
    parts = relays.split_url(url)
    if parts is None or "@" in parts.netloc or parts.scheme not in ("http", "https"):
        raise SettingsError("The base URL must read like https://news.example.org (an IDN in its xn-- form).")
    if parts.scheme == "http" and parts.hostname not in relays.LOOPBACK:
        raise SettingsError(f"The base URL {url!r} must be an https address (http is for this machine only).")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingsError(f"The base URL {url!r} must end after the host name.")
    return f"{parts.scheme}://{parts.netloc}"


def _mail(section: Mapping[str, Any], lanes: Mapping[str, LaneSender], post: PostOffice) -> MailIdentity:
    feedback = _text(section, "mail", "feedback_sender")
    if not (5 <= len(feedback) <= 15 and feedback.isascii() and feedback.isalnum()):
        raise SettingsError("mail.feedback_sender must be 5 to 15 letters and digits (it ends the Feedback-ID header).")
    return MailIdentity(
        sender=relays.plain_address("mail.sender", _text(section, "mail", "sender")),
        domain=relays.domain("mail.domain", _text(section, "mail", "domain")),
        bounce_domain=relays.domain("mail.bounce_domain", _text(section, "mail", "bounce_domain")),
        feedback_sender=feedback,
        lanes=lanes,
        mail_services={name: relay.service for name, relay in post.relays.items() if relay.service},
    )


def _database_url(url: str) -> str:
    """Return the URL with psycopg 3 named as the driver, however PostgreSQL was spelled."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            url = "postgresql+psycopg://" + url[len(prefix) :]
    try:
        make_url(url)
    except (ArgumentError, ValueError) as error:
        raise SettingsError("DATABASE_URL must read like postgresql://user:password@host:5432/name.") from error
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise SettingsError("DATABASE_URL must begin with postgresql:// or sqlite:///.")
    return url


def _redis_url(url: str) -> str | None:
    if url and (relays.split_url(url) is None or not url.startswith(("redis://", "rediss://"))):
        raise SettingsError("REDIS_URL must read like redis://:password@host:6379/0, or rediss://… for TLS.")
    return url or None
