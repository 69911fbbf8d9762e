"""Addresses that must not be reached: spelled in every way, by names that lie, and behind redirects.

Written by hand; it shares nothing with the product.
"""

from collections.abc import Iterator, Mapping

from tests.proofs.fetch_net import METADATA, OTHER4, OTHER6, PUBLIC4, PUBLIC6, SECOND_LOOPBACK

OPEN = "open.example.org"
"""A public host, which redirects to whatever its path says."""

LITERALS: Mapping[str, tuple[str, ...]] = {
    "loopback": ("127.0.0.1", SECOND_LOOPBACK, "127.255.255.254", "[::1]", "[0:0:0:0:0:0:0:1]", "localhost"),
    "decimal, octal, hexadecimal": (
        *("2130706433", "017700000001", "0x7f000001", "0x7F.0.0.1", "0177.0.0.1", "0x7f.1", "2852039166"),
        *("127.0.0.01", "00127.0.0.1", "0xa9fea9fe", "0x", "4294967297"),
    ),
    "short forms": ("127.1", "127.0.1", "0", "10.5", "1", "127.0.0.1.", "127.1."),
    "this host and broadcast": ("0.0.0.0", "[::]", "255.255.255.255", "0.0.0.1"),
    "private": ("10.0.0.5", "172.16.0.5", "172.31.255.255", "192.168.0.10", "[fd00::5]", "[fc00::1]", "[fec0::1]"),
    "link-local and metadata": (
        METADATA,
        "169.254.0.1",
        "[fe80::5]",
        "[fe80::5%25lo]",
        "[fe80::5%lo]",
        "[fd00:ec2::254]",
    ),
    "shared, multicast, reserved": (
        "100.64.0.5",
        "224.0.0.1",
        "240.0.0.1",
        "239.255.255.250",
        "[ff02::1]",
        "[ff0e::1]",
    ),
    "documentation and benchmarks": (
        *(
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.5",
            "192.0.0.1",
            "[2001:db8::1]",
            "[3fff::1]",
            "[100::1]",
        ),
    ),
    "mapped and translated": (
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]"),
        *("[64:ff9b::169.254.169.254]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001::1]"),
    ),
    "dots and letters of other scripts": (
        *(
            "127。0。0。1",
            "127．0．0．1",
            "１２７.０.０.１",
            "①②⑦.0.0.1",
            "ⓛocalhost",
            "loc\u00adalhost",
            "127.0.0.1%00",
        ),
    ),
    "users": (
        f"{PUBLIC4}@127.0.0.1",
        f"{OPEN}:80@127.0.0.1",
        "127.0.0.1@",
        f"127.0.0.1#@{OPEN}",
        f"{OPEN}\\@127.0.0.1",
    ),
    "odd hosts": (
        "",
        "[",
        "[::1",
        "::1",
        "[::1]x",
        "127.0.0.1:80:80",
        "%31%32%37.0.0.1",
        "127.0.0.1 ",
        "127.0.0.1\t.x",
    ),
}
PORTS = tuple(f"{PUBLIC4}:{port}" for port in (22, 25, 6379, 8080, 0, 65536, -1)) + (f"[{PUBLIC6}]:6379", f"{OPEN}:22")
SCHEMES = (
    *("file:///etc/passwd", "file://127.0.0.1/etc/passwd", "gopher://127.0.0.1:6379/_INFO", "ftp://127.0.0.1/"),
    *(
        "dict://127.0.0.1:6379/info",
        "data:text/xml,<rss/>",
        "ldap://127.0.0.1/",
        "//127.0.0.1/",
    ),
    *(
        "javascript:alert(1)",
        "http:127.0.0.1",
        "http:/127.0.0.1/",
        "HTTP://127.0.0.1/",
        "http\n://127.0.0.1/",
        "tftp://x/",
    ),
)
BACK = "redirects that lead back to their host, read by the rules"
"""Browsers may take them for other hosts."""


