"""The chain over the proof of consent: each entry gets its place and its seal afterwards, from one sealer at a time.

Entries are committed side by side, and a lower id may show up after a higher one; so a seal gives its own number. It is
an HMAC over the seal before it, that number, the entry's commitment and what of the entry is readable, with a key that
is nowhere in the database. Erased particulars change nothing: the commitment stays, and says nothing without its salt.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlalchemy import bindparam, exists, select, update

from core.database import Base, Mark, db, insert_for
from subscribers.consenthead import Kept
from subscribers.models import ConsentEntry

MARK = "consent chain"
"""The row of `marks` that holds the head of the chain; whoever seals has it locked."""
READABLE = (
    ConsentEntry.id,
    ConsentEntry.at,
    ConsentEntry.kind,
    ConsentEntry.digest_id,
    ConsentEntry.wording,
    ConsentEntry.commitment,
)
"""What a seal covers besides its number and the seal before it."""


class ForeignKey(Exception):
    """The chain was begun with another CONSENT_KEY than the one that is set."""


class ChainBehind(Exception):
    """The database lacks sealed entries that this host has seen. Carries what is known, in words."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: its name, the fingerprint of its key, the last number, and the seal of that entry.

    Number 0 is a chain that has begun and sealed nothing; its seal is what the first entry's seal is made with.
    """

    chain: str
    key: str
    seq: int
    seal: bytes

    def __str__(self) -> str:
        """Return the head as it is stored."""
        return f"{self.chain} {self.key} {self.seq} {self.seal.hex()}"

    @classmethod
    def read(cls, text: str) -> "Head":
        """Read a stored head. Raises ValueError."""
        chain, key, seq, seal = text.split(" ")
        return cls(chain, key, int(seq), bytes.fromhex(seal))


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one step of sealing did: the new head, how many entries, and whether what this host knew is lost.

    `lost` is so after a restored database was let go on: the entries that this host had seen are in no database.
    """

    head: Head
    count: int
    lost: bool


class Sealer:
    """Makes seals with one key."""

    def __init__(self, consent_key: bytes) -> None:
        key = hashlib.sha256(b"postrider consent chain" + consent_key).digest()
        self._keyed = hmac.new(key, digestmod="sha256")

    @property
    def fingerprint(self) -> str:
        """Return a short proof of which key this is; it tells nothing of the key."""
        return self._mac(b"fingerprint").hex()[:32]

    def first(self, chain: str) -> bytes:
        """Return what stands for the seal before the first entry of a chain."""
        return self._mac(b"chain " + chain.encode())

    def seal(self, previous: bytes, seq: int, entry: Any) -> bytes:
        """Return the seal of an entry at a place. `entry` has the columns of READABLE."""
        covered = [
            seq,
            entry.id,
            entry.at.astimezone(UTC).isoformat(),
            entry.kind,
            entry.digest_id,
            entry.wording,
            entry.commitment.hex(),
        ]
        return self._mac(previous + json.dumps(covered).encode())

    def _mac(self, text: bytes) -> bytes:
        code = self._keyed.copy()
        code.update(text)
        return code.digest()


def head() -> Head | None:
    """Return where the chain ends; None before the first seal. Raises ValueError for one that is damaged."""
    value = db.session.scalar(select(Mark.value).where(Mark.name == MARK))
    return Head.read(value) if value else None


def anything_waits() -> bool:
    """Return whether an entry has no seal yet; a look costs no writer's turn."""
    return bool(db.session.scalar(select(exists().where(ConsentEntry.seq.is_(None)))))


def seal_next(sealer: Sealer, kept: Kept | None, *, generation: int, limit: int) -> Sealed:
    """Seal the next `limit` entries; of two sealers the second waits. `kept` is what this host has seen of the chain.

    `generation` is the ledger's: a newer one than `kept` knows of says that a restored database was let go on. Raises
    ForeignKey, and ChainBehind as long as nobody has said so; then nothing is sealed, and entries go on waiting.
    """
    locked = _locked(sealer)
    if locked.key != sealer.fingerprint:
        raise ForeignKey
    lost = kept is not None and kept.chain == locked.chain and not _has(locked, kept)
    if lost and kept is not None and generation <= kept.generation:
        raise ChainBehind(
            f"This host has seen the proof of consent sealed up to number {kept.seq}; in the database it ends with "
            f"number {locked.seq}, or goes another way."
        )
    return _sealed(sealer, locked, lost=lost, limit=limit)


def _locked(sealer: Sealer) -> Head:
    """Return the head with its row locked, begun if there is none."""
    chain = secrets.token_hex(8)
    begun = Head(chain, sealer.fingerprint, 0, sealer.first(chain))
    db.session.execute(insert_for(db.engine)(Mark).values(name=MARK, value=str(begun)).on_conflict_do_nothing())
    return Head.read(db.session.execute(select(Mark.value).where(Mark.name == MARK).with_for_update()).scalar_one())


def _has(locked: Head, kept: Kept) -> bool:
    """Return whether the entry that this host saw last is where it was."""
    if kept.seq == 0:
        return True
    seal = db.session.scalar(select(ConsentEntry.seal).where(ConsentEntry.seq == kept.seq))
    return kept.seq <= locked.seq and seal == kept.seal


def _sealed(sealer: Sealer, locked: Head, *, lost: bool, limit: int) -> Sealed:
    wanted = select(*READABLE).where(ConsentEntry.seq.is_(None)).order_by(ConsentEntry.id).limit(limit)
    waiting = db.session.execute(wanted).all()
    seal, rows = locked.seal, []
    for seq, entry in enumerate(waiting, locked.seq + 1):
        seal = sealer.seal(seal, seq, entry)
        rows.append({"entry": entry.id, "number": seq, "made": seal})
    new = Head(locked.chain, locked.key, locked.seq + len(rows), seal)
    if rows:
        _write(rows)
        db.session.execute(update(Mark).where(Mark.name == MARK).values(value=str(new)))
    return Sealed(new, len(rows), lost)


def _write(rows: Sequence[dict[str, object]]) -> None:
    entries = Base.metadata.tables[ConsentEntry.__tablename__]
    statement = (
        update(entries)
        .where(entries.c.id == bindparam("entry"), entries.c.seq.is_(None))
        .values(seq=bindparam("number"), seal=bindparam("made"))
    )
    db.session.connection().execute(statement, rows)
