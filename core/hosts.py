"""Which addresses on the web may be fetched from: how a URL is read, and which hosts are public."""

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

PORTS = {"http": 80, "https": 443}
_MAX_URL = 2_000
# Python's is_global lets these pass, at least in some of the versions that we run on.
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
_UNICAST6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address: `host` in A-labels or as an IP address, `path` percent-encoded, with its query."""

    scheme: str
    host: str
    port: int
    path: str


def parse(url: str, *, any_port: bool = False) -> Target:
    """Return what a URL leads to. Raises ValueError, whose text says what is wrong with it.

    Only http and https, only ports 80 and 443 unless `any_port` says otherwise, no user name, no odd spelling of an
    IP address.
    """
    if len(url) > _MAX_URL or any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise ValueError("the address is malformed")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("the address is malformed") from error
    if parts.scheme not in PORTS:
        raise ValueError("only http and https addresses are fetched")
    if "@" in parts.netloc:
        raise ValueError("the address has a user name in it")
    port = PORTS[parts.scheme] if port is None else port
    if not port or (port not in PORTS.values() and not any_port):
        raise ValueError("only ports 80 and 443 are fetched from")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?") if parts.query else ""
    return Target(parts.scheme, _host(parts.hostname or ""), port, path + query)


def _host(name: str) -> str:
    """Return the host in its one usual spelling. 127.1, 0x7f.1, 2130706433 and such are refused, not read."""
    if ":" in name:
        with suppress(ValueError):
            if "%" not in name:
                return str(ipaddress.IPv6Address(name))
        raise ValueError("the address has no usable host")
    try:
        name = name.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError("the address has no usable host") from error
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", name):
        raise ValueError("the address has no usable host")
    if re.search(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", name):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise ValueError("the address has an odd spelling of an IP address") from error
    return name


def is_public(address: str) -> bool:
    """Say whether an IP address is a public host's. IPv4 inside IPv6 is judged as the IPv4 address it is.

    Unwrapped are mapped (RFC 4291), 6to4 (RFC 3056) and NAT64 (RFC 6052) addresses; of the rest of IPv6 only
    global unicast, 2000::/3, can be public.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _UNICAST6 or ip.scope_id:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)
