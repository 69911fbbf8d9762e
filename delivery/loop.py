"""One loop over many lines to the relays, each with at most one mail between its intent and its result.

A line asks for its next intent only together with the result of its last mail: the committer writes both in one
transaction. So a crash puts at most one recipient for each open line in doubt, and no setting raises that bound.
"""

import contextlib
import selectors
import time
from collections.abc import Callable, Sequence

from delivery import retries, smtp, verdicts
from delivery.bell import Bell
from delivery.committer import REFUSED, Ask, Committer, Grant
from delivery.dialing import Dialer
from delivery.lessons import Lessons
from delivery.making import CannotBeMade, LedgerAway, Making
from delivery.moves import Claimed, Result
from delivery.pools import Pool, Slot, Supplied
from delivery.replies import Reply, Verdict
from delivery.smtp import Line
from delivery.supplier import Supplier

IDLE_S = 30.0
"""A line that carried nothing for so long is closed by us, before the relay closes it under the next mail."""
TICK_S = 0.5
"""How often limits of time are looked at."""


class Loop:
    """The lines of one sender, and what travels on them."""

    def __init__(
        self,
        pools: Sequence[Pool],
        *,
        wake: Bell,
        bell: Bell,
        making: Making,
        committer: Committer,
        supplier: Supplier,
        lessons: Lessons,
        safe_until: Callable[[float], float],
    ) -> None:
        self._pools = pools
        self._wake = wake
        self._bell = bell
        self._making = making
        self._committer = committer
        self._supplier = supplier
        self._lessons = lessons
        self._safe_until = safe_until
        self._selector = selectors.DefaultSelector()
        self._selector.register(wake, selectors.EVENT_READ, wake)
        self._selector.register(bell, selectors.EVENT_READ, bell)
        self._dialer = Dialer(wake.set)
        self._asked: dict[Claimed, Slot] = {}
        self._results: list[Result] = []
        self._asks: list[Ask] = []
        self._ticked_at = 0.0
        self._stopping = False

    def turn(self) -> None:
        """Wait for something to happen, and do what there is to be done."""
        self._listen()
        for slot, opened in self._dialer.dialed():
            self._opened(slot, opened)
        for grant in self._committer.grants():
            self._granted(grant)
        for slot in self._making.signed():
            self._dialer.dial(slot) if slot.line is None else self._begin(slot, slot.line)
        self._tick()
        if not self._stopping:
            for pool in self._pools:
                self._assign(pool)
        self._hand_in()

    def _listen(self) -> None:
        for key, _events in self._selector.select(self._patience()):
            if key.data is self._wake:
                self._wake.clear()
            elif key.data is self._bell:
                self._bell.clear()
                self._supplier.look()
            else:
                self._advance(key.data)

    def stop(self) -> None:
        """Begin no more mails; those that are under way go on."""
        self._stopping = True

    @property
    def busy(self) -> bool:
        """Return whether a mail is between its intent and its result, or about to be."""
        return bool(self._asked or self._results) or any(
            slot.intent is not None for pool in self._pools for slot in pool.slots
        )

    def close(self, words: str) -> None:
        """Close every line. Mails whose final dot is out are in doubt, all others were not accepted.

        What was granted and has not been begun goes back; nothing more may be granted by then (Committer.refuse).
        """
        for grant in self._committer.grants():
            slot = self._asked.pop(grant.claimed)
            slot.intent = grant.intent
            self._put_back(slot, REFUSED)
        for pool in self._pools:
            for slot in pool.slots:
                if slot.asking is not None:
                    self._lessons.not_sent(pool, slot.asking)
                if slot.intent is not None:
                    reply = slot.line.abandon(words) if slot.line is not None else None
                    self._finish(slot, reply or Reply(Verdict.RELAY, None, words, usable=False))
                self._hang_up(slot)
        self._hand_in()
        self._dialer.end()
        self._making.end()
        self._selector.close()

    def _patience(self) -> float:
        """How long nothing needs to be done unless something happens."""
        if self._stopping:
            return TICK_S / 5
        now = time.monotonic()
        waits = 15.0 if all(len(pool.vacant) == len(pool.slots) for pool in self._pools) else TICK_S
        for pool in self._pools:
            if pool.supply and pool.supply[0].at > now:
                waits = min(waits, pool.supply[0].at - now)
        return waits

    def _hand_in(self) -> None:
        if self._results or self._asks:
            self._committer.hand_in(self._results, self._asks)
            self._results, self._asks = [], []

    def _assign(self, pool: Pool) -> None:
        """Give claimed mails to free lines, and open as many more lines as there are mails for."""
        if pool.shut:
            self._supplier.drop(pool)
        if not pool.supply:
            return
        now = time.monotonic()
        while pool.idle and pool.supply and pool.supply[0].at <= now:
            self._ask(pool.idle.pop(), pool.supply.popleft())
            self._running_low(pool)
        if pool.reach.quiet and not pool.lines:
            self._supplier.drop(pool)
        wanted = len(pool.supply) - pool.dialing
        while pool.vacant and wanted > 0 and not pool.reach.quiet:
            self._dialer.dial(pool.vacant.popleft())
            wanted -= 1

    def _running_low(self, pool: Pool) -> None:
        if len(pool.supply) in (0, 64, 256):
            self._supplier.low()

    def _ask(self, slot: Slot, supplied: Supplied) -> None:
        slot.asking = supplied
        self._asked[supplied.claimed] = slot
        self._asks.append(Ask(slot.pool.relay.name, supplied.claimed))

    def _granted(self, grant: Grant) -> None:
        slot = self._asked.pop(grant.claimed)
        supplied, slot.asking = slot.asking, None
        assert supplied is not None  # noqa: S101 - for the type checker: it asked
        if grant.intent is None:
            self._lessons.not_sent(slot.pool, supplied)
            self._release(slot)
            return
        self._lessons.sent_out(supplied)
        slot.intent, slot.granted_at = grant.intent, grant.granted_at
        if slot.line is None:
            self._dialer.dial(slot)
        else:
            self._begin(slot, slot.line)

    def _begin(self, slot: Slot, line: Line) -> None:
        intent = slot.intent
        assert intent is not None  # noqa: S101 - for the type checker: it was granted
        if time.monotonic() > self._safe_until(slot.granted_at):
            # We were stopped for so long that somebody else may be sending it by now.
            self._put_back(slot, "The sender was stopped.")
            return
        try:
            mail = self._making.mail_for(slot, intent)
        except CannotBeMade as error:
            self._lessons.untried(slot.pool, intent)
            self._lessons.faulty(intent, True, str(error))
            self._results.append(verdicts.not_made(intent, str(error)))
            slot.take_intent()
            self._release(slot)
            return
        except LedgerAway as error:
            self._put_back(slot, f"The ledger was out of reach: {error}", retries.RELAY_FIRST)
            return
        if mail is not None:
            self._after(slot, line, line.send(*mail))

    def _advance(self, slot: Slot) -> None:
        line = slot.line
        if line is None:
            return
        if slot.intent is None:
            # A line without a mail speaks only to say goodbye; one that asks for a mail is opened anew for it.
            self._part(slot) if slot.asking is None else self._hang_up(slot)
        elif not line.carries:
            # Its mail is being signed. The relay ends the line meanwhile; the mail gets another one when it is signed.
            self._hang_up(slot)
        elif not line.dot_is_out and time.monotonic() > self._safe_until(slot.granted_at):
            self._after(slot, line, line.abandon("Its lease could not be renewed."))
        else:
            self._after(slot, line, line.advance())

    def _after(self, slot: Slot, line: Line, reply: Reply | None) -> None:
        """Go on with a line: its mail came to an end, or it waits for the relay."""
        if reply is None:
            self._watch(slot, line)
        elif reply.verdict in (Verdict.RELAY, Verdict.THROTTLED) and line.went_stale and not self._stopping:
            # The relay ended a line that had carried mails; that is no failure, and the mail goes on the next one.
            self._hang_up(slot)
            self._dialer.dial(slot)
        else:
            self._finish(slot, reply)
            if line.carried == 1:
                self._lessons.new_line(slot.pool, reply)
            if not reply.usable or line.carried >= slot.pool.relay.mails_per_connection:
                self._hang_up(slot)
            else:
                self._watch(slot, line)
            self._release(slot)

    def _finish(self, slot: Slot, reply: Reply) -> None:
        intent = slot.take_intent()
        assert intent is not None  # noqa: S101 - for the type checker: it has a reply
        self._results.append(verdicts.result_of(intent, reply))
        self._lessons.heard(slot.pool, intent, reply)

    def _put_back(self, slot: Slot, why: str, delay: float = 0.0) -> None:
        intent = slot.take_intent()
        if intent is not None:
            self._lessons.untried(slot.pool, intent)
            self._results.append(verdicts.put_back(intent, why, delay))
        self._release(slot)

    def _release(self, slot: Slot) -> None:
        """Have a slot that carries nothing take the next mail, or open a line for it."""
        (slot.pool.idle if slot.line is not None else slot.pool.vacant).append(slot)

    def _watch(self, slot: Slot, line: Line) -> None:
        """Wait for what the line waits for; most lines wait to hear something, most of the time."""
        if line.wants_write != slot.writing:
            slot.writing = line.wants_write
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if slot.writing else 0)
            self._selector.modify(line.sock, events, slot)

    def _opened(self, slot: Slot, opened: smtp.Opened | smtp.RelayTrouble) -> None:
        if isinstance(opened, smtp.Opened):
            slot.line, slot.writing = Line(opened), False
            self._selector.register(slot.line.sock, selectors.EVENT_READ, slot)
            if slot.intent is not None:
                self._begin(slot, slot.line)
            else:
                self._release(slot)
            return
        self._lessons.no_line(slot.pool, opened)
        self._put_back(slot, str(opened), retries.relay_delay(slot.pool.reach.failures))

    def _tick(self) -> None:
        """Look at the limits of time."""
        now = time.monotonic()
        if now - self._ticked_at < TICK_S:
            return
        self._ticked_at = now
        for pool in self._pools:
            for slot in pool.slots:
                line = slot.line
                if line is None:
                    continue
                if slot.intent is not None:
                    if now > min(line.deadline, self._safe_until(slot.granted_at)):
                        self._advance(slot)
                elif slot.asking is None and now - line.used_at > IDLE_S:
                    self._part(slot)

    def _part(self, slot: Slot) -> None:
        """Close a line that carries nothing."""
        slot.pool.idle.remove(slot)
        self._hang_up(slot)
        self._release(slot)

    def _hang_up(self, slot: Slot) -> None:
        line, slot.line = slot.line, None
        if line is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(line.sock)
            self._dialer.part(line)
