"""Questions to the DNS, each bounded in time and in number: the only module that asks it."""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import dns.exception
import dns.flags
import dns.name
import dns.rdatatype
import dns.resolver
import dns.reversename

from core import characters

TRY_S = 2.0
"""How long one server is waited for before it, or the next one, is asked again."""
QUESTION_S = 5.0
"""How long one question may take, with all its tries."""
ALL_S = 60.0
"""How long all the questions of one `Names` may take together."""
QUESTIONS = 600
"""How many questions one `Names` asks at most; what was asked before is remembered."""
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
            self._resolver = dns.resolver.Resolver(configure=server is None)
        except (dns.resolver.NoResolverConfiguration, OSError) as error:
            raise ValueError("this system names no DNS server") from error
        if server is not None:
            self._resolver.nameservers = [server[0]]
            self._resolver.port = server[1]
        self._resolver.timeout = TRY_S
        self._resolver.use_edns(0, 0, PAYLOAD)
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
            left = self._until - time.monotonic()
            if left <= 0 or len(self._kept) >= QUESTIONS:
                return Outcome.SILENT, ()
            self._kept[key] = self._look_up(*key, min(left, QUESTION_S))
            self.answered = self.answered or self._kept[key][0] is not Outcome.SILENT
        return self._kept[key]

    def _look_up(self, name: str, kind: str, seconds: float) -> tuple[Outcome, tuple[Any, ...]]:
        try:
            asked = dns.name.from_text(name + ".")
            found = self._resolver.resolve(asked, kind, lifetime=seconds, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return Outcome.NO_NAME, ()
        except dns.exception.Timeout:
            return Outcome.SILENT, ()
        except (dns.exception.DNSException, OSError, ValueError):
            # Among them a name that no server could have: a label of 64 octets, or two dots in a row.
            return Outcome.BROKEN, ()
        if found.response.flags & dns.flags.TC:
            # Cut over TCP, too: what is missing may be all that matters.
            return Outcome.BROKEN, ()
        records = tuple(found.rrset or ())[:RECORDS]
        return (Outcome.FOUND if records else Outcome.NOTHING), records


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
