"""What a sign-up form must bring beside its fields: an empty trap, a stamp, a proof of work, and room for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flask import current_app, request

from core import budgets, errors, origins, services
from core.budgets import Charge
from core.database import db
from core.errors import _
from core.settings import Settings
from core.signups import SignupSettings
from core.windows import Windows
from subscribers import flood
from web import forms, proof, stamps

TRAP = "subject"
"""A field that no person sees, and that machines like to fill in."""
_HOUR_S = 3600
_WINDOWS = "postrider windows"

OLD = _("This form lay open for more than two hours. Everything you typed is still here: please send it again.")
FAST = _("This came back faster than anybody can type. Please look at it, and send it again.")
PROVE_AGAIN = _(
    "Your browser has to show once more that it is no machine. Nothing is lost: please send the form again."
)
NO_SCRIPT = _(
    "Without JavaScript we can take only a few forms, and those are used up. Please turn it on and send this again,"
    " come back tomorrow, or write to %(contact)s: then we sign you up."
)
TOO_MANY = _(
    "Many forms have come from your connection. Please send this one again in an hour; tomorrow at the latest."
)


class OfferedAgain(errors.DomainError):
    """The form was not taken; it is offered again with everything in it. `status` is that of the page."""

    def __init__(self, status: int, message: str, **values: object) -> None:
        self.status = status
        super().__init__(message, **values)


@dataclass(frozen=True, slots=True)
class Entry:
    """A form that may come in, and what that costs: its origin, and its proof or the allowance of those without.

    `no_script` is what those without are told when it is used up.
    """

    origin: Sequence[Charge] = ()
    proof: Sequence[Charge] = ()
    without_proof: bool = False
    no_script: str = NO_SCRIPT


def limits() -> SignupSettings:
    """Return what the door lets in."""
    settings: Settings = current_app.extensions["postrider settings"]
    return settings.signup


def is_trapped(values: forms.Values) -> bool:
    """Return whether something that is no person has filled in the form."""
    return bool(values.get(TRAP))


def stamp_of(values: forms.Values, form_id: bytes) -> stamps.Stamp | None:
    """Return the stamp that a form brought back; None when it has none of ours."""
    return stamps.read(values.get("stamp", ""), form_id, services.current().links.tokens)


def check(values: forms.Values, form_id: bytes, *, now: datetime) -> Entry:
    """Return what it costs to take this form. Raises OfferedAgain."""
    refuse_untimely(values, form_id, now=now)
    entry = _proved(values, form_id, now, Entry(_origin_s_day()))
    count_origin()
    return entry


def check_uncounted(values: forms.Values, form_id: bytes, *, kind: str, no_script: str, now: datetime) -> Entry:
    """Return the same for a form of another kind, whose origin a room counts. Raises OfferedAgain."""
    refuse_untimely(values, form_id, now=now)
    return _proved(values, form_id, now, Entry(no_script=no_script), kind)


def refuse_untimely(values: forms.Values, form_id: bytes, *, now: datetime) -> None:
    """Refuse a form that comes back too early or too late, or that is none of ours. Raises OfferedAgain."""
    stamp = stamp_of(values, form_id)
    if stamp is None or stamp.is_old(now):
        raise OfferedAgain(422, OLD)
    if stamp.is_young(now, least_age_s=limits().least_age_s):
        raise OfferedAgain(422, FAST)


def _proved(values: forms.Values, form_id: bytes, now: datetime, entry: Entry, kind: str = "") -> Entry:
    """Look at the proof of work. A browser without JavaScript brings none: of those there is a small allowance."""
    given, keyring = services.current(), services.current().keyring
    if not limits().proof_of_work:
        return entry
    text = values.get("altcha", "")
    if not text:
        return replace(entry, proof=flood.without_proof(request.remote_addr, keyring, kind=kind), without_proof=True)
    signature = proof.verified(text, form_id, given.links.tokens, now=now)
    if signature is None:
        raise OfferedAgain(422, PROVE_AGAIN)
    good_for_s = int(proof.GOOD_FOR.total_seconds())
    return replace(entry, proof=[flood.proof(signature, keyring, good_for_s=good_for_s)])


def _origin_s_day() -> list[Charge]:
    per_day = limits().per_origin_day
    return [flood.form(request.remote_addr, services.current().keyring, per_day=per_day)] if per_day else []


def count_origin() -> None:
    """Count a form of this origin in the short window, before anything is written. Raises OfferedAgain."""
    per_hour = limits().per_origin_hour
    if not per_hour:
        return
    windows: Windows = current_app.extensions[_WINDOWS]
    key = services.current().keyring.blur("form in an hour", origins.counted(request.remote_addr))
    if not windows.hit(key, limit=per_hour, window_s=_HOUR_S):
        raise OfferedAgain(429, TOO_MANY)


def pay(entry: Entry, *, now: datetime) -> None:
    """Spend what a form costs. Raises OfferedAgain when there is no room: then the caller must roll everything back."""
    over = budgets.spend_until_over(db.session(), [*entry.origin, *entry.proof], now=now)
    if over is None:
        return
    if over in entry.origin:
        raise OfferedAgain(429, TOO_MANY)
    if entry.without_proof:
        raise OfferedAgain(429, entry.no_script, contact=services.current().publication.contact)
    raise OfferedAgain(422, PROVE_AGAIN)


def pay_for_form(*, now: datetime) -> None:
    """Spend what any other form that makes mail costs its origin. Raises OfferedAgain."""
    pay(Entry(_origin_s_day()), now=now)
