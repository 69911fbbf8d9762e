"""Who runs the receiving side, as a number that is kept for ever."""

import hashlib
from collections import Counter

import pytest

from delivery import providers

# What the ledger and its gates hold: another number would leave their rows without a provider, or with a wrong one.
KNOWN = {
    "gmail.com": 1,
    "googlemail.com": 1,
    "outlook.com": 2,
    "hotmail.co.uk": 2,
    "yahoo.com": 3,
    "aol.com": 3,
    "me.com": 4,
    "qq.com": 5,
    "163.com": 6,
    "gmx.de": 7,
    "web.de": 7,
    "mail.ru": 8,
    "yandex.ru": 9,
    "naver.com": 10,
    "daum.net": 11,
    "yahoo.co.jp": 12,
    "docomo.ne.jp": 13,
    "comcast.net": 14,
    "orange.fr": 15,
    "free.fr": 16,
    "libero.it": 17,
    "t-online.de": 18,
    "proton.me": 19,
    "btinternet.com": 20,
    "example.org": 447,
    "example.com": 419,
    "xn--exmple-cua.org": 354,
}


@pytest.mark.parametrize("domain", KNOWN)
def test_a_domain_keeps_its_number(domain):
    assert providers.number(domain) == KNOWN[domain]


def test_no_domain_belongs_to_two_providers_and_all_are_written_as_they_are_compared():
    domains = [domain for group in providers.LARGE.values() for domain in group]
    assert Counter(domains).most_common(1)[0][1] == 1
    assert all(domain == domain.lower() and domain.isascii() for domain in domains)


def test_the_numbers_of_large_providers_are_none_of_the_others_and_none_is_the_relay_itself():
    assert set(providers.LARGE) == set(range(1, 21))
    assert providers.RELAY == 0


def test_all_other_domains_share_256_numbers_evenly():
    taken = Counter(
        providers.number(f"{hashlib.sha256(bytes([n % 256, n // 256])).hexdigest()}.test") for n in range(20_000)
    )
    assert set(taken) == set(range(256, 512))
    assert max(taken.values()) < 2 * min(taken.values())
