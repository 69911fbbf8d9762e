"""One SMTP transaction, phase by phase, without a socket: bytes of replies go in, bytes to be sent come out.

Only an error while waiting for the reply to the final dot is doubtful; everything earlier is provably not accepted
(RFC 5321, section 4.2.5; RFC 1047). MAIL, RCPT and DATA leave in one write where the relay offers PIPELINING
(RFC 2920, section 3.1); DATA is the last of its group, and a 354 that nobody needs is answered with a lone dot.
"""

from dataclasses import dataclass, replace
from enum import Enum

from delivery import providers, replies
from delivery.replies import Reply, Verdict

COMMAND_S = 60.0
BODY_S = 60.0
FINAL_DOT_S = 600.0
"""How long the relay may be silent in each phase (RFC 5321, section 4.5.3.2: ten minutes for the final dot)."""


class Phase(Enum):
    """What a transaction waits for, with its limit in seconds."""

    ENVELOPE = "envelope"
    BODY = "body"
    FINAL_DOT = "final dot"
    RESET = "reset"
    OVER = "over"


LIMITS = {
    Phase.ENVELOPE: COMMAND_S,
    Phase.BODY: BODY_S,
    Phase.FINAL_DOT: FINAL_DOT_S,
    Phase.RESET: COMMAND_S,
    Phase.OVER: 0.0,
}


@dataclass(frozen=True, slots=True)
class Offers:
    """What a relay said it can, in answer to EHLO. `size` is its largest message in octets, 0 for any."""

    pipelining: bool = False
    smtputf8: bool = False
    size: int = 0


class Transaction:
    """One recipient's mail on an open line. `phase` says how far it is; `reply` is there when it is over."""

    def __init__(self, sender: str, recipient: str, message: bytes, offers: Offers) -> None:
        """Take a message that ends in CRLF and has no line that begins with a dot."""
        self.phase = Phase.ENVELOPE
        self.reply: Reply | None = None
        self._message = message
        self._pipelining = offers.pipelining
        self._recipient = recipient
        self._commands: list[bytes] = []
        self._answers: list[tuple[int | None, str]] = []
        self._outcome: Reply | None = None
        unfit = _unfit(sender, recipient, len(message), offers)
        if unfit is not None:
            self._end(replies.unfit(unfit))
            return
        utf8 = "" if recipient.isascii() else " BODY=8BITMIME SMTPUTF8"
        self._commands = [
            f"MAIL FROM:<{sender}>{utf8}\r\n".encode(),
            f"RCPT TO:<{recipient}>\r\n".encode(),
            b"DATA\r\n",
        ]

    def start(self) -> bytes:
        """Return the first bytes to send; none when it is over before it began."""
        if self.reply is not None:
            return b""
        return b"".join(self._commands) if self._pipelining else self._commands[0]

    @property
    def taken_up(self) -> bool:
        """Return whether the relay has said anything in this transaction but goodbye."""
        return bool(self._answers) and self._answers[0][0] != 421

    def body_sent(self) -> None:
        """Hear that the last octet of the message has left: from here on a lost line is doubtful."""
        self.phase = Phase.FINAL_DOT

    def hear(self, raw: bytes) -> bytes:
        """Take one whole reply; return what is to be sent next, if anything."""
        code, text = replies.read(raw)
        if self.phase is Phase.FINAL_DOT:
            return self._hear_final(code, text)
        if self.phase is Phase.RESET:
            return self._hear_reset(code)
        if self.phase is Phase.BODY:
            # Said before the message was whole, so it is not accepted; what was sent of it makes the line useless.
            self._end(self._judged(code, text, usable=False))
            return b""
        self._answers.append((code, text))
        if code is None or code == 421:
            self._end(self._judged(code, text, usable=False, about_us=len(self._answers) == 1))
            return b""
        return self._after_group() if self._pipelining else self._after_one(code)

    def confused(self) -> None:
        """Hear that the relay answered more than it was asked: what it says from here on means nothing."""
        self._end(
            self._unusable(self._outcome)
            if self._outcome is not None
            else Reply(Verdict.NONSENSE, None, "It answered what it was not asked.", usable=False)
        )

    def lost(self, words: str) -> None:
        """Hear that the line is gone, or that the relay was silent for too long."""
        if self._outcome is not None:
            self._end(self._unusable(self._outcome))
        elif self.phase is Phase.FINAL_DOT:
            self._end(Reply(Verdict.DOUBT, None, replies.short(words), usable=False))
        elif self.phase is not Phase.OVER:
            self._end(Reply(Verdict.RELAY, None, replies.short(words), usable=False))

    def _after_one(self, code: int) -> bytes:
        """Without PIPELINING each command waits for the reply to the one before."""
        step = len(self._answers)
        if _good(step, code):
            return self._send_body() if step == 3 else self._commands[step]
        return self._refused(step)

    def _after_group(self) -> bytes:
        if len(self._answers) < 3:
            return b""
        bad = next((step for step in (1, 2, 3) if not _good(step, self._answers[step - 1][0])), None)
        if bad is None:
            return self._send_body()
        if self._answers[2][0] == 354:
            # It waits for a message that has no recipient: an empty one ends that.
            self._refused(bad)
            self.phase = Phase.RESET
            return b".\r\n"
        return self._refused(bad)

    def _refused(self, step: int) -> bytes:
        """Keep what it came to, and make the line ready for the next mail."""
        code, text = self._answers[step - 1]
        self._outcome = self._judged(code, text, usable=True, about_us=step == 1)
        self.phase = Phase.RESET
        return b"RSET\r\n"

    def _hear_reset(self, code: int | None) -> bytes:
        assert self._outcome is not None  # noqa: S101 - for the type checker: RESET follows a refusal only
        usable = code is not None and code != 421
        self._end(self._outcome if usable else self._unusable(self._outcome))
        return b""

    def _send_body(self) -> bytes:
        self.phase = Phase.BODY
        return self._message + b".\r\n"

    def _hear_final(self, code: int | None, text: str) -> bytes:
        if code == 250:
            self._end(Reply(Verdict.ACCEPTED, code, text, usable=True))
        elif code is not None and 400 <= code < 600:
            self._end(self._judged(code, text, usable=code != 421))
        else:
            self._end(Reply(Verdict.DOUBT, code, text, usable=False))
        return b""

    def _judged(self, code: int | None, text: str, *, usable: bool, about_us: bool = False) -> Reply:
        provider = providers.number(self._recipient.rpartition("@")[2].lower())
        return replies.judged(code, text, usable=usable, about_us=about_us, provider=provider)

    @staticmethod
    def _unusable(reply: Reply) -> Reply:
        return replace(reply, usable=False)

    def _end(self, reply: Reply) -> None:
        self.phase = Phase.OVER
        self.reply = reply
        self._message = b""


def _good(step: int, code: int | None) -> bool:
    return code in {1: (250,), 2: (250, 251, 252), 3: (354,)}[step]


def _sound(address: str) -> bool:
    """Return whether an address can stand between < and >: what is not printable could end the command, too."""
    return bool(address) and address.isprintable() and not any(char in address for char in "<> ")


def _unfit(sender: str, recipient: str, size: int, offers: Offers) -> str | None:
    """Return why this relay cannot carry the mail; None when it can."""
    if not sender.isascii() or not all(_sound(text) for text in (sender, recipient)):
        return "The address is damaged."
    if not recipient.isascii() and not offers.smtputf8:
        return "5.6.7 The relay does not take internationalised addresses (SMTPUTF8)."
    if 0 < offers.size < size:
        return f"5.3.4 The mail has {size} octets; the relay takes {offers.size}."
    return None
