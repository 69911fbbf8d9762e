"""The sender: a plain thread that claims due mails and hands them to the relay, one connection, one mail at a time.

Between a mail's intent and its result there is never a second mail on the same connection: a crash puts at most one
recipient per open connection in doubt. No setting may raise that bound.
"""

import threading
import time
import uuid

from cryptography.exceptions import InvalidTag
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.identity import Relay
from core.services import Services
from delivery import batches, message, recipes, retries, smtp, verp
from delivery.smtp import Verdict
from delivery.states import State

log = logs.get(__name__)

POLL_S = 15.0
"""The sender looks by itself this often, so losing every doorbell costs seconds and no mail."""
CLAIM_SIZE = 20
"""Few, so that a confirmation never waits behind a long row of claimed digests."""
IDLE_S = 30.0
"""A line that carried nothing for so long is closed by us, before the relay closes it under the next mail."""


class Pump:
    """One sender with its worker id, its line to the relay, and what it holds: claims and results not handed in yet."""

    def __init__(self, engine: Engine, *, relay: Relay, services: Services) -> None:
        self._engine = engine
        self._relay = relay
        self._services = services
        self._recipes = recipes.Recipes(engine)
        self._worker = uuid.uuid4().hex
        self._line: smtp.Connection | None = None
        self._line_used_at = 0.0
        self._failures = 0
        self._quiet_until = 0.0
        self._sweep_at = 0.0
        self._held: list[batches.Claimed] = []
        self._results: list[batches.Result] = []

    def run(self, stop: threading.Event, bell: threading.Event) -> None:
        """Send until `stop` is set. `bell` says look now."""
        while not stop.is_set():
            bell.clear()
            if not self._round(stop):
                self._hang_up_if_idle()
                bell.wait(self._pause())
        self._let_go()
        self.hang_up()

    def _round(self, stop: threading.Event) -> bool:
        """Sweep, claim and send once; return whether there may be more to do at once."""
        try:
            self._sweep()
            self._exchange([])
            return time.monotonic() >= self._quiet_until and self.send_due(stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the only thread that sends
            # Claims and results are kept: handing them in again changes nothing that was already done.
            log.error("sender held up", error=repr(error), unrecorded=len(self._results), held=len(self._held))
            self.hang_up()
            self._quiet_until = time.monotonic() + retries.RELAY_FIRST
            return False

    def _sweep(self) -> None:
        if time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + POLL_S
        swept = batches.sweep(self._engine)
        if swept:
            log.warning("swept", freed=swept.freed, doubted=swept.doubted, resent=swept.resent, settled=swept.settled)

    def _pause(self) -> float:
        quiet = self._quiet_until - time.monotonic()
        if quiet > 0:
            return quiet
        return IDLE_S / 2 if self._line is not None else POLL_S

    def send_due(self, stop: threading.Event) -> bool:
        """Claim some due deliveries and send them; return whether there were any and the relay took them."""
        if not self._held:
            self._held = batches.claim(self._engine, self._worker, CLAIM_SIZE)
        if not self._held:
            return False
        while self._held and not stop.is_set() and self._connected():
            intents = self._exchange(self._held[:1])
            self._held.pop(0)
            for intent in intents:
                self._results.append(self._send(intent))
        self._exchange([])
        finished = not self._held
        self._give_back()
        return finished

    def _exchange(self, wanted: list[batches.Claimed]) -> list[batches.Intent]:
        """Hand in the results there are and ask for intents, in one transaction."""
        if not wanted and not self._results:
            return []
        intents = batches.exchange(self._engine, self._worker, self._results, wanted)
        self._results.clear()
        return intents

    def _give_back(self) -> None:
        batches.give_back(self._engine, self._worker, self._held)
        self._held.clear()

    def _let_go(self) -> None:
        """Hand in what is left before the end; without a database the leases see to it."""
        try:
            self._exchange([])
            self._give_back()
        except SQLAlchemyError as error:
            log.error("ended without the database", error=type(error).__name__, unrecorded=len(self._results))

    def _send(self, intent: batches.Intent) -> batches.Result:
        """Make one recipient's mail and hand it over; return what became of it."""
        try:
            to = self._services.keyring.unseal(intent.address_sealed, intent.addr_hash)
            recipe = self._recipes.of(intent.content_id)
            mail = message.splice(recipe, intent, to=to, services=self._services)
        except SQLAlchemyError as error:
            log.error("recipe out of reach", delivery=intent.id, error=type(error).__name__)
            return self._later(intent, None, "The database was out of reach.", retries.RELAY_FIRST, refund=True)
        except (ValueError, KeyError, InvalidTag) as error:
            log.error("mail cannot be made", delivery=intent.id, error=repr(error))
            return batches.Result(intent.id, intent.epoch, State.FAILED, text=f"Not made: {type(error).__name__}")
        tokens, domain = self._services.links.tokens, self._services.identity.bounce_domain
        return self._result(
            intent, self._hand_over(verp.envelope_sender(intent.id, tokens=tokens, domain=domain), to, mail)
        )

    def _hand_over(self, sender: str, to: str, mail: bytes) -> smtp.Reply:
        """Send on the open line; a relay that closed it after earlier mails is called once more, and no failure."""
        used_before = self._line_used_at > 0
        reply = self._send_on_line(sender, to, mail)
        if reply.verdict is Verdict.RELAY and not reply.usable and used_before and self._connected():
            return self._send_on_line(sender, to, mail)
        return reply

    def _send_on_line(self, sender: str, to: str, mail: bytes) -> smtp.Reply:
        assert self._line is not None  # noqa: S101 - _connected() said so
        reply = self._line.send(sender, to, mail)
        self._line_used_at = time.monotonic()
        if not reply.usable:
            self.hang_up()
        return reply

    def _result(self, intent: batches.Intent, reply: smtp.Reply) -> batches.Result:
        """Return what a reply means for the ledger."""
        if reply.verdict is Verdict.ACCEPTED:
            self._failures = 0
            return batches.Result(intent.id, intent.epoch, State.SENT, reply.code, reply.text)
        log.warning(
            "not handed over", delivery=intent.id, verdict=reply.verdict.value, code=reply.code, text=reply.text
        )
        if reply.verdict is Verdict.RELAY:
            return self._later(intent, reply.code, reply.text, self._relay_failed(), refund=True)
        if reply.verdict is Verdict.LATER:
            return self._later(intent, reply.code, reply.text, retries.recipient_delay(intent.attempts), refund=False)
        state = State.FAILED if reply.verdict is Verdict.REFUSED else State.IN_DOUBT
        return batches.Result(intent.id, intent.epoch, state, reply.code, reply.text)

    @staticmethod
    def _later(intent: batches.Intent, code: int | None, text: str, delay: float, *, refund: bool) -> batches.Result:
        return batches.Result(intent.id, intent.epoch, State.PLANNED, code, text, delay=delay, refund=refund)

    def _connected(self) -> bool:
        """Have a line to the relay; without one, wait longer each time before the next try."""
        if time.monotonic() < self._quiet_until:
            return False
        if self._line is None:
            try:
                self._line = smtp.Connection(self._relay)
            except smtp.RelayTrouble as error:
                log.warning("relay out of reach", error=str(error), again_in_s=self._relay_failed())
                return False
        return True

    def _relay_failed(self) -> float:
        self._failures += 1
        delay = retries.relay_delay(self._failures)
        self._quiet_until = time.monotonic() + delay
        return delay

    def _hang_up_if_idle(self) -> None:
        if self._line is not None and time.monotonic() - self._line_used_at > IDLE_S:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the line to the relay; the next mail opens a new one."""
        if self._line is not None:
            self._line.close()
        self._line = None
        self._line_used_at = 0.0


def run(stop: threading.Event, bell: threading.Event, *, engine: Engine, relay: Relay, services: Services) -> None:
    """Send until `stop` is set; the body of the sender thread."""
    Pump(engine, relay=relay, services=services).run(stop, bell)
