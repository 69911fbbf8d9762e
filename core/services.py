"""What a door passes down into the rooms: who publishes, and how links, addresses and mails are made."""

from dataclasses import dataclass, field

from flask import current_app  # noqa: TID251 - how the doors find what create_app made

from core.addresses import Keyring
from core.dkimkeys import SigningKeys
from core.identity import MailIdentity
from core.links import Links
from core.publication import Publication
from core.settings import Settings
from core.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Services:
    """What rooms use of the settings, ready to use."""

    publication: Publication
    links: Links
    keyring: Keyring
    identity: MailIdentity
    dkim: SigningKeys = field(default_factory=SigningKeys)
    composing_parts: int = 1


def from_settings(settings: Settings) -> Services:
    """Return the services of an installation."""
    return Services(
        publication=settings.publication,
        links=Links(settings.publication.base_url, Tokens(settings.secret_key, settings.older_secret_keys)),
        keyring=Keyring(settings.hash_key),
        identity=settings.mail,
        dkim=settings.dkim,
        composing_parts=settings.composing_parts,
    )


def current() -> Services:
    """Return the services of the running application; for doors only."""
    services: Services = current_app.extensions["postrider"]
    return services
