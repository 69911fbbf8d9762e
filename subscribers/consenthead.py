"""The head of the proof of consent as this host saw it, in a file outside the database.

A chain that was cut at its end is whole again in itself; only who saw it longer can tell.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core import hostfolder, logs

log = logs.get(__name__)

FILE = "consent-head"


@dataclass(frozen=True, slots=True)
class Kept:
    """The last entry of a chain that this host saw sealed: its number and seal, the ledger's generation then, when."""

    chain: str
    seq: int
    seal: bytes
    generation: int
    at: datetime

    def __str__(self) -> str:
        """Return it as it is stored, without the name of the chain."""
        return f"{self.seq} {self.seal.hex()} {self.generation} {self.at.astimezone(UTC).isoformat(timespec='seconds')}"

    @classmethod
    def read(cls, chain: str, text: str) -> "Kept":
        """Read what was stored. Raises ValueError."""
        seq, seal, generation, at = text.split(" ")
        return cls(chain, int(seq), bytes.fromhex(seal), int(generation), datetime.fromisoformat(at).astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Outside:
    """What this host knows of chains: the head of each by its name, and the heads that restored databases lost."""

    heads: Mapping[str, Kept]
    lost: tuple[Kept, ...] = ()


def kept(folder: Path) -> Outside:
    """Read what this host keeps. Raises OSError, and ValueError when the file is damaged."""
    return _read(hostfolder.read(folder, FILE))


def _read(text: str) -> Outside:
    table = json.loads(text or "{}")
    try:
        heads = {name: Kept.read(name, head) for name, head in table.get("heads", {}).items()}
        lost = tuple(Kept.read(name, head) for name, head in table.get("lost", []))
    except (AttributeError, TypeError) as error:
        raise ValueError("It is not as it was written.") from error
    return Outside(heads, lost)


def _text(outside: Outside) -> str:
    heads = {name: str(head) for name, head in outside.heads.items()}
    return json.dumps({"heads": heads, "lost": [[one.chain, str(one)] for one in outside.lost]})


def remember(folder: Path, seen: Kept, *, lost: bool) -> None:
    """Keep a head that the database has for certain: called after the commit. A full disk keeps nothing waiting.

    With `lost`, it takes the place of one that is in no database any more; that one is noted.
    """

    def edit(text: str) -> str:
        outside = _read(text)
        known = outside.heads.get(seen.chain)
        if known is not None and (known.generation, known.seq) >= (seen.generation, seen.seq):
            return text
        gone = (known,) if known is not None and lost else ()
        return _text(Outside({**outside.heads, seen.chain: seen}, (*outside.lost, *gone)))

    try:
        hostfolder.change(folder, FILE, edit)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        log.error("head of consent not kept", folder=str(folder), why=why)
