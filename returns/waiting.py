"""Letters that came when too many had been passed on already: each waits in its row, and is passed on later."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from core.database import db
from core.services import Services
from returns import answers, arrivals, bounds, mime
from returns.answers import Outcome, Prepared
from returns.bounds import Room
from returns.fetched import CHUNK
from returns.models import Arrival

KEPT_OCTETS = 65_536
"""So much of a letter that waits stands in its row, from which it is passed on; the whole of it is in the mailbox."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter whose turn it is, as it came."""

    id: int
    key: bytes
    raw: bytes


def due(left: Room) -> Sequence[Letter]:
    """Return the letters for which there is room, oldest first."""
    most = min(int(left.letters), CHUNK)
    columns = (Arrival.id, Arrival.key, Arrival.raw)
    found = select(*columns).where(Arrival.state == "new", Arrival.source == "mailbox").order_by(Arrival.id)
    return [Letter(row.id, row.key, row.raw or b"") for row in db.session.execute(found.limit(most))]


def prepare(letter: Letter, *, services: Services, desk: str | None) -> Prepared | str:
    """Render a letter, as when it came. Slow, so outside of any transaction."""
    return answers.prepare(mime.parse(letter.raw), services=services, desk=desk)


def pass_on(letter: Letter, prepared: Prepared | str, *, left: Room, services: Services, desk: str | None) -> bool:
    """Pass a letter on in the caller's transaction, or keep it aside; return False when it has to wait for longer."""
    why: str | None = prepared if isinstance(prepared, str) else None
    if not isinstance(prepared, str) and desk is not None:
        once_key = letter.key[:16]
        outcome = answers.queue(prepared, once_key=once_key, desk=desk, left=left, services=services, waited=True)
        if outcome is not Outcome.PASSED_ON:
            return False
        bounds.remember(left)
    row = {"id": letter.id, "delivery_id": None, "why": why}
    if why is None:
        arrivals.close_many([{**row, "state": "done", "kind": "reply", "raw": None}])
    else:
        arrivals.close_many([{**row, "state": "unread", "kind": None, "raw": letter.raw}])
    return True
