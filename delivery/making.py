"""Making the mails of a sender: spliced at once, signed by threads of their own while the lines carry others.

An RSA signature takes longer than all the rest of a mail. OpenSSL makes it without Python's lock, so these threads are
in OpenSSL nearly all the time, and the loop goes on. docs/adr/0009 has what was measured.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from delivery import replies
from delivery.dkim import Prepared
from delivery.moves import Intent
from delivery.pools import Mail, Slot


class CannotBeMade(Exception):
    """This mail cannot be made; the others can."""


class LedgerAway(Exception):
    """What the mail is made of cannot be read just now."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A mail that is whole but for its signatures."""

    sender: str
    recipient: str
    prepared: Prepared


Make = Callable[[Intent], Mail | Unsigned]


Wanted = tuple[Slot, Intent, Unsigned]


class Making:
    """Makes one mail after the other, urgent ones signed first. `ring` is called when one was signed."""

    def __init__(self, make: Make, *, threads: int, ring: Callable[[], None]) -> None:
        self._make = make
        self._ring = ring
        self._urgent: deque[Wanted] = deque()
        self._bulk: deque[Wanted] = deque()
        # One for each mail that is wanted, and one that is None for each thread that is to end. This queue does in C
        # what others do in Python, and a thread that signs must not wait for Python's lock more than it has to.
        self._turns: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._choosing = threading.Lock()
        self._made: deque[tuple[Slot, Intent, Mail | CannotBeMade]] = deque()
        self._signers = [
            threading.Thread(target=self._run, name=f"signer {number}", daemon=True) for number in range(1, threads + 1)
        ]

    def start(self) -> None:
        """Start the threads that sign."""
        for signer in self._signers:
            signer.start()

    def mail_for(self, slot: Slot, intent: Intent) -> Mail | None:
        """Return the mail of an intent; None when it has to be signed first: then `signed` yields the slot later.

        Raises CannotBeMade, or LedgerAway.
        """
        if isinstance(slot.mail, Exception):
            raise slot.mail
        if slot.mail is not None:
            return slot.mail
        mail = self._make(intent)
        if isinstance(mail, Unsigned):
            (self._urgent if slot.pool.urgent else self._bulk).append((slot, intent, mail))
            self._turns.put(mail)
            return None
        return mail

    def signed(self) -> Iterator[Slot]:
        """Yield the slots whose mail was signed meanwhile. What nobody waits for any more is let go of."""
        while self._made:
            slot, intent, mail = self._made.popleft()
            if slot.intent is intent:
                slot.mail = mail
                yield slot

    def end(self) -> None:
        """Let the threads end, after what they have in hand."""
        with self._choosing:
            self._urgent.clear()
            self._bulk.clear()
        for _signer in self._signers:
            self._turns.put(None)

    def _run(self) -> None:
        while self._turns.get() is not None:
            wanted = self._first()
            if wanted is not None:
                slot, intent, unsigned = wanted
                self._made.append((slot, intent, _signed(unsigned)))
                self._ring()

    def _first(self) -> Wanted | None:
        with self._choosing:
            for wanted in (self._urgent, self._bulk):
                if wanted:
                    return wanted.popleft()
        return None


def _signed(unsigned: Unsigned) -> Mail | CannotBeMade:
    try:
        return unsigned.sender, unsigned.recipient, unsigned.prepared.signed()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about this mail, and the thread must go on
        return CannotBeMade(replies.short(f"{type(error).__name__}: {error}".strip(": ")))
