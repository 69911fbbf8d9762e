"""The relay of the chaos proof: an SMTP server in its own process that does to each recipient what its name asks.

What it accepts is on the disk before it answers 250. `python -m tests.chaos.sink --journal FILE` prints its port.
On its standard input it takes the words `cut` (drop every connection now), `shut SECONDS` (and listen to nobody for
so long) and `pace SECONDS`; when that closes, it ends.
"""

import argparse
import heapq
import os
import random
import selectors
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.chaos import letters, scripts
from tests.chaos.journal import Journal, Line

SIZE_LIMIT = 50_000_000
DOT = b"\r\n.\r\n"
RESET = struct.pack("ii", 1, 0)


class Sink:
    """All connections of one relay, in one thread."""

    def __init__(self, listener: socket.socket, journal: Journal, options: argparse.Namespace) -> None:
        self.journal = journal
        self.options = options
        self.chance = random.Random(options.seed)
        self.played: Counter[str] = Counter()
        self.selector = selectors.DefaultSelector()
        self._listener = listener
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._lines: list[Line] = []
        self._answers: list[Callable[[], None]] = []
        self._open: set[Wire] = set()
        self._count = 0
        self._orders = b""

    def serve(self) -> None:
        """Serve until the standard input closes."""
        self.selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._order)
        while self.selector.get_map().get(sys.stdin.fileno()):
            for key, _mask in self.selector.select(self._patience()):
                key.data()
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()
            self._settle()

    def _patience(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _settle(self) -> None:
        """Write down what this turn brought, and only then answer: one wait for the disk for all connections."""
        while self._lines or self._answers:
            lines, answers, self._lines, self._answers = self._lines, self._answers, [], []
            self.journal.write(lines)
            for answer in answers:
                answer()

    def note(self, kind: str, **words: object) -> None:
        """Write down a line with this turn."""
        self._lines.append({"k": kind, "t": time.time(), **words})

    def once_noted(self, answer: Callable[[], None]) -> None:
        """Answer when this turn's lines are on the disk."""
        self._answers.append(answer)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Act after a while."""
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._count, act))

    def _accept(self) -> None:
        try:
            accepted, _address = self._listener.accept()
        except OSError:
            return
        self._count += 1
        self._open.add(Wire(self, accepted, self._count))

    def forget(self, wire: "Wire") -> None:
        """Take a closed connection off the list."""
        self._open.discard(wire)

    def _order(self) -> None:
        text = os.read(sys.stdin.fileno(), 4096)
        if not text:
            self.selector.unregister(sys.stdin.fileno())
        *orders, self._orders = (self._orders + text).split(b"\n")
        for order in orders:
            word, _space, number = order.decode().partition(" ")
            if word == "pace":
                self.options.pace = float(number)
                continue
            self.note(word, open=len(self._open), waiting=sum(wire.in_doubt for wire in self._open))
            for wire in list(self._open):
                wire.end("cut")
            if word == "shut":
                self._shut(float(number))

    def _shut(self, seconds: float) -> None:
        """Refuse connections for a while, as a relay does that is being restarted."""
        if self._listener.fileno() < 0:
            return  # it is away already, and comes back by itself
        address = self._listener.getsockname()
        self.selector.unregister(self._listener)
        self._listener.close()

        def again() -> None:
            try:
                self._listener = listen(address[1])
            except OSError:
                # Somebody's outgoing connection has the port for a moment.
                self.later(0.2, again)
                return
            self.selector.register(self._listener, selectors.EVENT_READ, self._accept)

        self.later(seconds, again)


class Wire:
    """One connection and the transaction on it."""

    def __init__(self, sink: Sink, sock: socket.socket, number: int) -> None:
        self._sink = sink
        self._sock = sock
        self._number = number
        self._in = bytearray()
        self._out = bytearray()
        self._seen = 0
        self._waiting = False
        self._closed = False
        self.in_doubt = False
        self._watched = selectors.EVENT_READ
        self._clear()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sink.selector.register(sock, self._watched, self._ready)
        sink.note("open", conn=number, port=sock.getpeername()[1])
        self._say("220 relay.test ESMTP")

    def _clear(self) -> None:
        self._sender: str | None = None
        self._to = ""
        self._script = scripts.Script()
        self._began = 0.0
        self._in_body = False
        self._foreseen = False

    def _ready(self) -> None:
        if self._out:
            self._push()
        try:
            text = self._sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        if not text:
            self.end("them")
            return
        self._in += text
        self._read()

    def _read(self) -> None:
        while not (self._waiting or self._closed):
            if self._in_body:
                if not self._read_body():
                    return
                continue
            end = self._in.find(b"\n")
            if end < 0:
                return
            line = bytes(self._in[:end]).rstrip(b"\r").decode("utf-8", "replace")
            del self._in[: end + 1]
            self._command(line)

    def _command(self, line: str) -> None:
        verb = line.partition(" ")[0].upper()
        if verb in ("EHLO", "HELO"):
            self._clear()
            self._greet(verb)
        elif verb == "MAIL" and self._sender is None:
            self._mail(_path(line))
        elif verb == "RCPT" and self._sender is not None and not self._to:
            self._rcpt(_path(line))
        elif verb == "DATA" and self._to:
            self._play("data", self._wait_for_body)
        elif verb in ("RSET", "NOOP"):
            self._clear() if verb == "RSET" else None
            self._say("250 2.0.0 Ok")
        elif verb == "QUIT":
            self._say("221 2.0.0 Bye")
            self.end("quit")
        else:
            self._say("503 5.5.1 Bad sequence of commands" if verb in ("MAIL", "RCPT", "DATA") else "500 5.5.2 What?")

    def _greet(self, verb: str) -> None:
        offers = ["relay.test", f"SIZE {SIZE_LIMIT}", "ENHANCEDSTATUSCODES", "8BITMIME"]
        offers += [] if self._sink.options.no_pipelining else ["PIPELINING"]
        if verb == "HELO":
            offers = offers[:1]
        self._say("\r\n".join(f"250{'-' if one is not offers[-1] else ' '}{one}" for one in offers))

    def _mail(self, sender: str) -> None:
        self._began = time.time()

        def good() -> None:
            self._sender = sender
            self._say("250 2.1.0 Ok")

        # Who it is for stands in the next command, if that came along; otherwise nothing is known of it yet.
        following = bytes(self._in).partition(b"\n")[0].decode("utf-8", "replace")
        self._foreseen = following.upper().startswith("RCPT")
        self._script = scripts.read(_path(following)) if self._foreseen else scripts.Script()
        self._to = _path(following) if self._script.phase == "mail" else ""
        self._play("mail", good)
        self._to = ""

    def _rcpt(self, recipient: str) -> None:
        self._to, self._script = recipient, scripts.read(recipient)
        if self._script.phase == "mail" and not self._foreseen:
            # At MAIL a refusal is never the recipient's fault; here one for good would be.
            act = "4xx" if self._script.act == "5xx" else self._script.act
            self._script = scripts.Script("rcpt", act, self._script.times)
        to, self._to = self._to, ""

        def good() -> None:
            self._to = to
            self._say("250 2.1.5 Ok")

        self._play("rcpt", good, to)

    def _play(self, phase: str, good: Callable[[], None], to: str = "") -> None:
        """Do what the script asks for in this phase, or go on as a good relay does."""
        script, to = self._script, to or self._to
        if script.phase != phase or self._sink.played[to] >= script.times:
            good()
            return
        self._sink.played[to] += 1
        self._note_play(to)
        self._act(script.act)

    def _note_play(self, to: str) -> None:
        script = self._script
        words = {"conn": self._number, "to": to, "from": self._sender, "script": f"{script.phase}-{script.act}"}
        self._sink.note("played", t0=self._began, doubtful=script.doubtful, **words)

    def _act(self, act: str) -> None:
        if act in scripts.REPLIES:
            self._say(scripts.REPLIES[act])
            if act == "421":
                self.end("421")
        elif act in ("garbage", "babble"):
            self._out += self._sink.chance.choice(scripts.GARBAGE)
            self._push()
        elif act == "hang":
            self._hold(self._sink.options.hang, lambda: self.end("hang"))
        else:
            self.end("drop")

    def _hold(self, seconds: float, then: Callable[[], None]) -> None:
        """Say nothing and read nothing more for a while."""
        self._waiting = True

        def go_on() -> None:
            if not self._closed:
                self._waiting = False
                then()
                self._read()

        self._sink.later(seconds, go_on)

    def _wait_for_body(self) -> None:
        self._in_body, self._seen = True, 0
        self._say("354 Go ahead")

    def _read_body(self) -> bool:
        """Take the message when its end is there; return whether it was."""
        if self._script.phase == "body" and self._in and self._sink.played[self._to] < self._script.times:
            self._play("body", lambda: None)
            return False
        # An end that came in two reads: look again from a little before.
        end = 0 if self._in.startswith(DOT[2:]) else self._in.find(DOT, max(0, self._seen - len(DOT)))
        if end < 0:
            self._seen = len(self._in)
            return False
        source = bytes(self._in[: end + 2 if end else 0])
        del self._in[: end + len(DOT) if end else len(DOT) - 2]
        self._in_body, self.in_doubt = False, True
        before, after = self._pace()
        self._hold(before, lambda: self._finish(source, after)) if before else self._finish(source, after)
        return True

    def _pace(self) -> tuple[float, float]:
        """Return how long to wait before a message is accepted, and before that is said."""
        wait = self._sink.chance.uniform(0, 2 * self._sink.options.pace)
        return (wait, 0.0) if self._sink.chance.random() < 0.5 else (0.0, wait)

    def _finish(self, source: bytes, wait: float) -> None:
        script = self._script
        plays = script.phase == "dot" and self._sink.played[self._to] < script.times
        accepts = not plays or script.act in ("lost", "babble", "slow")
        if accepts:
            mail = letters.read(source.replace(b"\r\n..", b"\r\n."))
            words = {"conn": self._number, "from": self._sender, "to": self._to, "t0": self._began}
            self._sink.note("accepted", **words, **mail)
        if plays and script.act == "slow":
            plays, wait = False, self._sink.options.slow
        self._waiting = True
        if plays:
            self._sink.once_noted(self._play_dot)
        elif wait:
            self._sink.once_noted(lambda: self._hold(wait, self._taken))
        else:
            self._sink.once_noted(self._taken)

    def _play_dot(self) -> None:
        self._waiting = False
        self._play("dot", lambda: None)
        if not self._waiting:
            self.in_doubt = False
            self._clear()
            self._read()

    def _taken(self) -> None:
        self._waiting = self.in_doubt = False
        if not self._closed:
            self._clear()
            self._say("250 2.0.0 Ok: taken")
            self._read()

    def _say(self, reply: str) -> None:
        self._out += reply.encode() + b"\r\n"
        self._push()

    def _push(self) -> None:
        if self._closed:
            return
        try:
            del self._out[: self._sock.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self.end("them")
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        if wanted != self._watched:
            self._watched = wanted
            self._sink.selector.modify(self._sock, wanted, self._ready)

    def end(self, why: str) -> None:
        """Close the connection, at once and with a reset where that is the trouble."""
        if self._closed:
            return
        self._closed = True
        self._sink.note("close", conn=self._number, by=why, to=self._to, unanswered=self.in_doubt)
        self._sink.selector.unregister(self._sock)
        self._sink.forget(self)
        if why in ("drop", "hang", "cut"):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._sock.close()


def _path(line: str) -> str:
    """Return the address between the angle brackets of a command."""
    return line.partition("<")[2].partition(">")[0]


def listen(port: int) -> socket.socket:
    """Listen on this machine alone."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(256)
    listener.setblocking(False)
    return listener


def main() -> None:
    """Serve until the standard input closes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-pipelining", action="store_true")
    parser.add_argument("--no-fsync", action="store_true", help="for measuring speed only")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds that an acceptance takes, on average")
    parser.add_argument("--hang", type=float, default=3.4, help="seconds without a word before the connection ends")
    parser.add_argument("--slow", type=float, default=1.5, help="seconds that a slow 250 takes")
    options = parser.parse_args()
    listener = listen(options.port)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    journal = Journal(options.journal, durable=not options.no_fsync)
    Sink(listener, journal, options).serve()
    journal.close()


if __name__ == "__main__":
    main()
