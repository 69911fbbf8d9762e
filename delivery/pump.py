"""The sender: a plain thread that claims due mails and hands them to the relay, one connection, one mail at a time.

Between a mail's intent and its result there is never a second mail on the same connection: a crash puts at most one
recipient per open connection in doubt. No setting may raise that bound.
"""

import threading
import time
import uuid
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from sqlalchemy import Engine, select
from sqlalchemy.exc import InterfaceError, OperationalError

from core import logs
from core.identity import Relay
from core.services import Services
from delivery import batches, content, message, retries, smtp, verp
from delivery.models import Block, Content, Mailing, Shell
from delivery.smtp import Verdict
from delivery.states import State

log = logs.get(__name__)

POLL_S = 15.0
"""The sender looks by itself this often, so losing every doorbell costs seconds and no mail."""
CLAIM_SIZE = 20
"""Few, so that a confirmation never waits behind a long row of claimed digests."""


class Pump:
    """One sender with its worker id, its line to the relay and what it knows of the contents it sends."""

    def __init__(self, engine: Engine, *, relay: Relay, services: Services) -> None:
        self._engine = engine
        self._relay = relay
        self._services = services
        self._worker = uuid.uuid4().hex
        self._line: smtp.Connection | None = None
        self._failures = 0
        self._quiet_until = 0.0
        self._sweep_at = 0.0
        self._results: list[batches.Result] = []
        self._recipe = lru_cache(maxsize=256)(self._load_recipe)

    def run(self, stop: threading.Event, bell: threading.Event) -> None:
        """Send until `stop` is set. `bell` says look now."""
        try:
            while not stop.is_set():
                bell.clear()
                if not self._round(stop):
                    bell.wait(self._pause())
        finally:
            self.hang_up()

    def _round(self, stop: threading.Event) -> bool:
        """Sweep, claim and send once; return whether there may be more to do at once."""
        try:
            self._sweep()
            self._exchange([])
            return time.monotonic() >= self._quiet_until and self.send_due(stop)
        except (OperationalError, InterfaceError) as error:
            # Results stay in memory until the database takes them; recording one twice changes nothing.
            log.error("database out of reach", error=type(error).__name__, unrecorded=len(self._results))
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
        return quiet if quiet > 0 else POLL_S

    def send_due(self, stop: threading.Event) -> bool:
        """Claim some due deliveries and send them; return whether there were any and the relay took them."""
        left = batches.claim(self._engine, self._worker, CLAIM_SIZE)
        if not left:
            return False
        while left and not stop.is_set() and self._connected():
            for intent in self._exchange([left.pop(0)]):
                self._results.append(self._send(intent))
        self._exchange([])
        batches.give_back(self._engine, self._worker, left)
        return not left

    def _exchange(self, wanted: list[batches.Claimed]) -> list[batches.Intent]:
        """Hand in the results there are and ask for intents, in one transaction."""
        if not wanted and not self._results:
            return []
        intents = batches.exchange(self._engine, self._worker, self._results, wanted)
        self._results.clear()
        return intents

    def _send(self, intent: batches.Intent) -> batches.Result:
        try:
            to = self._services.keyring.unseal(intent.address_sealed, intent.addr_hash)
            recipe = self._recipe(intent.content_id)
            mail = message.splice(recipe, intent, to=to, services=self._services)
        except (ValueError, KeyError, InvalidTag) as error:
            log.error("mail cannot be made", delivery=intent.id, error=repr(error))
            return batches.Result(intent.id, intent.epoch, State.FAILED, text=f"Not made: {type(error).__name__}")
        sender = verp.envelope_sender(
            intent.id, tokens=self._services.links.tokens, domain=self._services.identity.bounce_domain
        )
        assert self._line is not None  # noqa: S101 - _connected() said so
        reply = self._line.send(sender, to, mail)
        if not reply.usable:
            self.hang_up()
        return self._result(intent, reply)

    def _result(self, intent: batches.Intent, reply: smtp.Reply) -> batches.Result:
        """Return what a reply means for the ledger."""
        if reply.verdict is Verdict.ACCEPTED:
            self._failures = 0
            return batches.Result(intent.id, intent.epoch, State.SENT, reply.code, reply.text)
        log.warning(
            "not handed over",
            delivery=intent.id,
            verdict=reply.verdict.value,
            code=reply.code,
            text=reply.text,
        )
        if reply.verdict is Verdict.RELAY:
            delay = self._relay_failed()
            return batches.Result(
                intent.id, intent.epoch, State.PLANNED, reply.code, reply.text, delay=delay, refund=True
            )
        if reply.verdict is Verdict.LATER:
            delay = retries.recipient_delay(intent.attempts)
            return batches.Result(intent.id, intent.epoch, State.PLANNED, reply.code, reply.text, delay=delay)
        state = State.FAILED if reply.verdict is Verdict.REFUSED else State.IN_DOUBT
        return batches.Result(intent.id, intent.epoch, state, reply.code, reply.text)

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

    def hang_up(self) -> None:
        """Close the line to the relay; the next mail opens a new one."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _load_recipe(self, content_id: int) -> message.Recipe:
        with self._engine.connect() as connection:
            row = connection.execute(
                select(
                    Mailing.lane,
                    Mailing.stream,
                    Mailing.list_id,
                    Mailing.sender_name,
                    Mailing.sender,
                    Mailing.reply_to,
                    Mailing.feedback,
                    Content.subject,
                    Content.block_ids,
                    Shell.format,
                    Shell.pieces,
                )
                .join(Shell, Shell.id == Content.shell_id)
                .join(Mailing, Mailing.id == Content.mailing_id)
                .where(Content.id == content_id)
            ).one()
            ids = [int.from_bytes(row.block_ids[at : at + 8], "big") for at in range(0, len(row.block_ids), 8)]
            found = connection.execute(select(Block.id, Block.pieces).where(Block.id.in_(ids)))
            stored: dict[int, str] = {row.id: row.pieces for row in found}
        head, foot = content.shell_from_json(row.pieces)
        fields = {name: getattr(row, name) for name in message.Recipe.__slots__ if name != "parts"}
        blocks = [content.Part.from_json(stored[block]) for block in ids]
        return message.Recipe(**fields, parts=[head, *blocks, foot])


def run(stop: threading.Event, bell: threading.Event, *, engine: Engine, relay: Relay, services: Services) -> None:
    """Send until `stop` is set; the body of the sender thread."""
    Pump(engine, relay=relay, services=services).run(stop, bell)
