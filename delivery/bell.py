"""A bell that wakes the sender out of waiting for its lines: a pipe to itself, which a selector can wait for."""

import contextlib
import socket


class Bell:
    """Rung by any thread of this process, as often as it likes; heard once. One that rings already is left alone."""

    def __init__(self) -> None:
        self._rings = False
        self._hear, self._ring = socket.socketpair()
        self._hear.setblocking(False)
        self._ring.setblocking(False)

    def fileno(self) -> int:
        """Return what a selector waits on."""
        return self._hear.fileno()

    def set(self) -> None:
        """Ring. Whatever was done before is seen by who hears it, and acts after `clear`."""
        if not self._rings:
            self._rings = True
            with contextlib.suppress(BlockingIOError, OSError):
                self._ring.send(b"!")

    def close(self) -> None:
        """Take the bell down."""
        self._hear.close()
        self._ring.close()

    def __del__(self) -> None:
        """A bell that nobody holds any more takes itself down."""
        self.close()

    def clear(self) -> bool:
        """Stop the ringing; return whether it rang."""
        rang = False
        with contextlib.suppress(BlockingIOError):
            rang = bool(self._hear.recv(4096))
        # After that: who rings from here on is heard the next time, who did before is seen to now.
        self._rings = False
        return rang
