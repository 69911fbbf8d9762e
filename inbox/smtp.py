"""Take mail over SMTP on loopback, for any recipient, and pass none of it on."""

import asyncio
import logging
import socket
import threading

from aiosmtpd.smtp import SMTP, Envelope, Session

from core import clock, logs
from inbox import ports
from inbox.mailbox import Mailbox

log = logs.get(__name__)

MAX_BYTES = 10 * 1024 * 1024
"""The largest mail taken; announced to clients as SIZE (RFC 1870)."""

_FAREWELL_S = 0.5

# At INFO the library writes each line of each conversation, addresses included.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class SmtpServer:
    """An SMTP server in a thread of its own. `port` is the one it listens on, also when 0 asked for any."""

    def __init__(self, mailbox: Mailbox, *, port: int) -> None:
        self.port = port
        self._counter = _Counter(mailbox)
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Listen; clients are served when this returns. Raises ports.PortTaken or ports.PortRefused."""
        listener = ports.listen(self.port)
        self.port = listener.getsockname()[1]
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="inbox-smtp", daemon=True)
        self._thread.start()
        self._ready.wait()
        log.info("inbox takes mail", port=self.port)

    def stop(self) -> None:
        """Hang up on every client and return within a second; a mail being stored may hear its 250 first."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._counter.closing.set)
        self._thread.join()
        self._thread = None

    def _run(self, listener: socket.socket) -> None:
        asyncio.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._counter.open()
        clients: set[_Conversation] = set()
        server = await self._loop.create_server(lambda: _Conversation(self._counter, clients), sock=listener)
        self._ready.set()
        await self._counter.closing.wait()
        # Only this first: a server that is closed drops, unclosed, the connections it is just accepting.
        self._loop.remove_reader(listener)
        await self._counter.finish(_FAREWELL_S)
        # A connection just accepted reaches us two turns of the loop later, and takes one more to close.
        for _ in range(10):
            for client in list(clients):
                client.hang_up()
            await asyncio.sleep(0)
        server.close()


class _Counter:
    """Where mail is handed in: answers the library's hooks, one counter for all clients."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def open(self) -> None:
        """Begin a day at the counter; to be called in the loop that will serve the clients."""
        self.closing = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._storing = 0

    async def finish(self, seconds: float) -> None:
        """Wait until nothing is being stored, but no longer than `seconds`."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            log.warning("inbox stopped while a mail was being stored")

    async def handle_EHLO(  # noqa: N802, the library's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer PIPELINING too (RFC 2920): the library reads by lines from a buffer, so it can."""
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_DATA(  # noqa: N802, the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Answer 250 only once the mail is on disk, for its sender forgets it then."""
        if self.closing.is_set():
            return "421 4.3.2 The inbox is closing"
        self._storing += 1
        self._idle.clear()
        try:
            key = await asyncio.to_thread(self._store, envelope)
        except OSError as error:
            log.error("mail not stored", reason=error.strerror)
            return "452 4.3.1 The mail could not be stored"
        finally:
            self._storing -= 1
            if not self._storing:
                self._idle.set()
        return "250 2.0.0 Stored as " + key

    def _store(self, envelope: Envelope) -> str:
        sender = _readable(envelope.mail_from or "")
        source = envelope.original_content or b""
        key = self._mailbox.store(
            # The library hands the null reverse-path (RFC 5321, section 4.5.5) through with its brackets.
            "" if sender == "<>" else sender,
            [_readable(address) for address in envelope.rcpt_tos],
            source,
            now=clock.utc_now(),
        )
        log.debug("mail stored", key=key, bytes=len(source), recipients=len(envelope.rcpt_tos))
        return key


class _Conversation(SMTP):
    """One client's connection, known to the server so that it can be ended from our side."""

    def __init__(self, counter: _Counter, clients: "set[_Conversation]") -> None:
        # Without a name given, the library asks the resolver for ours, which may take seconds.
        super().__init__(
            counter,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="Postrider inbox",
            loop=asyncio.get_running_loop(),
        )
        self._clients = clients

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the client."""
        self._clients.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the client."""
        self._clients.discard(self)
        super().connection_lost(error)

    def hang_up(self) -> None:
        """End the connection now, whether or not the client listens."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


def _readable(address: str) -> str:
    # Bytes that are not UTF-8 arrive as lone surrogates, which neither JSON readers nor pages can take.
    return address.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
