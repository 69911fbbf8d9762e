"""What one mail is that came back: a report with its signal, a wish to leave, a letter, or nothing that can be read."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.tokens import Tokens
from delivery import verp
from delivery.signals import Kind, Signal
from returns import bounces, dsn, envelope, feedback, letters, mime
from returns.envelope import Named
from returns.letters import Letter
from returns.mime import Part

SEVERAL = "It names several of our mails, so it may act on none."
NOBODYS = "It names no mail of ours."


@dataclass(frozen=True, slots=True)
class Found:
    """What a mail was. `kind` is empty for one that could not be read; `why` says why that is, or why nothing follows.

    A letter has no signal. `mail` is what it was read from, for whoever has to answer it.
    """

    kind: str
    mail: Part
    signal: Signal | None = None
    why: str = ""

    @property
    def readable(self) -> bool:
        """Return whether it is known what it was."""
        return bool(self.kind)


def read(raw: bytes, *, tokens: Tokens) -> Found:
    """Read a mail, of which returns.mime.MAX_OCTETS count. Never raises, whatever is in it."""
    mail = mime.parse(raw)
    for look in (_notification, _complaint, _leaving, _bounce):
        found = look(mail, tokens)
        if found is not None:
            return found
    return _letter(mail, tokens)


def _notification(mail: Part, tokens: Tokens) -> Found | None:
    report = dsn.read(mail)
    return None if report is None else _told(mail, report, tokens, source="dsn")


def _told(mail: Part, report: dsn.Report, tokens: Tokens, *, source: str) -> Found:
    """Return a bounce or its like, with the token of the one mail that it is about."""
    about = _about(mail, report.places, tokens)
    if isinstance(about, str):
        return Found("", mail, why=about)
    token = _token(about, tokens)
    signal = Signal(report.kind, token, source, code=report.code, status=report.status, text=report.text)
    return Found(report.kind.value, mail, signal)


def _complaint(mail: Part, tokens: Tokens) -> Found | None:
    report = feedback.read(mail)
    if report is None:
        return None
    if report.kind is None:
        return Found("report", mail, why=report.why)
    # It may have lost the envelope; then the address to leave by names its mail.
    about = _about(mail, report.places, tokens, prefixes=(verp.PREFIX, verp.LEAVE_PREFIX))
    if isinstance(about, str):
        return Found("", mail, why=about)
    return Found(report.kind.value, mail, Signal(report.kind, _token(about, tokens), "arf", text=report.text))


def _about(
    mail: Part, places: Iterable[str], tokens: Tokens, *, prefixes: tuple[str, ...] = (verp.PREFIX,)
) -> Named | str:
    """Return what a report is about: by its envelope, else by what is in it. What it is when it is not one is a why.

    Whoever has a copy of a mail has the address to leave by, which must not become that of its bounces.
    """
    outside = envelope.outside(mail, tokens=tokens)
    inside = Named()
    if not outside:
        inside = envelope.named([*places, *envelope.returned(mail)], tokens=tokens, prefixes=prefixes)
    for found in (outside, inside):
        if len(found.deliveries) > 1:
            return SEVERAL
        if found:
            return found
    foreign = outside.foreign or inside.foreign
    return Named(foreign=foreign) if foreign else NOBODYS


def _token(about: Named, tokens: Tokens) -> str:
    """Return the token of the delivery, as its envelope sender has it; one that is not ours as it came."""
    return next((verp.token(one, tokens=tokens) for one in about.deliveries), about.foreign)


def _leaving(mail: Part, tokens: Tokens) -> Found | None:
    """Return a wish to leave: whatever came to such an address, whoever wrote it and whatever is in it."""
    about = envelope.outside(mail, tokens=tokens, prefix=verp.LEAVE_PREFIX)
    if len(about.deliveries) > 1:
        return Found("", mail, why=SEVERAL)
    for one in about.deliveries:
        token = verp.token(one, tokens=tokens, prefix=verp.LEAVE_PREFIX)
        return Found(Kind.LEAVE.value, mail, Signal(Kind.LEAVE, token, "mail"))
    if about.foreign:
        return Found(Kind.LEAVE.value, mail, Signal(Kind.LEAVE, about.foreign, "mail"))
    return None


def _bounce(mail: Part, tokens: Tokens) -> Found | None:
    """Return a bounce in some older form. A letter that says that somebody is away is none."""
    if letters.looks_automatic(mail) or not _may_be_bounce(mail, tokens):
        return None
    report = bounces.read(mail)
    return None if report is None else _told(mail, report, tokens, source="text")


def _may_be_bounce(mail: Part, tokens: Tokens) -> bool:
    """Say whether it came to an envelope sender of ours, or from a program: a person may quote a bounce."""
    return bool(envelope.outside(mail, tokens=tokens)) or letters.is_automatic(mail)


def _letter(mail: Part, tokens: Tokens) -> Found:
    if not mail.headers:
        return Found("", mail, why="It has no headers, so it is no mail.")
    what = letters.read(mail)
    if what in (Letter.AUTO_REPLY, Letter.CHALLENGE):
        return Found(what.value, mail)
    if envelope.outside(mail, tokens=tokens) or mail.kind == "multipart/report":
        return Found("", mail, why="It is a bounce or came to an address for bounces, and is none that we can read.")
    return Found("reply" if what is Letter.PERSON else what.value, mail)
