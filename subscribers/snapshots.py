"""How a reader's rows are at a moment, as JSON can hold it: to see what a change changed, and to bring it back."""

from datetime import date, datetime
from typing import Any

from core.database import db
from subscribers import joining
from subscribers.models import Subscriber

OF_SUBSCRIBER = (
    "state",
    "paused_until",
    "paused_at",
    "resumed_at",
    "catch_up",
    "languages",
    "once_over_digests",
    "language",
    "zone",
)
OF_SUBSCRIPTION = ("state", "taste_id", "rhythm_id", "breaking", "first_due_at", "version")
"""The columns that a reader's links change, and that an undo brings back."""
_READ = {
    "paused_until": date.fromisoformat,
    "paused_at": datetime.fromisoformat,
    "resumed_at": datetime.fromisoformat,
    "first_due_at": datetime.fromisoformat,
}


def of(subscriber: Subscriber) -> dict[str, Any]:
    """Return how a reader's rows are now. Taken before a change, it is handed to `linkchanges.note`."""
    db.session.flush()
    known = joining.subscriptions_of(subscriber).values()
    return {
        "subscriber": {name: _written(getattr(subscriber, name)) for name in OF_SUBSCRIBER},
        "subscriptions": {
            str(one.id): {name: _written(getattr(one, name)) for name in OF_SUBSCRIPTION} for one in known
        },
    }


def value(name: str, written: Any) -> Any:
    """Return the value of a column as its row holds it."""
    return _READ[name](written) if name in _READ and written is not None else written


def _written(found: object) -> object:
    return found.isoformat() if isinstance(found, date) else found
