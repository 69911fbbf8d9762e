"""Who runs the receiving side of an address, as a small number: that is what gates and back-off go by.

The large ones stand in a table; every other domain falls into one of 256 further numbers, so that one small provider
that turns us away holds back few others.
"""

import hashlib
from functools import lru_cache

LARGE = {
    1: ("gmail.com", "googlemail.com"),
    2: ("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr", "live.co.uk", "outlook.fr"),
    3: ("yahoo.com", "ymail.com", "aol.com", "yahoo.co.uk", "yahoo.fr", "yahoo.in", "yahoo.co.in", "rocketmail.com"),
    4: ("icloud.com", "me.com", "mac.com"),
    5: ("qq.com", "foxmail.com"),
    6: ("163.com", "126.com", "yeah.net"),
    7: ("gmx.de", "gmx.net", "gmx.com", "gmx.at", "gmx.ch", "web.de"),
    8: ("mail.ru", "bk.ru", "inbox.ru", "list.ru"),
    9: ("yandex.ru", "yandex.com", "ya.ru"),
    10: ("naver.com",),
    11: ("daum.net", "hanmail.net", "kakao.com"),
    12: ("yahoo.co.jp",),
    13: ("docomo.ne.jp", "ezweb.ne.jp", "softbank.ne.jp"),
    14: ("comcast.net", "xfinity.com"),
    15: ("orange.fr", "wanadoo.fr"),
    16: ("free.fr", "sfr.fr", "laposte.net"),
    17: ("libero.it", "virgilio.it", "tiscali.it", "alice.it", "tin.it"),
    18: ("t-online.de",),
    19: ("proton.me", "protonmail.com", "pm.me"),
    20: ("btinternet.com", "sky.com", "virginmedia.com"),
}
"""Number → the domains of one provider. A number is kept for ever: rows of the ledger hold it."""
RELAY = 0
"""In the gates, the relay itself; in the ledger, a row of which no provider is known."""
_FIRST_HASHED = 256
_KNOWN = {domain: number for number, domains in LARGE.items() for domain in domains}


@lru_cache(maxsize=4096)
def number(domain: str) -> int:
    """Return the number of a domain (lower case, A-label): 1 to 20 from the table, else 256 to 511 by its hash."""
    known = _KNOWN.get(domain)
    return known if known is not None else _FIRST_HASHED + hashlib.sha256(domain.encode()).digest()[0]


def name(provider: int) -> str:
    """Return what a number is called: the first domain of a large provider, else `provider-300`."""
    return LARGE[provider][0] if provider in LARGE else f"provider-{provider}"
