"""Complaints: what a reader's provider reports when the reader presses *spam* (ARF, RFC 5965)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from delivery.signals import Kind
from returns import mime
from returns.mime import Part

KIND = "message/feedback-report"
_NO_COMPLAINTS = {"auth-failure": "It reports a failed authentication (RFC 6591), and no reader."}
_OURS = ("original-mail-from", "original-envelope-id")


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a report says. `kind` is None where it is of no reader; `why` says so then."""

    kind: Kind | None
    text: str
    places: Sequence[str]
    why: str = ""


def read(mail: Part) -> Feedback | None:
    """Return what a feedback report says, None when the mail is none.

    `not-spam` is the reverse of a complaint. Any other type is one, also `other` and those that nobody has registered
    (section 7.3): the reader's address is often blacked out, so only our token says who it was.
    """
    found = next((part for part in mail.own() if part.kind == KIND), None)
    if found is None:
        return None
    said = mime.fields(found.octets().lstrip(b"\r\n"))
    type_ = next((value for name, value in said if name == "feedback-type"), "").strip().lower()
    word = re.match(r"[a-z0-9-]{0,40}", type_)
    named = word[0] if word else ""
    places = [value for name, value in said if name in _OURS]
    why = _NO_COMPLAINTS.get(named, "")
    if why:
        return Feedback(None, named, places, why)
    return Feedback(Kind.NOT_SPAM if named == "not-spam" else Kind.COMPLAINT, named or "other", places)
