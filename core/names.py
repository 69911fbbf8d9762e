"""Questions to the DNS, each bounded in time and in number: the only module that asks it."""

import ipaddress
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver
import dns.reversename
from dns.message import Message

from core import characters

TRY_S = 2.0
"""How long one server is waited for before it, or the next one, is asked again."""
QUESTION_S = 5.0
"""How long one question may take, with all its tries."""
ALL_S = 60.0
"""How long all the questions of one `Names` may take together."""
QUESTIONS = 600
"""How many questions one `Names` asks at most; what was asked before is remembered."""
GIVE_UP = 3
"""After so many questions of which none was answered, nothing more is asked: there is no line, or nobody listens."""
SERVERS = 3
"""How many servers of the system are asked, as its own resolver does."""
RECORDS = 50
"""How many records of an answer are kept: nobody who means well has more."""
PAYLOAD = 1232
"""Octets that we take in a datagram; what is longer comes over TCP (RFC 6891; RFC 7766, section 5)."""


class Outcome(Enum):
    """What became of a question. `BROKEN` is an answer that is none: SERVFAIL, REFUSED, nonsense, an endless chain."""

    FOUND = "found"
    NOTHING = "no such record"
    NO_NAME = "no such name"
    BROKEN = "the server fails"
    SILENT = "no answer in time"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS says to one question. `records` are texts, or hosts in small letters without the last dot."""

    outcome: Outcome
    records: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Return whether we know now what there is, even if it is nothing."""
        return self.outcome not in (Outcome.BROKEN, Outcome.SILENT)

    @property
    def void(self) -> bool:
        """Return whether there is nothing: what RFC 7208, section 4.6.4, calls a void lookup."""
        return self.outcome in (Outcome.NOTHING, Outcome.NO_NAME)


@dataclass(frozen=True, slots=True)
class Exchanges:
    """What the DNS says of who takes mail for a domain: (preference, host), the most preferred first.

    A null MX (RFC 7505) is a host of no letters.
    """

    outcome: Outcome
    hosts: tuple[tuple[int, str], ...] = ()


class Names:
    """A place to ask. It remembers what was asked, and asks no more when its time or its questions are used up."""

    def __init__(self, server: tuple[str, int] | None = None, *, seconds: float = ALL_S) -> None:
        """Ask this server, an IP address and a port, or else those of the system. Raises ValueError without any.

        `seconds` is how long all questions may take together.
        """
        try:
            self._servers = [server] if server is not None else _system_servers()
        except (dns.resolver.NoResolverConfiguration, OSError) as error:
            raise ValueError("this system names no DNS server") from error
        self._kept: dict[tuple[str, str], tuple[Outcome, tuple[Any, ...]]] = {}
        self._until = time.monotonic() + seconds
        self.answered = False
        """Whether any question was answered at all: if not, nothing that was found means anything."""

    def texts(self, name: str) -> Answer:
        """Return the TXT records of a name, the strings of each joined (RFC 7208, section 3.3; RFC 6376, 3.6.2.2)."""
        return self._answer(name, "TXT", lambda record: _text(b"".join(record.strings)))

    def addresses(self, name: str) -> Answer:
        """Return the IPv4 and IPv6 addresses of a name."""
        four, six = (self._answer(name, kind, lambda record: str(record.address)) for kind in ("A", "AAAA"))
        if four.records or six.records:
            return Answer(Outcome.FOUND, four.records + six.records)
        return four if not four.known or six.known else six

    def exchanges(self, name: str) -> Exchanges:
        """Return who takes mail for a domain (RFC 5321, section 5.1)."""
        outcome, records = self._ask(name, "MX")
        hosts = sorted((int(record.preference), _host(record.exchange)) for record in records)
        return Exchanges(outcome, tuple(hosts))

    def alias(self, name: str) -> Answer:
        """Return what a name is only another name for."""
        return self._answer(name, "CNAME", lambda record: _host(record.target))

    def pointers(self, address: str) -> Answer:
        """Return the names of an IP address."""
        return self._answer(reverse(address), "PTR", lambda record: _host(record.target))

    def _answer(self, name: str, kind: str, read: Callable[[Any], str]) -> Answer:
        outcome, records = self._ask(name, kind)
        return Answer(outcome, tuple(read(record) for record in records))

    def _ask(self, name: str, kind: str) -> tuple[Outcome, tuple[Any, ...]]:
        """Return what was answered, then or now."""
        key = (name.lower().rstrip("."), kind)
        if key not in self._kept:
            until = min(self._until, time.monotonic() + QUESTION_S)
            if until <= time.monotonic() or len(self._kept) >= (QUESTIONS if self.answered else GIVE_UP):
                return Outcome.SILENT, ()
            self._kept[key] = self._look_up(*key, until)
            self.answered = self.answered or self._kept[key][0] is not Outcome.SILENT
        return self._kept[key]

    def _look_up(self, name: str, kind: str, until: float) -> tuple[Outcome, tuple[Any, ...]]:
        """Ask one server after the other, again and again while one of them is silent and there is time."""
        try:
            query = dns.message.make_query(name + ".", kind, use_edns=0, payload=PAYLOAD)
            query.to_wire()
        except (dns.exception.DNSException, ValueError):
            # A name that no server could have: a label of 64 octets, or two dots in a row.
            return Outcome.BROKEN, ()
        found: tuple[Outcome, tuple[Any, ...]] = (Outcome.SILENT, ())
        again = True
        while again and time.monotonic() < until:
            again = False
            for server in self._servers:
                try:
                    found = _read(_exchange(server, query, min(until, time.monotonic() + TRY_S)))
                except TimeoutError:
                    again = True
                except OSError:
                    # Nobody is there, or the line broke: asking once more would only be quick about it.
                    continue
                if found[0] not in (Outcome.SILENT, Outcome.BROKEN):
                    return found
        return found


