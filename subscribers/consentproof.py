"""Verify the proof of consent: walk its chain from the first entry to the last, and name what is not as it was sealed.

It reads in pages, and keeps in memory only what it found wrong. One thing that is wrong must not make all that follows
look wrong: after it, an entry may also hang on what was read shortly before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Select, func, select

from core.database import db
from subscribers import consent, consentchain
from subscribers.consentchain import READABLE, Head, Sealer
from subscribers.consenthead import Kept
from subscribers.models import ConsentEntry, ConsentParticulars, Digest, Subscriber

PAGE = 1000
LISTED = 1000
"""So many faults are told one by one."""
LOOKED_INTO = 40
"""So many entries in disorder are compared with each other to say where they belong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one entry, or with a row of them up to `last`. `entry` is its id, where there is one.

    `kind` is `missing`; `changed`; `moved`, and where it `belongs`; `unproved`: what it hangs on is missing; `beyond`:
    after the end as the database knows it; `end`: that end is not the last entry's; `particulars`: not those that were
    recorded; `cut` or `other`: this host has seen the chain longer, or going another way.
    """

    kind: str
    seq: int | None
    entry: int | None = None
    last: int | None = None
    belongs: int | None = None


@dataclass(slots=True)
class Report:
    """What was read: entries with a seal, entries that wait for theirs, those whose particulars are erased."""

    sealed: int = 0
    waiting: int = 0
    erased: int = 0
    faults: list[Fault] = field(default_factory=list)
    more: int = 0

    def add(self, fault: Fault) -> None:
        """Note a fault; of very many only how many there are."""
        if len(self.faults) < LISTED:
            self.faults.append(fault)
        else:
            self.more += 1


@dataclass(frozen=True, slots=True)
class _Odd:
    """An entry whose seal does not fit, with the seals that it may hang on."""

    row: Row[Any]
    before: tuple[bytes, ...]
    after_gap: bool


def count() -> int:
    """Return how many entries there are."""
    return db.session.scalar(select(func.count()).select_from(ConsentEntry)) or 0


def walk(sealer: Sealer, head: Head, report: Report) -> Iterator[int]:
    """Fill in the report, and yield how many entries each step has read; the door gives the connection back between."""
    chain = _Walk(sealer, head, report)
    after = 0
    while rows := _page(_sealed().where(ConsentEntry.seq > after).limit(PAGE)):
        for row in rows:
            _look_at_particulars(row, report)
        after = rows[-1].seq
        if after > chain.head.seq:
            chain.head = consentchain.head() or chain.head  # Somebody went on sealing meanwhile.
        chain.take(rows)
        yield len(rows)
    chain.finish()
    report.faults.sort(key=lambda one: (one.seq or 0, one.kind))
    after = 0
    while rows := _page(_unsealed().where(ConsentEntry.id > after).limit(PAGE)):
        for row in rows:
            report.waiting += 1
            _look_at_particulars(row, report)
        after = rows[-1].id
        yield len(rows)


def _page(wanted: Select[*tuple[Any, ...]]) -> Sequence[Row[Any]]:
    return db.session.execute(wanted).all()


_OWN = (
    ConsentParticulars.salt,
    ConsentParticulars.addr_hash,
    ConsentParticulars.form,
    ConsentParticulars.origin_truncated,
)
_WHOSE = Subscriber.public_id.label("subscriber_key")


def _entries() -> Select[*tuple[Any, ...]]:
    return (
        select(ConsentEntry.seq, ConsentEntry.seal, *READABLE, *_OWN, Digest.key.label("digest_key"), _WHOSE)
        .outerjoin(ConsentParticulars, ConsentParticulars.entry_id == ConsentEntry.id)
        .outerjoin(Digest, Digest.id == ConsentEntry.digest_id)
        .outerjoin(Subscriber, Subscriber.id == ConsentParticulars.subscriber_id)
    )


def _sealed() -> Select[*tuple[Any, ...]]:
    return _entries().order_by(ConsentEntry.seq)


def _unsealed() -> Select[*tuple[Any, ...]]:
    return _entries().where(ConsentEntry.seq.is_(None)).order_by(ConsentEntry.id)


def _look_at_particulars(row: Row[Any], report: Report) -> None:
    """Compute the commitment again, where it still can be."""
    if row.salt is None:
        report.erased += 1
        return
    made = consent.commitment(row, row, digest_key=row.digest_key, subscriber_key=row.subscriber_key)
    if made != row.commitment:
        report.add(Fault("particulars", row.seq, row.id))


class _Walk:
    """Takes the sealed entries in order. `_before` are the seals that the next one may hang on; strictly one, until
    something does not fit.
    """

    def __init__(self, sealer: Sealer, head: Head, report: Report) -> None:
        self.head = head
        self._sealer, self._report = sealer, report
        self._before: tuple[bytes, ...] = (sealer.first(head.chain),)
        self._next = 1
        self._gap = False
        self._odd: list[_Odd] = []
        self._gaps: list[tuple[int, int]] = []

    def take(self, rows: Sequence[Row[Any]]) -> None:
        """Take the next rows of the chain."""
        for row in rows:
            self._take(row)

    def _take(self, row: Row[Any]) -> None:
        self._report.sealed += 1
        beyond = row.seq > self.head.seq
        if row.seq > self._next and not beyond:
            self._gaps.append((self._next, row.seq - 1))
            self._gap = True
        made = [self._sealer.seal(before, row.seq, row) for before in self._before]
        if row.seal in made and not beyond:
            self._before, self._gap = (row.seal,), False
        else:
            self._note(_Odd(row, self._before, self._gap))
            # Whatever was changed, its seal or what it covers, the next one hangs on one of these.
            self._before = (row.seal, *made[:2], *self._before[:4])
        if not beyond:
            self._next = row.seq + 1

    def _note(self, odd: _Odd) -> None:
        if len(self._odd) < LOOKED_INTO:
            self._odd.append(odd)
        else:
            self._report.add(Fault("changed", odd.row.seq, odd.row.id))

    def finish(self) -> None:
        """Say what was wrong: what is missing, what stands in another's place, what was changed."""
        if self._next <= self.head.seq:
            self._gaps.append((self._next, self.head.seq))
        found = [*self._explained(), *(Fault("missing", first, last=last) for first, last in self._gaps)]
        for fault in found:
            self._report.add(fault)
        if not found and self._before[0] != self.head.seal:
            self._report.add(Fault("end", self.head.seq))

    def _explained(self) -> Iterator[Fault]:
        """Compare the entries in disorder with each other and with the empty places, as far as there are few."""
        pool = {seal for one in self._odd for seal in (one.row.seal, *one.before)}
        places = [one.row.seq for one in self._odd]
        for first, last in self._gaps:
            places += range(first, min(last, first + LOOKED_INTO) + 1)
        for one in self._odd:
            own = self._fits(one.row, one.row.seq, pool)
            if own and one.row.seq <= self.head.seq:
                continue  # What it hangs on was in another place; that one is named.
            belongs = next((seq for seq in places[: 2 * LOOKED_INTO] if self._fits(one.row, seq, pool)), None)
            kind = "beyond" if own else "moved" if belongs else "unproved" if one.after_gap else "changed"
            yield Fault(kind, one.row.seq, one.row.id, belongs=belongs if kind == "moved" else None)

    def _fits(self, row: Row[Any], seq: int, pool: set[bytes]) -> bool:
        return any(self._sealer.seal(before, seq, row) == row.seal for before in pool)


def against(kept: Kept, head: Head, report: Report) -> None:
    """Compare the chain with what this host has seen of it: a chain that was cut at its end is whole in itself."""
    if kept.seq > head.seq:
        report.add(Fault("cut", head.seq + 1, last=kept.seq))
        return
    there = db.session.scalar(select(ConsentEntry.seal).where(ConsentEntry.seq == kept.seq))
    if there not in (None, kept.seal):
        report.add(Fault("other", kept.seq))
