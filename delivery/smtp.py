"""The one place that speaks SMTP: a transaction driven phase by phase, so that doubt is told apart from failure.

Only an error while waiting for the reply to the final dot is doubtful; everything earlier is provably not accepted
(RFC 5321, section 4.2.5; RFC 1047). `smtplib.sendmail()` raises the same error in both cases.
"""

import contextlib
import re
import smtplib
import ssl
from dataclasses import dataclass
from enum import Enum

from core import logs
from core.identity import Relay

CONNECT_S = 30
COMMAND_S = 60
BODY_S = 180
FINAL_DOT_S = 600
LONGEST_S = 3 * COMMAND_S + BODY_S + FINAL_DOT_S
"""How long each phase may take, in seconds (RFC 5321, section 4.5.3.2: ten minutes for the final dot)."""


_ABOUT_US = (421, 530, 534, 535, 538)
"""Closing, and login wanted or refused (RFC 4954, section 6)."""
_POLICY = re.compile(
    r"\b5\.7\.\d|\brelay(ing)? (access |is )?(denied|not permitted|not allowed|prohibited)|\bto relay\b",
    re.IGNORECASE,
)
"""The word alone says nothing: a user can be "unknown in relay recipient table", or at relay.example.org."""


class Verdict(Enum):
    """What a transaction came to."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"
    DOUBT = "doubt"
    RELAY = "relay"
    """Not accepted, and not the recipient's fault: the relay or the line to it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A verdict with the relay's words. `usable` says whether the connection can carry another mail."""

    verdict: Verdict
    code: int | None
    text: str
    usable: bool


class RelayTrouble(Exception):
    """The relay cannot be reached, refuses us, or its certificate is not good; nobody's mail was touched."""


class Connection:
    """An open, greeted and logged-in line to the relay."""

    def __init__(self, relay: Relay) -> None:
        """Connect, with TLS and login as the relay says. Raises RelayTrouble."""
        try:
            self._smtp = self._open(relay)
        except (OSError, smtplib.SMTPException, ssl.SSLError, ValueError) as error:
            raise RelayTrouble(f"{type(error).__name__}: {_short(str(error))}") from error

    @staticmethod
    def _open(relay: Relay) -> smtplib.SMTP:
        context = ssl.create_default_context(cafile=relay.ca_file)
        smtp: smtplib.SMTP
        if relay.security == "tls":
            smtp = smtplib.SMTP_SSL(relay.host, relay.port, timeout=CONNECT_S, context=context)
        else:
            smtp = smtplib.SMTP(relay.host, relay.port, timeout=CONNECT_S)
        try:
            smtp.ehlo_or_helo_if_needed()
            if relay.security == "starttls":
                smtp.starttls(context=context)
                smtp.ehlo()
            if relay.username is not None:
                smtp.login(relay.username, relay.password or "")
        except BaseException:
            smtp.close()
            raise
        return smtp

    def close(self) -> None:
        """Say goodbye, if the line still stands."""
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self._limit(2)
            self._smtp.quit()
        self._smtp.close()

    def send(self, sender: str, recipient: str, message: bytes) -> Reply:
        """Run one transaction for one recipient. `message` ends in CRLF and has no line that begins with a dot."""
        try:
            before = self._envelope(sender, recipient)
        except (OSError, smtplib.SMTPException) as error:
            return Reply(Verdict.RELAY, None, _short(str(error)), usable=False)
        if before is not None:
            return before
        try:
            self._limit(BODY_S)
            self._smtp.send(message + b".\r\n")
        except (OSError, smtplib.SMTPException) as error:
            # The last octet did not leave, so the relay has no whole message.
            return Reply(Verdict.RELAY, None, _short(str(error)), usable=False)
        return self._final_reply()

    def _envelope(self, sender: str, recipient: str) -> Reply | None:
        """Drive MAIL, RCPT and DATA; return None when the relay waits for the message, else why it does not."""
        for text in (sender, recipient):
            if any(char in text for char in "\r\n\0<> ") or not text.isascii():
                return Reply(Verdict.REFUSED, None, "The address is damaged.", usable=True)
        self._limit(COMMAND_S)
        phases = ((f"MAIL FROM:<{sender}>", (250,)), (f"RCPT TO:<{recipient}>", (250, 251)), ("DATA", (354,)))
        for index, (command, good) in enumerate(phases):
            code, text = self._command(command)
            if code not in good:
                # A MAIL that is turned away is about us, never about the recipient.
                verdict = Verdict.RELAY if index == 0 else _refusal(code, text)
                return Reply(verdict, code, text, usable=code != 421 and self._reset())
        return None

    def _final_reply(self) -> Reply:
        try:
            self._limit(FINAL_DOT_S)
            code, text = self._smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            return Reply(Verdict.DOUBT, None, _short(str(error)), usable=False)
        words = _short(text.decode("utf-8", "replace"))
        if code == 250:
            return Reply(Verdict.ACCEPTED, code, words, usable=True)
        if 400 <= code < 600:
            return Reply(_refusal(code, words), code, words, usable=code != 421)
        return Reply(Verdict.DOUBT, code, words, usable=False)

    def _command(self, command: str) -> tuple[int, str]:
        self._smtp.putcmd(command)
        code, text = self._smtp.getreply()
        return code, _short(text.decode("utf-8", "replace"))

    def _reset(self) -> bool:
        try:
            code, _text = self._command("RSET")
        except (OSError, smtplib.SMTPException):
            return False
        return code == 250

    def _limit(self, seconds: float) -> None:
        if self._smtp.sock is not None:
            self._smtp.sock.settimeout(seconds)


def _refusal(code: int, text: str) -> Verdict:
    """Return what a negative reply to RCPT, DATA or the message means; an unparsable one is the relay's trouble.

    Turned away by policy (5.7.x of RFC 3463, section 3.8, or "relaying denied") is our fault, never the recipient's:
    those mails wait until somebody has set it right, instead of failing one after the other.
    """
    if code in _ABOUT_US or not 400 <= code < 600:
        return Verdict.RELAY
    return Verdict.REFUSED if code >= 500 and not _POLICY.search(text) else Verdict.LATER


def _short(text: str) -> str:
    """Return a reply as one line of at most 300 characters, without control characters.

    Relays like to repeat the recipient's address. The ledger keeps replies, but no address of a mail that is done.
    """
    return logs.mask("".join(char if char.isprintable() else " " for char in text))[:300]
