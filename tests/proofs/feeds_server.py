"""A web server for bad feeds: the bytes that a page yields go out as they are, as slowly and as long as it likes."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_BACKLOG = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its path with query, its headers in lower case, and whether it came in TLS."""

    path: str
    headers: Mapping[str, str]
    secure: bool


class Reset(Exception):
    """A page raises it to end its connection with a reset."""


Page = Callable[[Asked], Iterable[bytes]]


@dataclass
class Server:
    """Pages by path, and what was asked. `over` is set when the server ends: a page that waits, waits on it."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, line: socket.socket, *, secure: bool) -> None:
        """Read a request and write what its page yields."""
        with contextlib.suppress(OSError), line:
            line.settimeout(30)
            asked = _read(line, secure=secure)
            if asked is None:
                return
            self.asked.append(asked)
            try:
                for piece in self.pages.get(asked.path, _nothing)(asked):
                    line.sendall(piece)
                    if self.over.is_set():
                        return
            except Reset:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            line.shutdown(socket.SHUT_WR)
            while line.recv(65_536):  # Else what is unread would make a reset of the end.
                pass


def _nothing(_asked: Asked) -> Iterable[bytes]:
    return [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]


def _read(line: socket.socket, *, secure: bool) -> Asked | None:
    head = b""
    while b"\r\n\r\n" not in head:
        more = line.recv(4096)
        if not more:
            return None
        head += more
    first, *lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    pairs = (one.partition(":") for one in lines)
    return Asked(first.split(" ")[1], {name.lower(): value.strip() for name, _colon, value in pairs}, secure)


@contextlib.contextmanager
def serving(
    places: Sequence[tuple[str, int]], secure: Sequence[tuple[str, int]] = (), tls: ssl.SSLContext | None = None
) -> Iterator[tuple[Server, list[tuple[str, int]]]]:
    """Serve at these addresses, and at others in TLS, until the block ends; say where, as a port may have been 0."""
    server = Server()
    listening = [(_listening(place), None) for place in places] + [(_listening(place), tls) for place in secure]
    threads = [threading.Thread(target=_accept, args=(server, sock, context)) for sock, context in listening]
    for thread in threads:
        thread.start()
    try:
        yield server, [sock.getsockname()[:2] for sock, _context in listening]
    finally:
        server.over.set()
        for thread in threads:
            thread.join()
        for sock, _context in listening:
            sock.close()


def _listening(place: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    sock = socket.create_server(place, family=family, backlog=_BACKLOG)
    sock.settimeout(0.1)
    return sock


def _accept(server: Server, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
    while not server.over.is_set():
        with contextlib.suppress(TimeoutError):
            line, _sender = sock.accept()
            threading.Thread(target=_serve, args=(server, line, tls), daemon=True).start()


def _serve(server: Server, line: socket.socket, tls: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        if tls is not None:
            line.settimeout(30)
            line = tls.wrap_socket(line, server_side=True)
        server.answer(line, secure=tls is not None)