class Turning(dict[str, list[str]]):
    """What stands by a name, another one at each question: the first is public, all others are not."""

    def __init__(self, first: str, then: str, kind: str = "A") -> None:
        super().__init__({kind: [first]})
        self._then, self._asked = then, 0

    def get(self, kind: str, default: list[str] | None = None) -> list[str]:  # type: ignore[override]
        """Return what stands there now."""
        if kind not in self:
            return default or []
        self._asked += 1
        return self[kind] if self._asked == 1 else [self._then]


def names() -> dict[str, Mapping[str, list[str]]]:
    """Return a zone: names that answer what they should not."""
    return {
        OPEN: {"A": [PUBLIC4]},
        "open6.example.org": {"AAAA": [PUBLIC6]},
        "private.example.org": {"A": ["10.0.0.5"]},
        "private6.example.org": {"AAAA": ["fd00::5"]},
        "loop.example.org": {"A": ["127.0.0.1"]},
        "loop6.example.org": {"AAAA": ["::1"]},
        "mapped.example.org": {"AAAA": ["::ffff:7f00:1"]},
        "nat64.example.org": {"AAAA": ["64:ff9b::7f00:1"]},
        "metadata.example.org": {"A": [METADATA]},
        "zero.example.org": {"A": ["0.0.0.0"]},
        "mixed.example.org": {"A": [PUBLIC4, "127.0.0.1"]},
        "mixed-first.example.org": {"A": ["127.0.0.1", PUBLIC4]},
        "mixed6.example.org": {"A": [PUBLIC4], "AAAA": ["::1"]},
        "alias.example.org": {"CNAME": ["alias2.example.org"]},
        "alias2.example.org": {"CNAME": ["loop.example.org"]},
        "alias-local.example.org": {"CNAME": ["localhost"]},
        "localhost": {"A": ["127.0.0.1"]},
    }


def rebinding() -> dict[str, Mapping[str, list[str]]]:
    """Return names whose first answer is public, and every later one private. That first answer is all that counts."""
    return {
        "rebind.example.org": Turning(PUBLIC4, "127.0.0.1"),
        "rebind-metadata.example.org": Turning(PUBLIC4, METADATA),
        "rebind-second.example.org": Turning(OTHER4, SECOND_LOOPBACK),
        "rebind6.example.org": Turning(PUBLIC6, "::1", "AAAA"),
        "rebind6-private.example.org": Turning(OTHER6, "fd00::5", "AAAA"),
    }


LYING = tuple(name for name in names() if not name.startswith("open") and name != "localhost")


def addresses() -> Iterator[tuple[str, str]]:
    """Yield class and address of all that must be refused."""
    for kind, hosts in LITERALS.items():
        for host in hosts:
            for scheme in ("http", "https"):
                yield kind, f"{scheme}://{host}/canary"
    yield from (("ports", f"http://{host}/canary") for host in PORTS)
    yield from (("schemes", url) for url in SCHEMES)
    yield from (("names", f"http://{name}/canary") for name in LYING)


def locations() -> Iterator[tuple[str, str]]:
    """Yield class and what a redirect says, for all that must be refused behind one."""
    yield from (("redirects to " + kind, url) for kind, url in addresses() if _is_sent(url))
    yield "redirects without a scheme", "//127.0.0.1/canary"
    yield "redirects without a scheme", f"//{SECOND_LOOPBACK}/canary"
    yield "redirects without a scheme", "//[::1]/canary"
    yield from (
        (BACK, url) for url in ("\\\\127.0.0.1\\canary", f"///{METADATA}/canary", "http:///canary", "http:canary")
    )


def _is_sent(url: str) -> bool:
    """Say whether a header can carry it, and it leads elsewhere than to the host that says it."""
    return (
        url.isascii()
        and url.isprintable()
        and not url.startswith(("http:/1", "http:1", "http:///"))
        and "#@" not in url
    )
