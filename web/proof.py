"""Proof of work after the protocol of ALTCHA, version 2: a form costs its browser a moment, a million cost days."""

import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import Any

import altcha

from core.tokens import Tokens

GOOD_FOR = timedelta(hours=2)
"""As long as the form itself (web.stamps): whoever writes slowly must not have to prove it twice."""
LONGEST = 4096
"""Characters of a proof. A true one has about 800."""
ALGORITHM = "PBKDF2/SHA-256"
COST = 2000
_PREFIX = "00"
"""One key of 256 begins with it: about 256 tries of 2,000 rounds each. Verifying takes one."""


def challenge(form_id: bytes, signer: Tokens, *, now: datetime) -> str:
    """Return the challenge for one form, as JSON: signed, bound to that form, good for two hours."""
    made = altcha.create_challenge(
        ALGORITHM,
        COST,
        key_prefix=_PREFIX,
        expires_at=now + GOOD_FOR,
        data={"form": form_id.hex()},
        hmac_secret=secret(signer),
    )
    return json.dumps(made.to_dict(), separators=(",", ":"))


def verified(text: str, form_id: bytes, signer: Tokens, *, now: datetime) -> str | None:
    """Return the signature of the challenge that was solved for this form; None when it was not.

    That it is used once is not seen here: whoever takes the form spends the signature (subscribers.flood).
    """
    payload = _read(text)
    if payload is None or payload.challenge.parameters.data != {"form": form_id.hex()}:
        return None
    expires_at = payload.challenge.parameters.expires_at
    if not isinstance(expires_at, int) or expires_at <= now.timestamp():
        return None
    try:
        result = altcha.verify_solution(payload, secret(signer))
    except (ValueError, TypeError, OverflowError):
        # What is not signed is not computed with; what else the library trips over was not made by our script.
        return None
    return payload.challenge.signature if result.verified else None


def _read(text: str) -> altcha.Payload | None:
    if len(text) > LONGEST or not text.isascii() or not text:
        return None
    try:
        table: Any = json.loads(base64.b64decode(text, validate=True))
        return altcha.Payload(
            challenge=altcha.Challenge.from_dict(table["challenge"]),
            solution=altcha.Solution.from_dict(table["solution"]),
        )
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def secret(signer: Tokens) -> bytes:
    """Return what challenges are signed with."""
    return signer.mac("proof of work", b"altcha 2")
