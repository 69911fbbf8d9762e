"""The settings of the look at our own records: when it is taken by itself, and what is refused with which sentence."""

from dataclasses import replace

import pytest

from core import checkups
from core.errors import SettingsError
from core.identity import LaneSender, MailIdentity
from tests.installation import IDENTITY


@pytest.fixture(autouse=True)
def domains_to_be_had(monkeypatch):
    """As if courier.test could be had: no other domain may stand in a test."""
    monkeypatch.setattr(checkups, "RESERVED", tuple(one for one in checkups.RESERVED if one != "test"))


REAL = replace(IDENTITY, sender="news@courier.test", bounce_domain="b.courier.test")


def read(section: object = None, *, base_url: str = "https://news.courier.test", mail: MailIdentity = REAL):
    return checkups.read_checkup({} if section is None else {"records": section}, base_url=base_url, mail=mail)


def test_a_site_on_https_that_mails_from_a_domain_is_watched():
    assert read() == checkups.CheckupSettings(watch=True)


@pytest.mark.parametrize(
    ("base_url", "sender"),
    [
        ("http://127.0.0.1:8000", "news@courier.test"),
        ("https://news.courier.test", "news@monsoon.example.org"),
        ("https://news.courier.test", "news@example.com"),
        ("https://news.courier.test", "news@courier.example"),
    ],
)
def test_a_laptop_and_a_domain_that_nobody_can_have_are_not_watched(base_url, sender):
    assert not read(base_url=base_url, mail=replace(REAL, sender=sender)).watch
    assert read({"watch": True}, base_url=base_url, mail=replace(REAL, sender=sender)).watch


def test_every_domain_of_a_test_is_one_that_nobody_can_have(monkeypatch):
    monkeypatch.undo()
    assert not read().watch


def test_one_lane_with_a_real_domain_is_enough_to_be_watched():
    mail = replace(IDENTITY, lanes={"digest": LaneSender(sender="news@courier.test")})
    assert read(mail=mail).watch
    assert not read({"watch": False}, mail=mail).watch


def test_a_resolver_and_addresses_are_read_in_their_one_form():
    found = read({"resolver": "[2001:DB8::53]:5353", "addresses": ["192.0.2.1", "2001:DB8:0::1", "192.0.2.1"]})
    assert (found.resolver, found.addresses) == (("2001:db8::53", 5353), ("192.0.2.1", "2001:db8::1"))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("yes", "[records] has a setting nobody knows; there are watch, resolver, addresses."),
        ({"server": "x"}, "[records] has a setting nobody knows"),
        ({"watch": "yes"}, "records.watch is 'yes'; it must be true or false."),
        ({"resolver": "dns.example.org"}, "records.resolver is 'dns.example.org'; it must be an IP address"),
        ({"addresses": "192.0.2.1"}, "records.addresses must be a list"),
        ({"addresses": ["192.0.2.1"] * 21}, "of 20 at most"),
        ({"addresses": [1]}, "Each must be an IP address that a relay mails from."),
        ({"addresses": ["relay.example.org"]}, "'relay.example.org' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence(section, words):
    with pytest.raises(SettingsError) as refused:
        read(section)
    assert words in str(refused.value)
