"""Mails made as the sender makes them, looked at as a receiver does: are their signatures good in this DNS?"""

from dataclasses import dataclass

from checkup import signatures
from checkup.findings import Finding, Level
from core.names import Names

ONE_CLICK = ("list-unsubscribe", "list-unsubscribe-post")
"""What a signature must cover where it is there (RFC 8058, section 4)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A mail of one lane, and what it is in words: `a digest`. `signed` says whether we sign it, or the relay does."""

    lane: str
    title: str
    mail: bytes
    signed: bool


def check_sample(sample: Sample, names: Names) -> Finding | None:
    """Say what becomes of the signatures of a sample; nothing of one that the relay signs."""
    about = f"{sample.lane}: {sample.title}"
    found = signatures.verify(sample.mail, names)
    bad = [one for one in found if one.fault is not None]
    if not sample.signed:
        return None
    if not found:
        text = f"A sample of the lane {sample.lane} ({sample.title}) has no signature, although there are keys."
        return Finding(Level.ERROR, "sample.no_signature", about, text)
    if bad:
        text = (
            f"A sample of the lane {sample.lane} ({sample.title}) does not verify: {bad[0].selector}: {bad[0].fault}."
        )
        return Finding(Level.ERROR, "sample.fails", about, text)
    there = {name.strip().lower().decode("ascii", "replace") for name, _value in _headers(sample.mail)}
    for one in found:
        if missing := [name for name in ONE_CLICK if name in there and name not in one.covered]:
            text = f"The signature {one.selector} of {sample.title} does not cover {' and '.join(missing)} (RFC 8058)."
            return Finding(Level.ERROR, "sample.uncovered", about, text)
    by = " and ".join(f"{one.selector} ({one.algorithm})" for one in found)
    text = f"A sample of the lane {sample.lane} ({sample.title}) verifies against the DNS, signed by {by}."
    return Finding(Level.GOOD, "sample.good", about, text)


def _headers(mail: bytes) -> list[signatures.Header]:
    return signatures.split(mail.partition(b"\r\n\r\n")[0])
