"""Mails of a mailbox are worked off, each once: what they say takes effect; what cannot be read is kept aside."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from core.database import Mark, db, insert_for
from core.services import Services
from delivery import reports
from delivery.reports import Applied
from delivery.signals import Kind
from returns import answers, arrivals, bounds, letters, reading, waiting
from returns.answers import Outcome, Prepared
from returns.bounds import Room
from returns.fetched import Chunk, Fetched
from returns.reading import Found

SOURCE = "mailbox"
KEPT_OCTETS = 16_384
"""So much of a mail that could not be read stands in its row; the whole of it is in the mailbox."""
MOST_LEFT = 1000
"""So many places are remembered of what is to be moved aside."""
AGAIN = "again"
"""What is counted of a mail that came before."""
UNREAD = "unread"
WAITS = "waits"
"""What is counted of a letter that is passed on later."""
DESK = "desk"
"""The kind of a letter that the desk itself wrote."""
OLD = "old"
"""The kind of a letter that nobody expects an answer to any more."""
FRESH = timedelta(days=7)
"""So long after it came a letter is passed on, and a wish to leave acts by itself."""
TOO_OLD = f"It came more than {FRESH.days} days before it was read."
TOO_OLD_TO_LEAVE = f"Its reader wished to leave more than {FRESH.days} days before, and may have come again since."


@dataclass(frozen=True, slots=True)
class Looked:
    """A mail with what it was found to be; of a letter also the mails that it leads to."""

    fetched: Fetched
    found: Found
    prepared: Prepared | None = None


@dataclass(slots=True)
class Taken:
    """What came of some mails: how many of each kind, of each class, and which could not be read."""

    kinds: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    unread: list[Fetched] = field(default_factory=list)

    def add(self, other: "Taken") -> None:
        """Count what came of others, too."""
        self.kinds += other.kinds
        self.classes += other.classes
        self.stops += other.stops


def look(chunk: Chunk, *, services: Services, desk: str | None, now: datetime) -> list[Looked]:
    """Read mails, and render what letters lead to. Slow, so outside of any transaction. Never raises for a mail."""
    return [_look(mail, services, desk, now) for mail in chunk.mails]


def _look(mail: Fetched, services: Services, desk: str | None, now: datetime) -> Looked:
    found = reading.read(mail.raw, tokens=services.links.tokens)
    if mail.why:
        return Looked(mail, Found("", found.mail, why=mail.why))
    if found.kind in ("reply", Kind.LEAVE) and _is_old(mail, found, now):
        if found.kind == Kind.LEAVE:
            return Looked(mail, Found("", found.mail, why=TOO_OLD_TO_LEAVE))
        return Looked(mail, Found(OLD, found.mail, why=TOO_OLD))
    if found.kind != "reply":
        return Looked(mail, found)
    prepared = answers.prepare(found.mail, services=services, desk=desk)
    if isinstance(prepared, str):
        kind = DESK if prepared == answers.DESKS_OWN else ""
        return Looked(mail, Found(kind, found.mail, why=prepared))
    return Looked(mail, found, prepared)


def _is_old(mail: Fetched, found: Found, now: datetime) -> bool:
    came_at = mail.came_at or letters.dated(found.mail)
    return came_at is not None and now - came_at > FRESH


def take(looked: Sequence[Looked], *, services: Services, desk: str | None, now: datetime) -> Taken:
    """Work off mails in the caller's transaction. One that came before changes nothing, and is put where it belongs."""
    taken, again = Taken(), []
    left = bounds.room(now) if any(one.prepared for one in looked) else None
    new = dict(arrivals.keep_many(SOURCE, [one.fetched.name for one in looked], now=now))
    fresh: list[tuple[int, Looked]] = []
    for one in looked:
        # Taken out, so that a copy in the same chunk is one that came before.
        number = new.pop(one.fetched.name, None)
        if number is None:
            taken.kinds[AGAIN] += 1
            again.append(one.fetched)
        else:
            fresh.append((number, one))
    signals = [(number, one.found.signal) for number, one in fresh if one.found.signal is not None]
    came_to = reports.apply([signal for _, signal in signals], tokens=services.links.tokens, now=now)
    applied = dict(zip((number for number, _ in signals), came_to, strict=True))
    rows: list[Mapping[str, object]] = []
    for number, one in fresh:
        if one.prepared is not None and desk is not None and left is not None:
            rows.append({"id": number, **_pass_on(one, one.prepared, taken, services, desk, left)})
        else:
            rows.append({"id": number, **_take(one, applied.get(number), taken)})
    arrivals.close_many(rows)
    if left is not None:
        bounds.remember(left)
    aside = arrivals.set_aside_before(SOURCE, [mail.name for mail in again])
    taken.unread += [mail for mail in again if mail.name in aside]
    return taken


