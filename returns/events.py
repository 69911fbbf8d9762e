"""What every mail service's module turns what it got into: events to be kept, and what each of them says."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery import replies
from delivery.signals import Kind, Signal

ECHO = "postrider"
"""The name under which a service gives our token back (delivery.echo)."""
AHEAD = timedelta(minutes=5)
"""So much may a service's clock be ahead of ours."""
_MAX_TOKEN = 64
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
"""An enhanced code (RFC 3463, section 2)."""
_REPLY = re.compile(
    r"\s*(?:smtp;\s*)?(?:([245]\d\d)(?![^\s-]))?[\s#-]*(?:([245]\.\d{1,3}\.\d{1,3})(?!\.?\d))?", re.IGNORECASE
)
"""How the words of an SMTP server begin. Further on, what looks like an enhanced code may be a version."""
_NOTHING_SAID = re.compile(r"[245]\.0\.0")


class Refused(Exception):
    """A request that is not from the service, or no longer. Its text says why, in English, for operators."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to a webhook: its octets as they came, its headers by their names in lower case, and when it came."""

    raw: bytes
    headers: Mapping[str, str]
    now: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One event that came: `name` is what the service calls it, unique for ever, `raw` its octets."""

    name: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What an event says. Without a signal it changes nothing, and `why` says why.

    One that `asks` waits for a person.
    """

    kind: str
    signal: Signal | None = None
    why: str | None = None
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a service's own word means. Without a kind it changes nothing, and `why` says why.

    The class is decided by the words of who refused the mail, where the service repeats them. `status` is the enhanced
    code (RFC 3463) where those have none, `silent` the one where there are no words at all. `ours` is the service's
    judgement that we were refused, not the reader: then a code that blames the address does not count.
    """

    kind: Kind | None
    status: str = ""
    silent: str = ""
    ours: bool = False
    why: str = ""


def nothing(why: str) -> Meaning:
    """Return the meaning of a word that changes nothing."""
    return Meaning(None, why=why)


NOT_FRESH = nothing("The service no longer mails this address: no fresh bounce.")
NO_BOUNCE = nothing("An answer, not a bounce.")
NOT_ASKED = nothing("Nothing that we need to know.")
UNSUBSCRIBED = Meaning(Kind.LEAVE)
"""The reader left by a link of the service, not by ours."""
UNKNOWN = nothing("A word of the service that we do not know.")


def whole(raw: bytes) -> list[Event]:
    """Return what cannot be taken apart as one event under its own hash: whoever works it off sets it aside."""
    return [Event(hashlib.sha256(raw).digest(), raw)]


def signal_of(
    meaning: Meaning,
    *,
    source: str,
    token: str,
    status: str = "",
    code: int | None = None,
    words: str = "",
    said_at: datetime | None = None,
) -> Reading:
    """Return the reading of an event. `words` are those of who refused the mail, the codes those beside them."""
    if meaning.kind is None:
        return Reading("nothing", why=meaning.why)
    if not token:
        return Reading(meaning.kind.value, why="It carries no token of ours.")
    in_code, in_status = _said(words)
    made = Signal(
        kind=meaning.kind,
        token=token[:_MAX_TOKEN],
        source=source,
        code=in_code or code,
        status=_status(meaning, (status.strip(), in_status), words) if meaning.kind is Kind.BOUNCE else "",
        text=replies.short(words),
        at=said_at,
    )
    return Reading(meaning.kind.value, made)


def _said(words: str) -> tuple[int | None, str]:
    """Return the code and the enhanced code that words begin with."""
    found = _REPLY.match(words)
    code, status = found.groups() if found else (None, None)
    return (int(code) if code else None), status or ""


def _status(meaning: Meaning, codes: tuple[str, ...], words: str) -> str:
    """Return the enhanced code that tells most; `5.0.0` tells nothing."""
    there = [one for one in codes if _STATUS.fullmatch(one)]
    telling = next((one for one in there if not _NOTHING_SAID.fullmatch(one)), "")
    if telling and not (meaning.ours and telling.startswith("5.1.")):
        return telling
    if meaning.status:
        return meaning.status
    return meaning.silent if not words.strip() else next(iter(there), "")
