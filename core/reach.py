"""Reach a host on the web: resolve its name once, connect to the very address that was checked, cut it off in time."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from core import hosts

_MAX_TRIES = 4


class FetchError(Exception):
    """A request that brought nothing. Its text says why, in English, for operators."""


class FetchRefused(FetchError):
    """Our own rules say no: where it leads, how large it is, how it is packed."""


class FetchFailed(FetchError):
    """The other side, or the way there, failed. Later it may work."""


class UntrustedCertificate(FetchFailed):
    """Whoever answers has no certificate that says they are this host, or one that has ended."""


def _resolve(host: str, port: int) -> Sequence[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _connect(address: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((address, port), timeout)


@dataclass(frozen=True, slots=True)
class Network:
    """How names become addresses, addresses sockets, and sockets TLS. Nobody but a test makes another one."""

    resolve: Callable[[str, int], Sequence[str]] = _resolve
    connect: Callable[[str, int, float], socket.socket] = _connect
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context


PUBLIC = Network()


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time of one request. It cuts the connection, whatever that waits for: no slow byte resets it."""

    total_s: float
    began: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds that are left. Raises FetchFailed when there are none."""
        left = self.total_s - (time.monotonic() - self.began)
        if left <= 0:
            raise FetchFailed(f"it took longer than {self.total_s:g} seconds")
        return left

    def guard(self, sock: socket.socket) -> Callable[[], None]:
        """Shut `sock` down at the deadline; return what calls it off. A duplicate survives TLS wrapping."""
        left = self.left()
        twin = sock.dup()
        timer = threading.Timer(left, _shut, [twin])
        timer.daemon = True
        timer.start()

        def call_off() -> None:
            timer.cancel()
            twin.close()

        return call_off


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def connected(
    target: hosts.Target, *, connect_s: float, deadline: Deadline, network: Network, public_only: bool
) -> socket.socket:
    """Return a socket that is connected to an address of the target. Raises FetchRefused or FetchFailed.

    `public_only` refuses a host when any of its addresses is not on the public internet.
    """
    addresses = _look_up(target, min(connect_s, deadline.left()), network)
    if public_only and not all(map(hosts.is_public, addresses)):
        raise FetchRefused("the host is not on the public internet")
    for address in addresses[:_MAX_TRIES]:
        timeout = min(connect_s, deadline.left())
        with suppress(OSError):
            return network.connect(address, target.port, timeout)
    raise FetchFailed("the host cannot be reached")


def _look_up(target: hosts.Target, timeout: float, network: Network) -> list[str]:
    """Resolve in a thread of its own: the system's resolver takes no time limit."""
    found: list[str] = []

    def ask() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(network.resolve(target.host, target.port))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive() or not found:
        raise FetchFailed("the host's name cannot be resolved")
    return list(found)
