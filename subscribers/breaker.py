"""The breaker of the form: when confirmations go out and hardly anybody uses them, nothing more is sent."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.engine import CursorResult

from core import alerts, database, logs
from core.database import Mark, db
from core.signups import SignupSettings
from subscribers.models import SignupRequest

log = logs.get(__name__)

ALERT = "signups:stopped"
LEAST_USED = 0.2
"""Of people who asked for it themselves, far more than a fifth use a confirmation within the hour."""
_STOPPED, _COUNTED_FROM = "sign-ups stopped", "sign-ups counted from"
_LOOKS_BACK = timedelta(hours=1)
_TIME_TO_USE = timedelta(minutes=10)
"""A confirmation that young says nothing yet: people have to find it in their inbox."""
_RUSH = 4
"""With so many times the limit unused, their age does not matter any more: nobody is as popular as that."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of the confirmations of the last hour, and whether the breaker is open already."""

    stopped: bool
    unused: int
    used: int
    trips: bool


def judge(*, now: datetime, limits: SignupSettings) -> Judgement:
    """Return how it stands with the confirmations that went out lately. Only reads."""
    marks = dict(
        db.session.execute(select(Mark.name, Mark.value).where(Mark.name.in_([_STOPPED, _COUNTED_FROM]))).all()
    )
    since = now - _LOOKS_BACK
    if released := marks.get(_COUNTED_FROM):
        since = max(since, datetime.fromisoformat(released))
    old_enough = SignupRequest.answered_at <= now - _TIME_TO_USE
    unused = SignupRequest.address.is_not(None)
    used = SignupRequest.state == "confirmed"
    row = db.session.execute(
        select(
            func.count(case((unused, 1))),
            func.count(case((used, 1))),
            func.count(case((unused & old_enough, 1))),
            func.count(case((used & old_enough, 1))),
        ).where(
            SignupRequest.kind == "signup",
            SignupRequest.state.in_(["answered", "confirmed"]),
            SignupRequest.answered_at > since,
        )
    ).one()
    ripe = _few_used(row[2], row[3], most=limits.most_unconfirmed)
    rush = _few_used(row[0], row[1], most=_RUSH * limits.most_unconfirmed)
    stopped = _STOPPED in marks
    return Judgement(stopped, row[0], row[1], trips=not stopped and (ripe or rush))


def _few_used(unused: int, used: int, *, most: int) -> bool:
    return unused > most and used < LEAST_USED * (unused + used)


def trip(judged: Judgement, *, now: datetime) -> None:
    """Open the breaker, and have operators told."""
    _set(_STOPPED, now)
    found = alerts.trouble(
        ALERT,
        what="The sign-up form is being misused: nothing more is sent to those who sign up.",
        how_much=f"Of {judged.unused + judged.used} confirmations of the last hour {judged.used} were used.",
        cure="Look at flask signups show, and end it with flask signups release, or release --drop.",
    )
    alerts.raise_alert(db.session.connection(), found, now)
    log.warning("sign-ups stopped", unused=judged.unused, used=judged.used)


def stopped_since() -> datetime | None:
    """Return since when the breaker is open; None when it is not."""
    value = db.session.scalar(select(Mark.value).where(Mark.name == _STOPPED))
    return None if value is None else datetime.fromisoformat(value)


def waiting() -> int:
    """Return how many sign-ups wait for an answer."""
    wanted = select(func.count()).where(SignupRequest.kind == "signup", SignupRequest.state == "new")
    return db.session.scalar(wanted) or 0


def release(*, now: datetime, drop: bool) -> int:
    """Close the breaker and count from now on; what waits is answered at once, or dropped. Return how many waited."""
    waits = (SignupRequest.kind == "signup", SignupRequest.state == "new")
    if drop:
        change = update(SignupRequest).where(*waits).values(state="dropped", address=None, answered_at=now)
    else:
        change = update(SignupRequest).where(*waits).values(next_try_at=now)
    result = db.session.execute(change.execution_options(synchronize_session=False))
    db.session.execute(delete(Mark).where(Mark.name == _STOPPED).execution_options(synchronize_session=False))
    _set(_COUNTED_FROM, now)
    alerts.close(db.session.connection(), [ALERT], now)
    log.info("sign-ups released", drop=drop)
    return result.rowcount if isinstance(result, CursorResult) else 0


def _set(name: str, now: datetime) -> None:
    insert = database.insert_for(db.engine)
    upsert = insert(Mark).values(name=name, value=now.astimezone(UTC).isoformat())
    db.session.execute(upsert.on_conflict_do_update(index_elements=["name"], set_={"value": upsert.excluded.value}))
