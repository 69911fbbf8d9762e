"""Decide on a letter, make it, and write it down: what every task that answers readers does with each of them."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from core import database
from core.database import db
from core.services import Services
from subscribers import mails

DECISIONS = 3
"""How often a decision is made anew when something changed while its mail was made; then the next look does it."""


class Decided(Protocol):
    """What was decided: a letter, or that there is none."""

    @property
    def letter(self) -> mails.Letter | None:
        """Return the letter."""


D = TypeVar("D", bound=Decided)


def settle(
    decide: Callable[[], D | None], write: Callable[[D, mails.Made | None], bool], *, services: Services
) -> None:
    """Read, then make the mail outside of any transaction, then write; again when the decision does not hold any more.

    `decide` returns None when there is nothing to do, `write` False when it wrote nothing.
    """
    for _time in range(DECISIONS):
        decision = decide()
        db.session.rollback()
        if decision is None:
            return
        made = mails.make(decision.letter, services) if decision.letter else None
        with database.write_turn():
            written = write(decision, made)
            db.session.commit()
        if written:
            return
