"""Delivery status notifications, by the standard: RFC 3464, and RFC 6533 for addresses that are not ASCII.

Bounces in no standard form are read in returns/bounces.py.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from delivery import replies
from delivery.signals import Kind
from returns import mime
from returns.mime import Part

KINDS = ("message/delivery-status", "message/global-delivery-status")
MOST_RECIPIENTS = 50
"""Our mails have one recipient; an alias may have made some of it."""
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?=[\s-]|$)")
_TYPED = re.compile(r"\s*([A-Za-z0-9-]{1,40})\s*;\s*(.*)", re.DOTALL)
_GENERAL = re.compile(r"[245]\.0\.0")
_ACTIONS: Mapping[str, Kind] = {
    "failed": Kind.BOUNCE,
    "error": Kind.BOUNCE,
    "delayed": Kind.DELAYED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.DELIVERED,
    "expanded": Kind.DELIVERED,
}
"""RFC 3464, section 2.3.3; `error` is what OpenSMTPD once wrote."""
_MILDNESS = (Kind.DELIVERED, Kind.DELAYED, Kind.BOUNCE)


@dataclass(frozen=True, slots=True)
class Report:
    """What a notification says of one mail. `status` is empty where nobody gave one; `places` may name its sender."""

    kind: Kind
    code: int | None
    status: str
    text: str
    places: Sequence[str]


def read(mail: Part) -> Report | None:
    """Return what a notification says, None when the mail is none or says nothing of any recipient.

    Where it speaks of several recipients an alias has spread our mail: what is best for the reader counts.
    """
    found = [part for part in mail.own() if part.kind in KINDS]
    if not found:
        return None
    blocks = list(_blocks(found[0].octets()))
    per_mail = blocks[0] if blocks else {}
    told = [one for one in map(_recipient, blocks) if one is not None]
    if not told:
        return None
    kind, code, status, text = min(told, key=_mildness)
    places = [value for name, value in per_mail.items() if name.startswith("x-") or name == "original-envelope-id"]
    return Report(kind, code, status, text, places)


def _mildness(told: tuple[Kind, int | None, str, str]) -> tuple[int, str]:
    kind, _code, status, _text = told
    return _MILDNESS.index(kind), status or "4.9"


def _blocks(octets: bytes) -> Iterator[Mapping[str, str]]:
    """Yield the groups of fields, which blank lines part. The first is about the mail, if it names no recipient."""
    text = re.sub(rb"\n[ \t]+(?=\n)", b"\n", octets.replace(b"\r\n", b"\n")).strip(b"\n")
    for number, block in enumerate(re.split(rb"\n\n+", text, maxsplit=MOST_RECIPIENTS + 1)):
        if number <= MOST_RECIPIENTS:
            # The first field of a name counts: what follows may have been added on the way.
            yield dict(reversed(mime.fields(block)))


def _recipient(block: Mapping[str, str]) -> tuple[Kind, int | None, str, str] | None:
    """Return kind, SMTP code, enhanced code and words of one recipient's fields; None where there is neither action
    nor status in them.
    """
    action = re.match(r"[a-z]*", block.get("action", "").strip().lower())
    kind = _ACTIONS.get(action[0] if action else "")
    said = _STATUS.search(block.get("status", ""))
    if kind is None and said is None:
        return None
    code, words = _diagnosis(block.get("diagnostic-code", ""))
    status = _status(said[0] if said else "", words)
    if kind is None:
        kind = _without_action(status, block)
    return kind, code, status, words


def _without_action(status: str, block: Mapping[str, str]) -> Kind:
    if status.startswith("2"):
        return Kind.DELIVERED
    return Kind.DELAYED if "will-retry-until" in block else Kind.BOUNCE


def _diagnosis(value: str) -> tuple[int | None, str]:
    """Return code and words of a Diagnostic-Code (RFC 3464, section 2.3.6); only SMTP has codes that we know."""
    typed = _TYPED.fullmatch(value)
    kind, words = (typed[1].lower(), typed[2]) if typed else ("", value)
    found = _CODE.search(words[:200]) if kind in ("smtp", "") else None
    return (int(found[1]) if found else None), replies.short(words)


def _status(said: str, words: str) -> str:
    """Return the enhanced code: where the field has only a general one, the one that the words have says more."""
    inner = next((found[0] for found in _STATUS.finditer(words) if not said or found[1] == said[0]), "")
    if not said or (_GENERAL.fullmatch(said) and inner):
        return inner or said
    return said


def status_in(text: str) -> str:
    """Return the first enhanced code in a text (RFC 3463), or nothing."""
    found = _STATUS.search(text)
    return found[0] if found else ""


def code_in(text: str) -> int | None:
    """Return the first SMTP code in a text."""
    found = _CODE.search(text)
    return int(found[1]) if found else None
