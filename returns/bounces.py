"""Bounces in no standard form: flufl.bounce knows dozens, and says which address could not be reached.

Asked only after returns/dsn.py. Whether it is for good is not taken from it: it calls a mail that has waited too long
permanent. Where the text has a code, that decides; else the words do, in the classes.
"""

import logging
from email.message import Message

import flufl.bounce

from delivery import replies
from delivery.signals import Kind
from returns import dsn
from returns.dsn import Report
from returns.mime import Part

MOST_CHARACTERS = 8_000
"""So much of a bounce's text is looked at: it tries some hundred patterns on each line."""
_MOST_LINES = 160
_LONGEST_LINE = 400
_MOST_LEAVES = 4

# It logs what it stumbles over with the stranger's own words.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)


def read(mail: Part) -> Report | None:
    """Return what a bounce in some older form says, None when it is none."""
    text = text_of(mail)
    try:
        temporary, permanent = flufl.bounce.all_failures(_as_message(mail))
    except Exception:  # noqa: BLE001 - code of others on the octets of a stranger: whatever it stumbles over is no bounce
        return None
    failed = mail.first("x-failed-recipients")
    if not (temporary or permanent or failed):
        return None
    words = _words(text)
    status, code = dsn.status_in(words), dsn.code_in(words)
    kind = Kind.DELAYED if temporary and not permanent else Kind.BOUNCE
    return Report(kind, code, status, replies.short(words), [text])


def text_of(mail: Part) -> str:
    """Return the text of a mail, its own parts one after the other, in short lines and within limits."""
    leaves = [part for part in mail.own() if not part.parts and part.kind.startswith(("text/", "message/"))]
    return "\n".join(_shortened(part) for part in leaves[:_MOST_LEAVES])[:MOST_CHARACTERS]


def _shortened(part: Part) -> str:
    lines = part.text()[: 4 * MOST_CHARACTERS].splitlines()[:_MOST_LINES]
    return "\n".join(line[:_LONGEST_LINE] for line in lines)[:MOST_CHARACTERS]


def _words(text: str) -> str:
    """Return the lines that say why: from the first one with a code on, else from the top."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((n for n, line in enumerate(lines) if dsn.status_in(line)), None)
    if first is None:
        first = next((n for n, line in enumerate(lines) if dsn.code_in(line)), 0)
    return " ".join(lines[first : first + 8])


def _as_message(mail: Part) -> Message:
    """Return the mail for flufl.bounce: flat, short, and not parsed once more, so no depth of it can hurt."""
    made = Message()
    for name, value in mail.headers[:100]:
        if name not in ("content-transfer-encoding", "content-type"):
            made[name] = value[:_LONGEST_LINE]
    made["content-type"] = mail.kind
    if not mail.parts:
        made.set_payload(_shortened(mail))
        return made
    for part in [one for one in mail.own() if one is not mail and not one.kind.startswith("multipart/")][:_MOST_LEAVES]:
        leaf = Message()
        # Another mail inside stands there as its text: it is not to be walked into.
        leaf["content-type"] = part.kind if part.kind.startswith("text/") else "text/plain"
        leaf.set_payload(_shortened(part))
        made.attach(leaf)
    return made
