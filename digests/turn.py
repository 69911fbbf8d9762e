"""The turn of those who change what composing stands on: it waits for all that is being written, and has none begin.

On SQLite whoever writes is alone anyway.
"""

from sqlalchemy import func, select

from core.database import db

_NUMBER = 7_200_613
"""The number of PostgreSQL's lock."""


def share() -> None:
    """Let nobody take the turn before this transaction has ended."""
    _lock("pg_advisory_xact_lock_shared")


def take() -> None:
    """Wait for those who write mails with stories in them, and keep the turn until this transaction has ended."""
    _lock("pg_advisory_xact_lock")


def _lock(kind: str) -> None:
    if db.engine.dialect.name != "sqlite":
        db.session.execute(select(getattr(func, kind)(_NUMBER)))