def _exchange(server: tuple[str, int], query: Message, until: float) -> Message:
    """Return a server's answer, over TCP when it does not fit into a datagram. Raises OSError, or TimeoutError of it.

    Waits are measured by the monotonic clock, which dnspython's own are not: one that is set back would make them long.
    """
    reply = _by_datagram(server, query, until)
    return _by_stream(server, query, until) if reply.flags & dns.flags.TC else reply


def _left(until: float) -> float:
    """Return the seconds that are left. Raises TimeoutError when there are none."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _by_datagram(server: tuple[str, int], query: Message, until: float) -> Message:
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as line:
        line.connect(server)
        line.send(query.to_wire())
        while True:
            line.settimeout(_left(until))
            reply = _parsed(line.recv(65_535), query)
            # What answers another question, or is no answer at all, may be forged: the right one may still come.
            if reply is not None:
                return reply


def _by_stream(server: tuple[str, int], query: Message, until: float) -> Message:
    with socket.create_connection(server, timeout=_left(until)) as line:
        octets = query.to_wire()
        line.sendall(len(octets).to_bytes(2, "big") + octets)
        length = int.from_bytes(_received(line, 2, until), "big")
        reply = _parsed(_received(line, length, until), query)
    if reply is None:
        raise ConnectionError("the server answered another question")
    return reply


def _received(line: socket.socket, count: int, until: float) -> bytes:
    octets = b""
    while len(octets) < count:
        line.settimeout(_left(until))
        more = line.recv(count - len(octets))
        if not more:
            raise ConnectionError("the server hung up")
        octets += more
    return octets


def _parsed(octets: bytes, query: Message) -> Message | None:
    """Return an answer to this very question."""
    try:
        reply = dns.message.from_wire(octets, ignore_trailing=True)
    except Exception:  # noqa: BLE001 - whatever a stranger sends and the parser says to it, it is no answer
        return None
    return reply if query.is_response(reply) else None


def _read(reply: Message) -> tuple[Outcome, tuple[Any, ...]]:
    """Return what an answer says, aliases followed."""
    # Cut over TCP, too: what is missing may be all that matters.
    if reply.flags & dns.flags.TC or reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Outcome.BROKEN, ()
    if reply.rcode() == dns.rcode.NXDOMAIN:
        return Outcome.NO_NAME, ()
    try:
        found = reply.resolve_chaining().answer if isinstance(reply, dns.message.QueryMessage) else None
    except dns.exception.DNSException:
        return Outcome.BROKEN, ()
    records = tuple(found or ())[:RECORDS]
    return (Outcome.FOUND if records else Outcome.NOTHING), records


def _system_servers() -> list[tuple[str, int]]:
    known = dns.resolver.Resolver()
    return [(str(one), known.port) for one in known.nameservers][:SERVERS]


def reverse(address: str) -> str:
    """Return the name under which the names of an IP address stand: `1.2.0.192.in-addr.arpa`."""
    return _host(dns.reversename.from_address(address))


def server_at(text: str) -> tuple[str, int]:
    """Read a server to ask: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:5353`. Raises ValueError for others."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or ("]" in port or (":" in host and not host.startswith("["))):
        host, port = text.strip(), "53"
    address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is no port")
    return str(address), int(port)


def _host(name: dns.name.Name) -> str:
    return _plain(name.to_text(omit_final_dot=True).lower()) if name != dns.name.root else ""


def _text(octets: bytes) -> str:
    return _plain(octets.decode("ascii", "backslashreplace"))


def _plain(text: str) -> str:
    """Return text in which a stranger's control characters show, and do nothing at a terminal."""
    if not characters.has_controls(text):
        return text
    return "".join(f"\\x{ord(char):02x}" if characters.has_controls(char) else char for char in text)
