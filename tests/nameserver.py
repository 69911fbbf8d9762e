"""A real DNS server on 127.0.0.1, over UDP and TCP: a zone in a dict, and every way in which a server can be wrong."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dnslib import AAAA, CNAME, MX, PTR, QTYPE, RCODE, RR, TXT, A, DNSRecord

UDP_OCTETS = 1232
_DATA = {"A": A, "AAAA": AAAA, "CNAME": CNAME, "PTR": PTR}
Zone = Mapping[str, Mapping[str, list[Any]]]
"""By name and type what stands there: a TXT is a text, or a list of its strings; an MX is (preference, host)."""


@dataclass
class NameServer:
    """It answers from `zone`, which may be changed while it runs. `odd` says by name what it does instead.

    `servfail`, `refuse`, `silent`, `other id` (and never a right one), `other name`, `garbage`, `cut` (truncated over
    TCP, too), `loop` (an alias of itself).
    """

    zone: dict[str, Mapping[str, list[Any]]]
    odd: dict[str, str] = field(default_factory=dict)
    port: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """What was asked: over which transport, which name, which type."""

    def answer(self, octets: bytes, transport: str) -> bytes | None:
        query = DNSRecord.parse(octets)
        name, kind = str(query.q.qname).rstrip(".").lower(), QTYPE[query.q.qtype]
        self.asked.append((transport, name, kind))
        odd = self.odd.get(name)
        reply = query.reply()
        if odd == "silent":
            return None
        if odd == "garbage":
            return octets[:2] + b"\x81\x80" + b"\xff" * 40
        if odd in ("servfail", "refuse"):
            reply.header.rcode = RCODE.SERVFAIL if odd == "servfail" else RCODE.REFUSED
            return reply.pack()
        if odd == "loop":
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(name)))
            return reply.pack()
        self._fill(reply, name, kind)
        if odd == "other id":
            reply.header.id ^= 0x5555
        if odd == "other name":
            reply.q.qname = "elsewhere.test"
        packed = reply.pack()
        if odd == "cut" or (transport == "udp" and len(packed) > UDP_OCTETS):
            short = query.reply()
            short.header.tc = 1
            return short.pack()
        return packed

    def _fill(self, reply: DNSRecord, name: str, kind: str) -> None:
        for _step in range(30):
            there = self.zone.get(name)
            if there is None:
                above = any(one.endswith("." + name) for one in self.zone)
                reply.header.rcode = RCODE.NOERROR if above or reply.rr else RCODE.NXDOMAIN
                return
            if kind in there or "CNAME" not in there or kind == "CNAME":
                break
            (target,) = there["CNAME"]
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(str(target))))
            name = str(target)
        for one in self.zone[name].get(kind, []):
            reply.add_answer(RR(name, getattr(QTYPE, kind), rdata=_data(kind, one), ttl=60))


def _data(kind: str, value: Any) -> Any:
    if kind == "TXT":
        strings = value if isinstance(value, list) else [value]
        cut = [one[start : start + 255] for one in strings for start in range(0, max(1, len(one)), 255)]
        return TXT([one.encode() if isinstance(one, str) else one for one in cut])
    if kind == "MX":
        preference, host = value
        return MX(host or ".", preference)
    return _DATA[kind](value)


@contextlib.contextmanager
def serving(zone: Zone, odd: Mapping[str, str] | None = None, *, port: int = 0) -> Iterator[NameServer]:
    """Run a server for as long as the block lasts, at a port that is free unless one is given."""
    server = NameServer(dict(zone), dict(odd or {}))
    udp, tcp = _sockets(port)
    server.port = udp.getsockname()[1]
    over = threading.Event()
    threads = [
        threading.Thread(target=_serve_udp, args=(server, udp, over)),
        threading.Thread(target=_serve_tcp, args=(server, tcp, over)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        over.set()
        for thread in threads:
            thread.join()
        udp.close()
        tcp.close()


def _sockets(port: int) -> tuple[socket.socket, socket.socket]:
    """Return two sockets at the same port, which is free for both."""
    for _try in range(50):
        tcp = socket.create_server(("127.0.0.1", port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            continue
        for one in (udp, tcp):
            one.settimeout(0.05)
        return udp, tcp
    raise RuntimeError("no port is free for UDP and TCP")


def _serve_udp(server: NameServer, udp: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            octets, sender = udp.recvfrom(4096)
            answer = server.answer(octets, "udp")
            if answer is not None:
                udp.sendto(answer, sender)


def _serve_tcp(server: NameServer, tcp: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(TimeoutError, OSError):
            line, _sender = tcp.accept()
            with line:
                line.settimeout(1.0)
                (length,) = struct.unpack("!H", line.recv(2, socket.MSG_WAITALL))
                answer = server.answer(line.recv(length, socket.MSG_WAITALL), "tcp")
                if answer is not None:
                    line.sendall(struct.pack("!H", len(answer)) + answer)
