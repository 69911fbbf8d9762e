"""A wire to a server on this machine that can go dead: what is on it then is lost, and neither end is told."""

import contextlib
import selectors
import socket
import threading
from typing import Self


class Wire:
    """Listens at a port of its own, and passes everything on until it goes dead; later connections work again."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._dead = threading.Event()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.go_dead()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def go_dead(self) -> None:
        """Keep every open connection open, and pass nothing on for them, ever."""
        dead, self._dead = self._dead, threading.Event()
        dead.set()

    def _serve(self) -> None:
        with self._listener, contextlib.suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                carrier = threading.Thread(target=self._carry, args=(near, self._dead))
                self._threads.append(carrier)
                carrier.start()

    def _carry(self, near: socket.socket, dead: threading.Event) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(self._to) as far:
            with selectors.DefaultSelector() as selector:
                selector.register(near, selectors.EVENT_READ, far)
                selector.register(far, selectors.EVENT_READ, near)
                while not dead.is_set():
                    for key, _events in selector.select(0.05):
                        said = near.recv(65536) if key.fileobj is near else far.recv(65536)
                        if not said:
                            return
                        if not dead.is_set():
                            key.data.sendall(said)
            self._over.wait()