def _pass_on(
    one: Looked, prepared: Prepared, taken: Taken, services: Services, desk: str, left: Room
) -> Mapping[str, object]:
    """Pass one letter on as far as there is room, and count it; return what is to be written down of it."""
    once_key = arrivals.key(one.fetched.name)[:16]
    outcome = answers.queue(prepared, once_key=once_key, desk=desk, left=left, services=services)
    row = {"delivery_id": None, "why": None}
    if outcome is Outcome.PASSED_ON:
        taken.kinds[one.found.kind] += 1
        taken.stops += prepared.stop
        return {**row, "state": "done", "kind": one.found.kind, "raw": None}
    if outcome is Outcome.WAITS:
        taken.kinds[WAITS] += 1
        return {**row, "state": "new", "kind": one.found.kind, "raw": one.fetched.raw[: waiting.KEPT_OCTETS]}
    taken.kinds[UNREAD] += 1
    taken.unread.append(one.fetched)
    raw = one.fetched.raw[:KEPT_OCTETS]
    return {**row, "state": "unread", "kind": one.found.kind, "why": outcome.value, "raw": raw}


def _take(one: Looked, applied: Applied | None, taken: Taken) -> Mapping[str, object]:
    """Count one mail and what its signal came to; return what is to be written down of it."""
    found = one.found
    why = applied.why if applied is not None else found.why
    if applied is not None:
        taken.classes[applied.name] += 1
    taken.kinds[found.kind or UNREAD] += 1
    if not found.readable:
        taken.unread.append(one.fetched)
    return {
        "state": "done" if found.readable else "unread",
        "kind": found.kind or None,
        "delivery_id": applied.delivery_id if applied is not None else None,
        "why": why[:300] if why else None,
        "raw": None if found.readable else one.fetched.raw[:KEPT_OCTETS],
    }


def set_aside(mail: Fetched, *, why: str, now: datetime) -> None:
    """Keep a mail aside that could not be worked off for a reason that nobody foresaw."""
    for number in arrivals.keep_many(SOURCE, [mail.name], now=now).values():
        row = {"id": number, "state": "unread", "kind": None, "delivery_id": None, "why": why[:300]}
        arrivals.close_many([{**row, "raw": mail.raw[:KEPT_OCTETS]}])


def position(box: str) -> str | None:
    """Return from where to go on with a box, as it was remembered with what came before."""
    return db.session.scalar(select(Mark.value).where(Mark.name == _mark(box)))


def remember(box: str, position: str) -> None:
    """Remember how far a box was read, in the transaction of what was read."""
    _remember(_mark(box), position)


def left_aside(box: str) -> str | None:
    """Return what was committed as unreadable and perhaps not moved aside yet, as `Box.move_left` takes it."""
    return db.session.scalar(select(Mark.value).where(Mark.name == _aside(box)))


def leave_aside(box: str, position: str, unread: Sequence[Fetched]) -> None:
    """Remember what is to be moved aside, in the transaction of what was read, with what was left before."""
    validity = position.partition(" ")[0]
    known, *places = (left_aside(box) or "").split() or [""]
    places = [*(places if known == validity else []), *(mail.place for mail in unread if not mail.label)]
    if places:
        _remember(_aside(box), " ".join([validity, *places[-MOST_LEFT:]]))


def moved_aside(box: str) -> None:
    """Forget what was to be moved aside: it was."""
    db.session.execute(delete(Mark).where(Mark.name == _aside(box)))


def _remember(name: str, value: str) -> None:
    mark = insert_for(db.engine)(Mark).values(name=name, value=value)
    db.session.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"value": mark.excluded.value}))


def _aside(box: str) -> str:
    return f"aside of {box}"


def _mark(box: str) -> str:
    return f"read of {box}"
