"""Who sends a story: a reader who comes from their own digest, or somebody who has yet to prove their mailbox."""

from dataclasses import dataclass
from datetime import datetime

from core import addresses, clock, errors, tokens
from core.addresses import Address, Keyring
from core.database import db
from core.services import Services
from sharing.models import ShareEndedToken
from subscribers import preferences

LINK_DAYS = 30
"""How long the link of a digest sends stories; then it leads to the page on which nobody is known."""


@dataclass(frozen=True, slots=True)
class Sender:
    """An address, and how it is proven: by the link of a digest (`link_hash`), or not yet.

    `language` is the reader's; '' for whoever only typed an address.
    """

    address: Address
    subscriber_id: int | None = None
    language: str = ""
    link_hash: bytes | None = None

    @property
    def is_proven(self) -> bool:
        """Return whether the sender has shown that the address is theirs."""
        return self.link_hash is not None


def stranger(address: Address) -> Sender:
    """Return a sender who typed an address: they are asked at it first."""
    return Sender(address)


def by_link(token: str, *, services: Services, now: datetime) -> Sender:
    """Return the reader whose digest holds a link with this token.

    Raises LinkDamaged for one that we did not make, LinkExpired after 30 days, when the reader has left or got new
    links, and when they said that it was not them who sent something by it. The door then shows the plain page.
    """
    read = services.links.tokens.read(tokens.Purpose.SHARE, token)
    reader = preferences.by_key(read.key)
    link_hash = _hash(read, services.keyring)
    if (
        read.version != reader.link_version & 0xFF
        or clock.day_number(now) - read.day > LINK_DAYS
        or reader.state != "active"
        or db.session.get(ShareEndedToken, link_hash) is not None
    ):
        raise errors.LinkExpired
    return Sender(addresses.stored(reader.address), reader.id, reader.language, link_hash)


def _hash(read: tokens.Token, keyring: Keyring) -> bytes:
    return keyring.blur("share link", f"{read.key.hex()} {read.version} {read.day}")
