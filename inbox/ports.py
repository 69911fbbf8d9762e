"""Take a port of this machine for the inbox, or say plainly that it is taken."""

import errno
import os
import socket

from core import errors

LOOPBACK = "127.0.0.1"
"""The only address the inbox listens on: what it holds is nobody else's business."""


class PortTaken(errors.UnfitStart):
    """Another program listens on this port. Its text is one sentence for the person at the terminal."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(f"Port {port} is already in use: stop the program that listens on it, or choose another port.")


class PortRefused(errors.UnfitStart):
    """The system does not give us this port, for instance one below 1024 without the right to it."""

    def __init__(self, port: int, reason: str) -> None:
        self.port = port
        super().__init__(f"Port {port} cannot be used ({reason}): choose another port.")


def listen(port: int) -> socket.socket:
    """Return a listening socket on loopback; port 0 takes any free one. Raises PortTaken or PortRefused."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A restart must not wait for old connections to time out. Outside POSIX the option means stealing.
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port) from None
        raise PortRefused(port, os.strerror(error.errno or 0)) from None
    except OverflowError:
        listener.close()
        raise PortRefused(port, "ports go from 0 to 65535") from None
    return listener
