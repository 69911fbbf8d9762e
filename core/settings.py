"""Typed settings, read once at the start from a TOML file and the environment, and refused with a clear sentence."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import available_timezones

from core.errors import SettingsError
from core.identity import MailIdentity, Relay
from core.publication import Publication

ROOT = Path(__file__).resolve().parent.parent
MIN_SECRET = 32
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that an installation chooses. `embedded` means: everything in this one process."""

    publication: Publication
    mail: MailIdentity
    relay: Relay
    database_url: str
    redis_url: str | None
    secret_key: bytes
    hash_key: bytes
    embedded: bool

    def __repr__(self) -> str:
        """Show no secret."""
        return f"Settings({self.publication.base_url}, embedded={self.embedded})"


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises SettingsError, whose text names the setting and what to do."""
    env = os.environ if env is None else env
    table = _read_file(Path(env.get("POSTRIDER_CONFIG") or ROOT / "postrider.toml"))
    return Settings(
        publication=_publication(_section(table, "publication"), env),
        mail=_mail(_section(table, "mail")),
        relay=_relay(_required(env, "SMTP_URL")),
        database_url=_database_url(_required(env, "DATABASE_URL")),
        redis_url=env.get("REDIS_URL") or None,
        secret_key=_secret(env, "SECRET_KEY"),
        hash_key=_secret(env, "HASH_KEY"),
        embedded=not env.get("REDIS_URL"),
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


def _secret(env: Mapping[str, str], name: str) -> bytes:
    value = _required(env, name)
    if len(value) < MIN_SECRET or len(set(value)) < 10 or "change" in value.lower() or "secret" in value.lower():
        cure = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        raise SettingsError(f"{name} is a default or too weak. Make one of your own with: {cure}")
    return value.encode()


def _text(section: Mapping[str, Any], where: str, key: str) -> str:
    value = section.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}.{key} is missing in the configuration.")
    if any(ord(char) < 32 and char != "\n" for char in value):
        raise SettingsError(f"{where}.{key} has a control character in it.")
    return value.strip()


def _texts(section: Mapping[str, Any], where: str, key: str, languages: tuple[str, ...]) -> Mapping[str, str]:
    value = section.get(key)
    table = value if isinstance(value, dict) else {languages[0]: value}
    return {str(language): _text({key: text}, where, key) for language, text in table.items()}


def _publication(section: Mapping[str, Any], env: Mapping[str, str]) -> Publication:
    languages = tuple(str(code) for code in section.get("languages", ["en"]))
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
        postal_address=_text(section, "publication", "postal_address"),
        base_url=_base_url(env.get("BASE_URL") or _text(section, "publication", "base_url")),
        languages=languages,
        zone=zone,
        contact=_text(section, "publication", "contact"),
    )


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    local = parts.hostname in LOOPBACK
    if not parts.hostname or parts.scheme not in ("http", "https") or (parts.scheme == "http" and not local):
        raise SettingsError(f"The base URL {url!r} must be an https address (http is for this machine only).")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingsError(f"The base URL {url!r} must end after the host name.")
    return url.rstrip("/")


def _mail(section: Mapping[str, Any]) -> MailIdentity:
    sender = _text(section, "mail", "sender")
    feedback = _text(section, "mail", "feedback_sender")
    if sender.count("@") != 1 or not sender.isascii() or " " in sender:
        raise SettingsError(f"mail.sender {sender!r} must be one plain address, like news@example.org.")
    if not (5 <= len(feedback) <= 15 and feedback.isascii() and feedback.isalnum()):
        raise SettingsError("mail.feedback_sender must be 5 to 15 letters and digits (it ends the Feedback-ID header).")
    return MailIdentity(
        sender=sender,
        domain=_text(section, "mail", "domain"),
        bounce_domain=_text(section, "mail", "bounce_domain"),
        feedback_sender=feedback,
    )


def _database_url(url: str) -> str:
    """Return the URL with psycopg 3 named as the driver, however PostgreSQL was spelled."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url[len(prefix) :]
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise SettingsError("DATABASE_URL must begin with postgresql:// or sqlite:///.")
    return url


def _relay(url: str) -> Relay:
    """Read smtp://user:password@host:port, smtps://… (TLS from the start), with ?ca=file for a private CA.

    A host that is not this machine is spoken to in TLS only: smtp:// then means STARTTLS (RFC 3207).
    """
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise SettingsError("SMTP_URL must read like smtp://user:password@relay.example.org:587 or smtps://….")
    query = parse_qs(parts.query)
    plain = parts.hostname in LOOPBACK and "starttls" not in query
    security = "tls" if parts.scheme == "smtps" else "none" if plain else "starttls"
    return Relay(
        host=parts.hostname,
        port=parts.port or {"tls": 465, "starttls": 587, "none": 25}[security],
        security=security,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ca_file=query["ca"][0] if "ca" in query else None,
    )
