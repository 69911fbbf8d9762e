"""The one place that opens a line to a relay: connection, TLS and login as the standard library does them.

Once a line is greeted and logged in, it does not block any more: see Line.
"""

import smtplib
import socket
import ssl
import time
from dataclasses import dataclass, replace

from core import faults
from core.identity import Relay
from delivery import replies
from delivery.phases import LIMITS, Offers, Phase, Transaction
from delivery.replies import Reply

CONNECT_S = 30
GOODBYE_S = 1.0
_READ = 65_536
_WRITE = 262_144
"""Octets handed to the kernel at once; more would only be copied in vain when it takes less."""


class RelayTrouble(Exception):
    """The relay cannot be reached just now; nobody's mail was touched."""


class RelayRefusesUs(RelayTrouble):
    """The login is refused, or the certificate is not good: only a person can set that right."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A line that stands: its socket, which does not block, and what the relay offers."""

    sock: socket.socket
    offers: Offers


def open_line(relay: Relay) -> Opened:
    """Connect, greet, begin TLS and log in. Raises RelayTrouble; takes CONNECT_S seconds a step at most."""
    try:
        smtp = _open(relay)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        kind = RelayRefusesUs if _for_a_person(error) else RelayTrouble
        raise kind(_words(error)) from error
    sock = smtp.sock
    assert sock is not None  # noqa: S101 - for the type checker: it is connected
    sock.setblocking(False)
    if smtp.file is not None:
        # It holds the socket open, and nothing more will be read through it.
        smtp.file.close()
    size = smtp.esmtp_features.get("size", "")
    offers = Offers(
        pipelining=smtp.has_extn("pipelining"),
        smtputf8=smtp.has_extn("smtputf8") and smtp.has_extn("8bitmime"),
        size=int(size) if size.isascii() and size.isdecimal() else 0,
    )
    return Opened(sock, offers)


def _for_a_person(error: Exception) -> bool:
    """Return whether it will not pass by itself. A line that broke under TLS may, and a login refused for now."""
    if isinstance(error, smtplib.SMTPResponseException):
        login = isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500
        return login or error.smtp_code in replies.LOGIN
    broke = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    return not broke and isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError | UnicodeError)


def _words(error: BaseException) -> str:
    if isinstance(error, UnicodeError):
        # Its own words would show a part of the password.
        return "The user name or the password has a letter beyond ASCII, which this login cannot carry."
    return replies.short(f"{type(error).__name__}: {error}")


def _trust(relay: Relay) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=relay.ca_file)


def _open(relay: Relay) -> smtplib.SMTP:
    smtp: smtplib.SMTP
    if relay.security == "tls":
        smtp = smtplib.SMTP_SSL(relay.host, relay.port, timeout=CONNECT_S, context=_trust(relay))
    else:
        smtp = smtplib.SMTP(relay.host, relay.port, timeout=CONNECT_S)
    try:
        smtp.ehlo_or_helo_if_needed()
        if relay.security == "starttls":
            smtp.starttls(context=_trust(relay))
            smtp.ehlo()
        if relay.username is not None:
            smtp.login(relay.username, relay.password or "")
    except BaseException:
        smtp.close()
        raise
    return smtp


