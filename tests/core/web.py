"""A little web on 127.0.0.1 that the tests of core.fetch reach as if it were a public host."""

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from core import fetch

PUBLIC = "93.184.215.14"
Page = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """One request; a page writes its answer with `answer`, or raw bytes with `raw`."""

    protocol_version = "HTTP/1.1"
    web: "Web"

    def do_GET(self) -> None:
        """Note the request and let its page answer."""
        self.web.hits.append(self)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.web.pages[self.path](self)

    do_POST = do_GET  # noqa: N815 - as the standard library calls it

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer; a header's underscores stand for hyphens."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def raw(self, *pieces: bytes, pause: float = 0) -> None:
        """Write bytes as they are, with a pause before each but the first; stop when the web closes."""
        for place, piece in enumerate(pieces):
            if place and self.web.closed.wait(pause):
                return
            self.wfile.write(piece)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is what many of these tests are about."""


@dataclass
class Web:
    """Pages by path, what was asked, and which addresses were connected to."""

    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    hits: list[Asked] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    names: dict[str, Sequence[str]] = field(default_factory=dict)
    closed: threading.Event = field(default_factory=threading.Event)
    trusted: ssl.SSLContext | None = None
    asked_for: list[str | None] = field(default_factory=list)

    def network(self) -> fetch.Network:
        """Return a network in which every name is a public host, unless `names` says otherwise, and all lead here."""
        return fetch.Network(self._resolve, self._connect, self._tls)

    def get(self, url: str, *, etag=None, last_modified=None, **limits: Any) -> fetch.Fetched:
        """Fetch `url` from this web."""
        request = fetch.FetchRequest(url, etag, last_modified)
        return fetch.get(request, fetch.FetchLimits(**limits), _network=self.network())

    def _resolve(self, host: str, port: int) -> Sequence[str]:
        self.looked_up.append(host)
        with contextlib.suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        return self.names.get(host, [PUBLIC])

    def _connect(self, address: str, port: int, timeout: float) -> socket.socket:
        self.connected.append((address, port))
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def _tls(self) -> ssl.SSLContext:
        return self.trusted or ssl.create_default_context()


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Serve a web on a free port until the block ends."""
    handler = type("Handler", (Asked,), {})
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web = Web(server.server_address[1])
    handler.web = web  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.closed.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail unless the block ends in time, however it ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        assert time.monotonic() - began < seconds
