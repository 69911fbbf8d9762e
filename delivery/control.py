"""Pause, resume, cancel: what an operator may do to a mailing, and to a relay. What is refused says why."""

import difflib
from collections.abc import Collection

from sqlalchemy import select, update

from core import characters, errors
from core.database import Mark, db, insert_for, ledger_now
from delivery.models import Gate, Lane, Mailing
from delivery.providers import RELAY
from delivery.tick import HOLD

WHY_MOST = 300
_ENDED = {
    "cancelled": "%(key)s was cancelled, and that is final: nothing more of it goes out.",
    "closed": "%(key)s is over: all its mails have come to their end.",
}
_NEAR = 3
_LOOKED_AT = 5000
"""Among how many of the newest mailings a mistyped key is looked for."""


def by_key(key: str) -> Mailing:
    """Return a mailing as it is now. Raises NotFound, whose sentence names the mailings with nearly that key."""
    found = db.session.scalar(select(Mailing).where(Mailing.key == key).execution_options(populate_existing=True))
    if found is None:
        known = db.session.scalars(select(Mailing.key).order_by(Mailing.id.desc()).limit(_LOOKED_AT)).all()
        raise _unknown("mailing", key, known)
    return found


def _unknown(kind: str, name: str, known: Collection[str]) -> errors.NotFound:
    near = [one for one in known if name and name in one] or difflib.get_close_matches(name, known, _NEAR, 0.5)
    if not near:
        return errors.NotFound(f"There is no {kind} %(name)r.", name=name)
    message = f"There is no {kind} %(name)r. Did you mean %(near)s?"
    return errors.NotFound(message, name=name, near=_either(near[:_NEAR]))


def _either(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def pause(key: str, *, why: str) -> None:
    """running → paused: what is being handed over at this moment comes to its end, nothing else leaves."""
    if not _moved(key, ["running"], state="paused", why_paused=_reason(why)):
        mailing = by_key(key)
        raise _refusal(mailing, "%(key)s is paused already: %(why)s", why=mailing.why_paused or "nobody said why.")


def resume(key: str) -> None:
    """paused → running: what waits goes out, as far as its time is not over."""
    by_key(key)
    if db.session.scalar(select(Mark.value).where(Mark.name == HOLD)) is not None:
        raise errors.Conflict(
            "The database was restored from a backup, so mails may go out twice and those who left may get one. "
            "Nothing is resumed before: flask restore finish"
        )
    if not _moved(key, ["paused"], state="running", why_paused=None):
        raise _refusal(by_key(key), "%(key)s is running: there is nothing to resume.")


def cancel(key: str) -> None:
    """running or paused → cancelled, for good: what is being handed over comes to its end, nothing else leaves."""
    refuse_to_cancel(by_key(key))
    if not _moved(key, ["running", "paused"], state="cancelled", why_paused=None):
        refuse_to_cancel(by_key(key))


def refuse_to_cancel(mailing: Mailing) -> None:
    """Raise Conflict when a mailing cannot be cancelled: it has ended, or what comes later would end with it."""
    if mailing.state in _ENDED:
        raise _refusal(mailing)
    if mailing.lane == Lane.TRANSACTIONAL:
        raise errors.Conflict(
            "%(key)s is system mail, and will be needed again: cancelled, none of it could ever go out. "
            "Pause it instead: flask delivery pause %(key)s",
            key=mailing.key,
        )


def _moved(key: str, sources: Collection[str], **values: object) -> bool:
    statement = update(Mailing).where(Mailing.key == key, Mailing.state.in_(sources)).values(values)
    moved = db.session.execute(statement.returning(Mailing.id).execution_options(synchronize_session=False))
    return moved.first() is not None


def _refusal(mailing: Mailing, message: str = "%(key)s has changed just now. Try again.", **more: str) -> Exception:
    return errors.Conflict(_ENDED.get(mailing.state, message), key=mailing.key, **more)


def _reason(why: str) -> str:
    """Return why something is paused, fit to be shown on one line."""
    text = why.strip()
    if not text or len(text) > WHY_MOST or characters.has_controls(text):
        raise errors.Invalid("why", "The reason must be one line of at most %(most)s characters.", most=WHY_MOST)
    return text


def pause_relay(relay: str, *, known: Collection[str], why: str) -> None:
    """Have nothing handed to a relay until it is resumed. `known` is the relays there are."""
    _relay(relay, known)
    paused = {"paused_at": ledger_now(db.session.connection()), "why": _reason(why)}
    gate = insert_for(db.engine)(Gate).values(relay=relay, provider=RELAY, fails=0, **paused)
    gate = gate.on_conflict_do_update(index_elements=["relay", "provider"], set_=paused, where=Gate.paused_at.is_(None))
    if db.session.execute(gate.returning(Gate.relay)).first() is None:
        reason = db.session.scalar(select(Gate.why).where(Gate.relay == relay, Gate.provider == RELAY))
        message = "The relay %(relay)s is paused already: %(why)s"
        raise errors.Conflict(message, relay=relay, why=reason or "nobody said why.")


def resume_relay(relay: str, *, known: Collection[str]) -> None:
    """Let a relay be spoken to again, and at once. Mails that waited for it lost no attempt."""
    _relay(relay, known)
    gate = (Gate.relay == relay, Gate.provider == RELAY, Gate.paused_at.is_not(None))
    opened = {"paused_at": None, "why": None, "not_before": None, "fails": 0}
    statement = update(Gate).where(*gate).values(opened).returning(Gate.relay)
    if db.session.execute(statement.execution_options(synchronize_session=False)).first() is None:
        raise errors.Conflict("The relay %(relay)s is not paused: there is nothing to resume.", relay=relay)


def _relay(relay: str, known: Collection[str]) -> None:
    if relay not in known:
        raise (
            _unknown("relay", relay, known)
            if len(known) > 1
            else errors.NotFound(
                "There is no relay %(relay)r. The only one is %(only)s.", relay=relay, only=", ".join(known)
            )
        )
