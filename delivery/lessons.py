"""What the lines learn, carried to where it holds for all senders: gates of relays and providers, paused mailings."""

from core import logs
from delivery import gates
from delivery.batches import Taken
from delivery.errands import Errands
from delivery.moves import Intent
from delivery.pools import Pool, Supplied
from delivery.replies import Reply, Verdict
from delivery.smtp import RelayRefusesUs, RelayTrouble
from delivery.supplier import Supplier
from delivery.tally import FailureLimit, Tally

log = logs.get(__name__)

TURNED_AWAY = 3
"""So many mails in a row that a provider put off, and it is left alone for a while."""
_ANSWERED = (Verdict.ACCEPTED, Verdict.REFUSED)
_USED = (*_ANSWERED, Verdict.UNFIT, Verdict.DOUBT)
"""After these a mail is not tried again, or may have been taken: it keeps its place under a daily ceiling."""


class Lessons:
    """Hears of every mail that came to its end, and of every line that could not be opened."""

    def __init__(self, supplier: Supplier, errands: Errands, tally: Tally) -> None:
        self._supplier = supplier
        self._errands = errands
        self._tally = tally
        self._limit = FailureLimit()
        self._put_off: dict[tuple[str, int], int] = {}
        self._probes: set[int] = set()
        self._quotas: dict[int, Taken] = {}

    def sent_out(self, supplied: Supplied) -> None:
        """Hear that a mail was granted its intent."""
        if supplied.probe:
            self._probes.add(supplied.claimed.id)
        if supplied.quota is not None:
            self._quotas[supplied.claimed.id] = supplied.quota

    def not_sent(self, pool: Pool, supplied: Supplied) -> None:
        """Hear that a mail was refused its intent."""
        if supplied.probe:
            self._errands.gate(pool.relay.name, gates.end_probes, [supplied.claimed.id])
        if supplied.quota is not None:
            self._errands.return_quota(supplied.quota)

    def untried(self, pool: Pool, intent: Intent) -> None:
        """Hear that a mail was granted its intent and did not leave after all."""
        if intent.id in self._probes:
            self._probes.discard(intent.id)
            self._errands.gate(pool.relay.name, gates.end_probes, [intent.id])
        self._about_quota(intent, used=False)

    def heard(self, pool: Pool, intent: Intent, reply: Reply) -> None:
        """Hear what a mail came to."""
        if reply.verdict is Verdict.ACCEPTED:
            self._tally.sent += 1
        else:
            self._tally.refused[reply.verdict.value] += 1
            log.info(
                "not handed over", delivery=intent.id, verdict=reply.verdict.value, code=reply.code, text=reply.text
            )
        self._about_provider(pool, intent, reply)
        self._about_quota(intent, used=reply.verdict in _USED)
        if reply.verdict is Verdict.THROTTLED:
            why = f"{reply.code or ''} {reply.text}".strip()
            self._errands.gate(pool.relay.name, gates.slow_down, why, self._tally.rate())
        elif reply.verdict is Verdict.LOGIN:
            self.refused_us(pool, f"{reply.code} {reply.text}")
        self.faulty(intent, reply.our_fault, f"{reply.code} {reply.text}")

    def _about_quota(self, intent: Intent, *, used: bool) -> None:
        """A mail that will be tried again takes its place under the daily ceiling again, so it gives this one back."""
        taken = self._quotas.pop(intent.id, None)
        if taken is not None and not used:
            self._errands.return_quota(taken)

    def _about_provider(self, pool: Pool, intent: Intent, reply: Reply) -> None:
        probing = intent.id in self._probes
        self._probes.discard(intent.id)
        if intent.provider == 0:
            return
        key = (pool.relay.name, intent.provider)
        if reply.verdict in _ANSWERED:
            self._put_off.pop(key, None)
            if probing:
                log.info("provider open again", relay=pool.relay.name, provider=intent.provider)
                self._errands.gate(pool.relay.name, gates.reopen, intent.provider)
        elif reply.verdict is Verdict.LATER:
            self._put_off[key] = self._put_off.get(key, 0) + 1
            if probing or reply.backs_off or self._put_off[key] >= TURNED_AWAY:
                self._close(pool, intent.provider, reply)
        elif probing:
            self._errands.gate(pool.relay.name, gates.end_probes, [intent.id])

    def _close(self, pool: Pool, provider: int, reply: Reply) -> None:
        self._put_off.pop((pool.relay.name, provider), None)
        log.warning("provider left alone", relay=pool.relay.name, provider=provider, code=reply.code, text=reply.text)
        self._errands.gate(pool.relay.name, gates.close, provider, f"{reply.code} {reply.text}")
        self._supplier.drop(pool, provider)

    def no_line(self, pool: Pool, trouble: RelayTrouble) -> None:
        """Hear that a line could not be opened."""
        if isinstance(trouble, RelayRefusesUs):
            self.refused_us(pool, str(trouble))
            pool.reach.failed()
        elif not pool.reach.quiet:
            # Lines that were dialed together fail together: that is one failure.
            log.warning("relay out of reach", relay=pool.relay.name, why=str(trouble), again_in_s=pool.reach.failed())

    def new_line(self, pool: Pool, reply: Reply) -> None:
        """Hear what the first mail of a line came to: a line that breaks under it was none."""
        if reply.verdict is Verdict.RELAY:
            self.no_line(pool, RelayTrouble(reply.text))
        else:
            pool.reach.worked()

    def faulty(self, intent: Intent, ours: bool, what: str) -> None:
        """Hear whether a mail failed by our own fault; too many of them pause its mailing."""
        faults = self._limit.note(intent.mailing_id, ours=ours)
        if faults:
            why = f"{faults} of its last mails failed by our own fault, the last one with: {what}"
            self._errands.pause_mailing(intent.mailing_id, why[:300])

    def refused_us(self, pool: Pool, words: str) -> None:
        """Hear that the relay does not take our login or that its certificate is not good: a person must look."""
        log.error("relay paused", relay=pool.relay.name, why=words)
        self._errands.gate(pool.relay.name, gates.pause, words)
        self._supplier.drop(pool)
