"""The sender: wires the loop over the lines to the threads that claim, commit and keep the leases, and ends them."""

import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.identity import PostOffice
from core.services import Services
from delivery import batches, dkim, message, pools, recipes, replies
from delivery.bell import Bell
from delivery.committer import Committer
from delivery.errands import Errands
from delivery.guard import Guard
from delivery.lessons import Lessons
from delivery.loop import Loop
from delivery.making import CannotBeMade, LedgerAway, Making, Unsigned
from delivery.moves import Claimed, Intent
from delivery.pools import Mail
from delivery.pulse import Pulse
from delivery.supplier import Supplier
from delivery.tally import Tally

log = logs.get(__name__)

PATIENCE_S = 25.0
"""How long the mails in hand may take when the sender is told to stop; then open lines are closed."""
LAST_WORDS_S = 3.0
"""How long the ledger may take to be told the last results, after that."""
BEGUN_WITHIN = 0.75
"""A message is begun only in this first part of its lease; the rest is for a sender that is stopped meanwhile."""


class Pump:
    """One sender, with its worker id."""

    def __init__(
        self,
        engine: Engine,
        *,
        post: PostOffice,
        services: Services,
        bell: Bell,
        state_dir: Path,
    ) -> None:
        self._engine = engine
        self._services = services
        self._lease_s = post.timing.lease_s
        self._recipes = recipes.Recipes(engine)
        self._wake = Bell()
        self.worker = uuid.uuid4().hex
        self.pools = pools.of(post, services.identity)
        tally, guard = Tally(), Guard(state_dir)
        errands = Errands(engine, self.worker)
        self._committer = Committer(engine, self.worker, post.timing, self._wake.set)
        self._pulse = Pulse(
            engine,
            self.worker,
            relays=list(post.relays.values()),
            timing=post.timing,
            tally=tally,
            guard=guard,
            held=self._held,
        )
        self._supplier = Supplier(
            engine,
            self.worker,
            self.pools,
            errands,
            identity=services.identity,
            timing=post.timing,
            ring=self._wake.set,
            prepare=self._prepare,
            may_begin=self._pulse.began,
            guard=guard,
        )
        signers = services.dkim.threads if services.dkim.domains else 0
        self._making = Making(self._make, threads=signers, ring=self._wake.set)
        self._loop = Loop(
            self.pools,
            wake=self._wake,
            bell=bell,
            making=self._making,
            committer=self._committer,
            supplier=self._supplier,
            lessons=Lessons(self._supplier, errands, tally),
            safe_until=self._safe_until,
        )

    def run(self, stop: threading.Event, *, patience_s: float = PATIENCE_S) -> None:
        """Send until `stop` is set; then let the mails in hand come to their end, and give the rest back."""
        for thread in (self._making, self._pulse, self._committer, self._supplier):
            thread.start()
        while not stop.is_set():
            self._turn()
        self._end(time.monotonic() + patience_s)

    def _turn(self) -> None:
        try:
            self._loop.turn()
        except Exception as error:
            log.exception("sender stumbled", error=repr(error))
            time.sleep(0.1)

    def _end(self, until: float) -> None:
        self._loop.stop()
        self._supplier.rest()
        for pool in self.pools:
            self._supplier.drop(pool)
        while self._loop.busy and time.monotonic() < until:
            self._turn()
        self._committer.refuse()
        self._loop.close("The sender was told to stop.")
        last = time.monotonic() + LAST_WORDS_S
        self._supplier.end(last)
        unrecorded = self._committer.end(last)
        self._pulse.end(time.monotonic() + 1)
        try:
            batches.leave(self._engine, self.worker)
        except SQLAlchemyError as error:
            log.error("ended without the ledger", error=type(error).__name__, unrecorded=unrecorded)
        self._wake.close()

    def _safe_until(self, granted_at: float) -> float:
        return self._pulse.leased_at(granted_at) + self._lease_s * BEGUN_WITHIN

    def _held(self) -> list[int]:
        return [one for pool in self.pools for one in pool.held()]

    def _prepare(self, claimed: Sequence[Claimed]) -> None:
        """Read what the mails are made of, for all of them at once, before they are asked for one by one."""
        self._recipes.load_many([one.content_id for one in claimed])

    def _make(self, intent: Intent) -> Mail | Unsigned:
        """Make one recipient's mail, all but the signatures. Raises CannotBeMade, or LedgerAway."""
        try:
            to = self._services.keyring.unseal(intent.address_sealed, intent.addr_hash)
            recipe = self._recipes.of(intent.content_id)
            mail = message.splice(recipe, intent, to=to, services=self._services)
            sender = message.envelope_sender(recipe, intent, self._services)
            keys = message.keys_for(recipe, self._services)
            if keys is None:
                return sender, to, mail
            return Unsigned(sender, to, dkim.prepare(mail, keys=keys, at=intent.dated_at))
        except SQLAlchemyError as error:
            raise LedgerAway(type(error).__name__) from error
        except Exception as error:
            raise CannotBeMade(replies.short(f"{type(error).__name__}: {error}".strip(": "))) from error


def run(
    stop: threading.Event,
    bell: Bell,
    *,
    engine: Engine,
    post: PostOffice,
    services: Services,
    state_dir: Path,
    patience_s: float = PATIENCE_S,
) -> None:
    """Send until `stop` is set (ring the bell after setting it); the body of the sender thread.

    `state_dir` is the host's own folder outside the database, see delivery.tick.
    """
    Pump(engine, post=post, services=services, bell=bell, state_dir=state_dir).run(stop, patience_s=patience_s)
