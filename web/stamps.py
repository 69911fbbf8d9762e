"""When a form was handed out: a signed time stamp that it brings back."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core import errors, tokens
from core.tokens import Tokens

OLDEST = timedelta(hours=2)
_PURPOSE = "form stamp"
_SECONDS_BYTES = 5


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a form was handed out, and whether it was offered again: then its age has been looked at already."""

    at: datetime
    again: bool

    def is_old(self, now: datetime) -> bool:
        """Return whether the form lay open for longer than we like to wait."""
        return now > self.at + OLDEST

    def is_young(self, now: datetime, *, least_age_s: int) -> bool:
        """Return whether it came back sooner than a person can fill it in."""
        return not self.again and now < self.at + timedelta(seconds=least_age_s)


def stamp(form_id: bytes, signer: Tokens, *, now: datetime, again: bool) -> str:
    """Return the stamp of a form that is handed out now."""
    payload = int(now.timestamp()).to_bytes(_SECONDS_BYTES, "big") + bytes((again,))
    return tokens.encode(payload + signer.mac(_PURPOSE, payload + form_id))


def read(text: str, form_id: bytes, signer: Tokens) -> Stamp | None:
    """Return what a stamp says; None when there is none, or it is not of this form, or not ours."""
    try:
        raw = tokens.decode(text) if len(text) <= 64 and text.isascii() else b""
    except errors.LinkDamaged:
        return None
    payload, mac = raw[: -tokens.MAC_BYTES], raw[-tokens.MAC_BYTES :]
    if len(payload) != _SECONDS_BYTES + 1 or not hmac.compare_digest(mac, signer.mac(_PURPOSE, payload + form_id)):
        return None
    at = datetime.fromtimestamp(int.from_bytes(payload[:-1], "big"), tz=UTC)
    return Stamp(at, again=bool(payload[-1]))
