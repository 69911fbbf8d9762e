"""Where a request comes from, as far as limits are counted: one IPv4 address, or one IPv6 network of 64 bits."""

import ipaddress

_SIXTY_FOUR = 64


def counted(origin: str | None) -> str:
    """Return under what an address is counted: `192.0.2.7`, `2001:db8::/64`; `nowhere` for what is no address.

    A line in a house has a /64 at least, so who is there can have as many IPv6 addresses as they please.
    """
    try:
        address = ipaddress.ip_address((origin or "").partition("%")[0])
    except ValueError:
        return "nowhere"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, _SIXTY_FOUR), strict=False))
        address = address.ipv4_mapped
    return str(address)
