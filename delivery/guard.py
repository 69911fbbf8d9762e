"""A sender's own guard against a database that was restored: it looks every few seconds, and before each claim."""

from pathlib import Path

from sqlalchemy import Connection

from core import logs
from delivery import tick
from delivery.tick import Kept, Standing

log = logs.get(__name__)

NOT_YET = "This sender has not compared the database with what its host saw yet."
CHANGED = "The database is not as this sender saw it a moment ago: it was restored, or is another one."


class Guard:
    """What one sender knew of the database for certain when it last looked; only its beats change that.

    Between two beats it sees by reading alone that a database was put back under the running sender, or that a stand-in
    came up without the last seconds: not one mail is claimed from it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: Kept | None = None
        self._held: str | None = None

    def kept(self) -> Kept:
        """Read what this host keeps: before the transaction of `tick.watch`. Raises OSError."""
        return tick.kept(self._folder)

    def remember(self, standing: Standing, kept: Kept) -> None:
        """Know, and keep outside the database, what `tick.watch` answered: after the commit."""
        tick.remember(self._folder, standing)
        certain = standing.kept if standing.held else standing.known
        self._seen = Kept(kept.host, {standing.ledger: certain} if certain else {})
        if standing.held and not self._held:
            log.error("mail held", why=standing.held)
        elif self._held and not standing.held:
            log.info("mail leaves again")
        self._held = standing.held

    def why_closed(self, connection: Connection) -> str | None:
        """Return why nothing may be claimed now; None when mail may leave. Only reads."""
        if self._seen is None:
            return NOT_YET
        standing = tick.look(connection, self._seen)
        if standing is not None and standing.held:
            return standing.held
        if standing is None or standing.kept is None or standing.behind:
            return CHANGED
        return None
