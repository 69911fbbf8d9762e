"""A sender in a test: it claims what is planned, asks for intents, and notes what the relay said, as the real one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import update

from core import identity
from core.database import db
from core.services import Services
from delivery import batches, message
from delivery.models import Delivery, Lane
from delivery.moves import Claimed, Intent, Result
from delivery.recipes import Recipes
from delivery.states import State
from tests.delivery import mails

TIMING = identity.Timing()
LATE = datetime(2099, 1, 1, tzinfo=UTC)


@dataclass
class Sender:
    """One sender, which remembers what it made mails of as a real one does."""

    services: Services
    made: dict[str, str] = field(default_factory=dict)
    """The text of each mail that left, by its address."""
    html: dict[str, str] = field(default_factory=dict)
    """The same as HTML."""
    subjects: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._recipes = Recipes(db.engine)

    def claim(self, most: int = 100) -> list[Claimed]:
        """Take mails, and read what they are to be made of, as is done ahead of time."""
        db.session.execute(update(Delivery).where(Delivery.state == "planned").values(not_after=LATE))
        db.session.commit()
        board = batches.look(db.engine, "main", [int(lane) for lane in Lane])
        claimed = batches.claim(db.engine, "w", board.queues, {}, limit=most, timing=TIMING).claimed
        self._recipes.load_many([one.content_id for one in claimed])
        return claimed

    def send(self, claimed: Sequence[Claimed], *, state: State = State.SENT) -> list[str]:
        """Send what may go out; return to whom."""
        intents = batches.exchange(db.engine, "w", [], {"main": claimed}, timing=TIMING)
        gone = [self._mail(one) for one in intents]
        batches.exchange(db.engine, "w", [Result(one.id, one.epoch, state) for one in intents], {}, timing=TIMING)
        db.session.rollback()
        return sorted(gone)

    def go(self, most: int = 100, *, state: State = State.SENT) -> list[str]:
        """Claim and send; return to whom."""
        return self.send(self.claim(most), state=state)

    def _mail(self, intent: Intent) -> str:
        to = self.services.keyring.unseal(intent.address_sealed, intent.addr_hash)
        raw = message.splice(self._recipes.of(intent.content_id), intent, to=to, services=self.services)
        self.made[to] = mails.text_of(raw, "plain").replace("\r\n", "\n")
        self.html[to] = mails.text_of(raw, "html")
        self.subjects[to] = str(mails.read(raw)["Subject"])
        return to
