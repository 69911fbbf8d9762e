"""Origins: one IPv4 address, or one IPv6 /64, counts as one."""

import pytest

from core import origins


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "nowhere"),
        ("", "nowhere"),
        ("unix:", "nowhere"),
        ("192.0.2.7, 192.0.2.8", "nowhere"),
        ("1" * 100_000, "nowhere"),
    ],
)
def test_an_origin_is_an_ipv4_address_or_an_ipv6_network(address, counted):
    assert origins.counted(address) == counted
