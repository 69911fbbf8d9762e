"""What readers did with a digest, from the ledger and the proof of consent alone: nobody's reading is followed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from core.database import db
from delivery.classes import BOUNCES, Class
from delivery.models import Delivery, Mailing
from delivery.states import State
from digests import clicks
from digests.models import Edition
from subscribers.models import ConsentEntry, ConsentParticulars, Digest, SignupRequest
from subscribers.trail import LeavingReason

LOOKED_BACK = timedelta(days=60)
"""So long before a reader left the edition that made them is looked for."""
ASKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class OfEdition:
    """One edition: to how many it was handed over, and what followed. `left` is who left after it and before the next
    one that they got; `clicks` how often its links were followed, where that is counted."""

    edition: str
    handed_over: int
    bounced: int
    complaints: int
    refused: int
    in_doubt: int
    left: int
    clicks: int


def editions(digest: Digest, *, since: datetime) -> list[OfEdition]:
    """Return the editions of a digest that were opened since then, newest first."""
    wanted = select(Edition.id, Edition.mailing_id, Mailing.key).join(Mailing, Mailing.id == Edition.mailing_id)
    wanted = wanted.where(Edition.digest_id == digest.id, Edition.opened_at >= since)
    rows = db.session.execute(wanted.order_by(Edition.opened_at.desc())).all()
    counts = _counts([row.mailing_id for row in rows])
    left = _left(digest, since=since)
    clicked = Counter[int]()
    for one in clicks.of_editions([row.id for row in rows]):
        clicked[one.edition_id] += one.clicks
    return [
        _of_edition(row.key, counts.get(row.mailing_id, {}), left=left[row.mailing_id], clicked=clicked[row.id])
        for row in rows
    ]


def stories(digest: Digest, *, since: datetime) -> list[clicks.OfStory]:
    """Return how often the stories of these editions were followed, where that is counted."""
    wanted = select(Edition.id).where(Edition.digest_id == digest.id, Edition.opened_at >= since)
    return clicks.of_editions(db.session.scalars(wanted).all())


def _of_edition(key: str, counts: Mapping[tuple[str, str | None], int], *, left: int, clicked: int) -> OfEdition:
    def of(state: State, returned: Sequence[str] | None = None) -> int:
        return sum(
            count for (one, back), count in counts.items() if one == state and (not returned or back in returned)
        )

    return OfEdition(
        edition=key,
        handed_over=of(State.SENT),
        bounced=of(State.SENT, [str(one) for one in BOUNCES]),
        complaints=of(State.SENT, [str(Class.COMPLAINT)]),
        refused=of(State.FAILED),
        in_doubt=of(State.IN_DOUBT),
        left=left,
        clicks=clicked,
    )


def _counts(mailing_ids: Sequence[int]) -> dict[int, dict[tuple[str, str | None], int]]:
    found: dict[int, dict[tuple[str, str | None], int]] = {}
    rows = db.session.execute(
        select(Delivery.mailing_id, Delivery.state, Delivery.returned_as, func.count().label("readers"))
        .where(Delivery.mailing_id.in_(mailing_ids))
        .group_by(Delivery.mailing_id, Delivery.state, Delivery.returned_as)
    )
    for row in rows:
        found.setdefault(row.mailing_id, {})[row.state, row.returned_as] = row.readers
    return found


def _left(digest: Digest, *, since: datetime) -> Counter[int]:
    """Return how many left after each edition: the last one that was handed over to them before."""
    wanted = select(ConsentParticulars.addr_hash, ConsentEntry.at).join(
        ConsentEntry, ConsentEntry.id == ConsentParticulars.entry_id
    )
    left = wanted.where(ConsentEntry.kind == "opt_out", ConsentEntry.digest_id == digest.id, ConsentEntry.at >= since)
    rest = {row.addr_hash: row.at for row in db.session.execute(left.order_by(ConsentEntry.id))}
    counts: Counter[int] = Counter()
    before = select(Edition.mailing_id).where(Edition.digest_id == digest.id, Edition.opened_at >= since - LOOKED_BACK)
    for mailing_id in db.session.scalars(before.order_by(Edition.opened_at.desc())).all():
        reached = _reached(mailing_id, rest)
        counts[mailing_id] += len(reached)
        rest = {addr_hash: at for addr_hash, at in rest.items() if addr_hash not in reached}
    return counts


def _reached(mailing_id: int, left: Mapping[bytes, datetime]) -> set[bytes]:
    """Return those of who left whom this mailing had reached by then."""
    keys, found = sorted(left), set()
    for start in range(0, len(keys), ASKED_AT_ONCE):
        rows = db.session.execute(
            select(Delivery.once_key, Delivery.done_at).where(
                Delivery.mailing_id == mailing_id,
                Delivery.once_key.in_(keys[start : start + ASKED_AT_ONCE]),
                Delivery.state == State.SENT.value,
            )
        )
        found |= {row.once_key for row in rows if row.done_at is not None and row.done_at <= left[row.once_key]}
    return found


def reasons(digest: Digest, *, since: datetime) -> dict[str, int]:
    """Return how often each reason to leave a digest was given."""
    wanted = select(LeavingReason.reason, func.sum(LeavingReason.count)).where(
        LeavingReason.digest_id == digest.id, LeavingReason.day >= since.date()
    )
    return {row[0]: int(row[1]) for row in db.session.execute(wanted.group_by(LeavingReason.reason))}


def reasons_by_edition(digest: Digest, *, since: datetime) -> dict[str, dict[str, int]]:
    """Return the same by the edition that had reached the reader last, as the key of its mailing."""
    wanted = select(LeavingReason.after, LeavingReason.reason, func.sum(LeavingReason.count)).where(
        LeavingReason.digest_id == digest.id, LeavingReason.day >= since.date(), LeavingReason.after != ""
    )
    found: dict[str, dict[str, int]] = {}
    for after, reason, count in db.session.execute(wanted.group_by(LeavingReason.after, LeavingReason.reason)):
        found.setdefault(after, {})[reason] = int(count)
    return found


def consents(digest: Digest, *, since: datetime) -> dict[str, int]:
    """Return how many readers came, changed their choices, and left."""
    wanted = select(ConsentEntry.kind, func.count()).where(
        ConsentEntry.digest_id == digest.id, ConsentEntry.at >= since
    )
    return {row[0]: row[1] for row in db.session.execute(wanted.group_by(ConsentEntry.kind))}


def sign_ups(*, since: datetime) -> dict[str, int]:
    """Return how many sign-ups were confirmed, by the page that they came from."""
    wanted = select(SignupRequest.form, func.count()).where(
        SignupRequest.state == "confirmed", SignupRequest.at >= since
    )
    return {row[0]: row[1] for row in db.session.execute(wanted.group_by(SignupRequest.form))}