class Line:
    """An open line that carries one mail after the other, never two at once, and never waits.

    `advance()` is called when the socket is ready, or when time is over; `deadline` is when the relay has been silent
    for too long (time.monotonic).
    """

    def __init__(self, opened: Opened) -> None:
        self.sock = opened.sock
        self.offers = opened.offers
        self.carried = 0
        self.used_at = time.monotonic()
        self.deadline = float("inf")
        self.went_stale = False
        """The relay ended it after earlier mails, without taking up the last one."""
        self._usable = True
        self._heard = bytearray()
        self._out = memoryview(b"")
        self._transaction: Transaction | None = None

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self.sock.fileno()

    @property
    def wants_write(self) -> bool:
        """Return whether there is something left to send."""
        return bool(self._out)

    @property
    def carries(self) -> bool:
        """Return whether a mail was begun on it and has not come to its end."""
        return self._transaction is not None

    @property
    def dot_is_out(self) -> bool:
        """Return whether a whole message has left and its reply has not come: the line must not be closed lightly."""
        return self._transaction is not None and self._transaction.phase is Phase.FINAL_DOT

    def send(self, sender: str, recipient: str, message: bytes) -> Reply | None:
        """Begin one recipient's transaction; return its reply when it is over at once."""
        self._transaction = Transaction(sender, recipient, message, self.offers)
        self._out = memoryview(self._transaction.start())
        return self.advance()

    def advance(self) -> Reply | None:
        """Send and hear as much as goes without waiting; return the reply when the transaction is over."""
        transaction = self._transaction
        if transaction is None:
            return None
        try:
            self._send(transaction)
            self._hear(transaction)
        except (OSError, ssl.SSLError) as error:
            self._hear_last_words(transaction)
            transaction.lost(_words(error))
        if transaction.reply is None and time.monotonic() > self.deadline:
            transaction.lost(f"The relay was silent for {LIMITS[transaction.phase]:.0f} seconds.")
        return self._over(transaction)

    def abandon(self, words: str) -> Reply | None:
        """End the transaction by closing the line: not accepted, or in doubt when the dot was out."""
        if self._transaction is None:
            return None
        self._transaction.lost(words)
        return self._over(self._transaction)

    def _over(self, transaction: Transaction) -> Reply | None:
        reply = transaction.reply
        if reply is None:
            return None
        self.went_stale = self.carried > 0 and not transaction.taken_up
        self._transaction = None
        self._out = memoryview(b"")
        self.deadline = float("inf")
        self.carried += 1
        self.used_at = time.monotonic()
        # Who says more than was asked has said a part of the next answer already.
        self._usable = reply.usable and not self._heard
        return reply if reply.usable == self._usable else replace(reply, usable=False)

    def _send(self, transaction: Transaction) -> None:
        if transaction.phase is Phase.BODY and self._out:
            faults.at("before_body")
        while self._out:
            try:
                taken = self.sock.send(self._out[:_WRITE])
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                break
            self._out = self._out[taken:]
            self._wait(transaction)
            if transaction.phase is Phase.BODY and self._out:
                faults.at("mid_body")
        if not self._out and transaction.phase is Phase.BODY:
            transaction.body_sent()
            self._wait(transaction)
            faults.at("after_dot")
        elif self.deadline == float("inf"):
            self._wait(transaction)

    def _wait(self, transaction: Transaction) -> None:
        self.deadline = time.monotonic() + LIMITS[transaction.phase]

    def _hear(self, transaction: Transaction) -> None:
        while transaction.reply is None:
            try:
                octets = self.sock.recv(_READ)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            if not octets:
                transaction.lost("The relay closed the line.")
                return
            self._heard += octets
            self._take_replies(transaction)

    def _hear_last_words(self, transaction: Transaction) -> None:
        """Read what the relay said before it closed the line under a message that it did not want."""
        if transaction.phase is Phase.FINAL_DOT:
            return
        try:
            self._heard += self.sock.recv(_READ)
            self._take_replies(transaction)
        except (OSError, ssl.SSLError):
            return

    def _take_replies(self, transaction: Transaction) -> None:
        while transaction.reply is None and (end := _end_of_reply(self._heard)):
            raw = bytes(self._heard[:end])
            del self._heard[:end]
            following = transaction.hear(raw)
            if following and self._heard:
                transaction.confused()
            elif following:
                self._out = memoryview(following)
                self._wait(transaction)
                self._send(transaction)

    def part(self) -> None:
        """Say goodbye where no mail was broken off, wait a moment for the answer, and close. This one may wait."""
        try:
            self.sock.settimeout(GOODBYE_S)
            if self._usable and self._transaction is None:
                self.sock.sendall(b"QUIT\r\n")
                self.sock.recv(_READ)
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.sock.close()


def _end_of_reply(heard: bytearray) -> int:
    """Return where the first whole reply ends, 0 when it has not come yet. Nonsense without an end is cut off."""
    start = 0
    while True:
        end = heard.find(b"\n", start)
        if end < 0:
            return len(heard) if len(heard) > replies.MAX_REPLY else 0
        if heard[start + 3 : start + 4] != b"-":
            return end + 1
        start = end + 1
        if start > replies.MAX_REPLY:
            return start
