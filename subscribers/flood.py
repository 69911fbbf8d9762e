"""How much mail the form can be made to send: what each answer costs whom, and whether there is room for it."""

from datetime import timedelta

from core import addresses, budgets, origins
from core.addresses import Keyring
from core.budgets import Charge
from core.database import db

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
CONFIRMATIONS = ((_DAY_S, 1), (30 * _DAY_S, 3))
"""Seconds and mails: what an inbox gets that did not ask us for anything, over all digests."""
FRESH_LINKS = ((120, 1), (_DAY_S, 3), (30 * _DAY_S, 10))
"""The same for a reader's own wish for a fresh link. Asked again within two minutes, the mail is on its way already."""
WITHOUT_PROOF_DAY = 1
WITHOUT_PROOF_HOUR = 20
"""Forms without proof of work, from browsers without JavaScript: of one origin in a day, of all in an hour."""
DOMAIN_WAIT = timedelta(minutes=10)
"""A mail domain that got as many confirmations as it may gets the next ones later; none is lost."""


def confirmation(address: addresses.Address, keyring: Keyring) -> list[Charge]:
    """Return what one answer to a sign-up costs its inbox."""
    key = keyring.blur("confirmation", addresses.inbox(address))
    return [Charge(key, window_s, limit) for window_s, limit in CONFIRMATIONS]


def fresh_link(address: addresses.Address, keyring: Keyring) -> list[Charge]:
    """Return what one answer to a wish for a fresh link costs its inbox."""
    key = keyring.blur("fresh link", addresses.inbox(address))
    return [Charge(key, window_s, limit) for window_s, limit in FRESH_LINKS]


def domain(address: addresses.Address, keyring: Keyring, *, per_hour: int) -> Charge:
    """Return what a confirmation costs the domain that takes it in."""
    return Charge(keyring.blur("domain", addresses.inbox(address).rpartition("@")[2]), _HOUR_S, per_hour)


def form(origin: str | None, keyring: Keyring, *, per_day: int) -> Charge:
    """Return what a form that is sent costs the origin it comes from."""
    return Charge(keyring.blur("form", origins.counted(origin)), _DAY_S, per_day)


def without_proof(origin: str | None, keyring: Keyring, *, kind: str = "") -> list[Charge]:
    """Return what a form without proof of work costs beyond that: its origin, and the site.

    Forms of another `kind` than sign-ups have an allowance of their own: neither can be used up through the other.
    """
    counted = f"{kind} without proof".lstrip()
    return [
        Charge(keyring.blur(counted, origins.counted(origin)), _DAY_S, WITHOUT_PROOF_DAY),
        Charge(keyring.blur(counted, "of all"), _HOUR_S, WITHOUT_PROOF_HOUR),
    ]


def proof(signature: str, keyring: Keyring, *, good_for_s: int) -> Charge:
    """Return what a proof of work costs itself: it can be used once, for as long as it is good."""
    return Charge(keyring.blur("proof", signature), good_for_s, 1)


def forgive(address: addresses.Address, keyring: Keyring) -> None:
    """Give an inbox its confirmations back: whoever confirmed wants our mail, and may ask for another digest today."""
    budgets.give_back(db.session(), confirmation(address, keyring))
