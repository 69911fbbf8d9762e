"""The states of a delivery and the moves between them, as one table that the ledger's statements are made from."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a mail is. To people, `sent` reads *handed over*."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


LEASED: Final = (State.CLAIMED, State.SENDING)
TERMINAL: Final = (State.SENT, State.FAILED, State.SUPPRESSED, State.CANCELLED, State.EXPIRED)

MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.PLANNED: frozenset({State.CLAIMED, State.CANCELLED, State.EXPIRED}),
    State.CLAIMED: frozenset(
        {State.SENDING, State.PLANNED, State.SUPPRESSED, State.CANCELLED, State.EXPIRED},
    ),
    State.SENDING: frozenset({State.SENT, State.FAILED, State.PLANNED, State.IN_DOUBT}),
    State.IN_DOUBT: frozenset({State.SENT, State.FAILED, State.PLANNED}),
}
"""Every arrow there is. A state without an entry is an end."""


def sources(target: State) -> list[State]:
    """Return the states from which a delivery may move to `target`."""
    return [state for state in State if target in MOVES.get(state, frozenset())]


MAX_DOUBTS: Final = 2
"""At this many doubts a delivery is settled: nobody ever gets more than two copies."""


def quoted(states: tuple[State, ...]) -> str:
    """Return states as the inside of an SQL list, for check constraints and partial indexes."""
    return ", ".join(f"'{state.value}'" for state in states)


UNJUDGED: Final = (
    f"state IN ({quoted((State.FAILED, State.EXPIRED))}) AND last_code IS NOT NULL AND returned_at IS NULL"
)
"""Mails that ended with a relay's words, of which nobody has looked yet what follows from them."""
