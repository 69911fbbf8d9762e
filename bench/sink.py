"""A sink of our own: an SMTP server in one thread that throws every message away, and says when which one came.

It looks at the commands and at the end of a message only. What it is for, and Postfix' smtp-sink cannot do: counting
while it runs, and the moment at which the mail to one certain address was on the wire. It says so in a file of three
numbers; mails to recipients that begin with a mark are not counted there but written down line by line.
"""

import argparse
import contextlib
import mmap
import select
import signal
import socket
import struct
import time
from pathlib import Path

COUNTS = struct.Struct("qdd")
"""Messages taken, and the monotonic time of the first and the last of them."""
DEFAULT_MARK = "confirm-"
GREETING = b"220 sink.test ESMTP\r\n"
EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n"
OK, GO, BYE = b"250 2.0.0 Ok\r\n", b"354 Go ahead\r\n", b"221 2.0.0 Bye\r\n"
END = b"\r\n.\r\n"


class Line:
    """One connection: where it is in its transaction."""

    __slots__ = ("body", "marked", "rest", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.body = False
        self.rest = b""
        self.marked: list[bytes] = []


class Sink:
    """All connections of a sink, and what it counted."""

    def __init__(self, listener: socket.socket, folder: Path, mark: bytes) -> None:
        self._listener = listener
        self._mark = b"RCPT TO:<" + mark
        self._arrivals = (folder / "arrivals").open("wb", buffering=0)
        counts = folder / "counts"
        counts.write_bytes(COUNTS.pack(0, 0.0, 0.0))
        with counts.open("r+b") as file:
            self._counts = mmap.mmap(file.fileno(), COUNTS.size)
        self._taken, self._first = 0, 0.0
        self._lines: dict[int, Line] = {}
        self._buffer = bytearray(1 << 18)
        self._view = memoryview(self._buffer)

    def serve(self) -> None:
        """Take messages until the process is ended."""
        poll = select.epoll()
        own = self._listener.fileno()
        poll.register(own, select.EPOLLIN)
        while True:
            for number, _event in poll.poll():
                if number == own:
                    self._accept(poll)
                    continue
                line = self._lines[number]
                try:
                    alive = self._read(line)
                except OSError:
                    alive = False
                if not alive:
                    poll.unregister(number)
                    del self._lines[number]
                    line.sock.close()

    def _accept(self, poll: select.epoll) -> None:
        with contextlib.suppress(OSError):
            sock, _address = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            self._lines[sock.fileno()] = Line(sock)
            poll.register(sock.fileno(), select.EPOLLIN)
            sock.send(GREETING)

    def _read(self, line: Line) -> bool:
        size = line.sock.recv_into(self._buffer)
        if not size:
            return False
        if not line.body:
            return self._commands(line, bytes(self._view[:size]))
        # The end may lie across two reads: the last octets of the one before are kept.
        tail = bytes(self._view[max(0, size - 5) : size])
        if size < 5:
            tail = (line.rest + tail)[-5:]
        line.rest = tail
        if tail == END:
            self._took(line)
        return True

    def _took(self, line: Line) -> None:
        line.body = False
        line.rest = b""
        now = time.monotonic()
        if line.marked:
            for recipient in line.marked:
                self._arrivals.write(b"%.6f %s\n" % (now, recipient))
            line.marked.clear()
        else:
            self._first = self._first or now
            self._taken += 1
            self._counts[:] = COUNTS.pack(self._taken, self._first, now)
        line.sock.send(OK)

    def _commands(self, line: Line, read: bytes) -> bool:
        *commands, line.rest = (line.rest + read).split(b"\r\n")
        answers = []
        for command in commands:
            word = command[:4].upper()
            if word == b"DATA":
                line.body = True
                line.rest = b"\r\n"  # an empty message is only the dot
                answers.append(GO)
            elif word in (b"EHLO", b"HELO"):
                answers.append(EHLO)
            else:
                if command.startswith(self._mark):
                    line.marked.append(command[9:].partition(b">")[0])
                answers.append(BYE if word == b"QUIT" else OK)
        line.sock.send(b"".join(answers))
        return answers[-1:] != [BYE]


def main() -> None:
    """Listen on a port of this machine and take what comes, until SIGTERM."""
    parser = argparse.ArgumentParser(description="Take mail as fast as one thread can, and throw it away.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where counts and arrivals are kept")
    parser.add_argument("--mark", default=DEFAULT_MARK, help="how recipients begin whose arrival is written down")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_signal: exit(0))
    with socket.create_server(("127.0.0.1", options.port), backlog=1024) as listener:
        listener.setblocking(False)
        Sink(listener, options.folder, options.mark.encode()).serve()


if __name__ == "__main__":
    main()
