"""What is said of a sample: that its signatures are good, or which one is not, or what they leave out."""

import pytest

from checkup import samples
from checkup.findings import Finding, Level
from checkup.samples import Sample
from delivery import dkim
from tests.checkup.signing import DOMAIN, NOW, signing, zone_of

MAIL = b"From: a@monsoon.example.org\r\nSubject: x\r\nList-Unsubscribe: <https://x>\r\n\r\nHello.\r\n"
POST = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


@pytest.fixture
def ask(names_in):
    return names_in(zone_of(signing()))


def signed(mail: bytes) -> bytes:
    return dkim.sign(mail, keys=signing().domains[DOMAIN], at=NOW)


def said(mail: bytes, names, *, by_us: bool = True) -> Finding | None:
    return samples.check_sample(Sample("digest", "a digest", mail, signed=by_us), names)


def test_a_sample_that_verifies_is_good(ask):
    found = said(signed(POST + MAIL), ask)
    assert found and (found.level, found.code, found.about) == (Level.GOOD, "sample.good", "digest: a digest")


def test_one_that_the_relay_signs_is_not_spoken_of(ask):
    assert said(MAIL, ask, by_us=False) is None


def test_one_without_a_signature_although_there_are_keys_is_an_error(ask):
    found = said(MAIL, ask)
    assert found and (found.level, found.code) == (Level.ERROR, "sample.no_signature")


def test_one_bad_signature_of_two_is_an_error_that_names_it(names_in):
    zone = zone_of(signing())
    zone["ed-1._domainkey.monsoon.example.org"] = zone["rsa-2._domainkey.monsoon.example.org"]
    found = said(signed(MAIL), names_in(zone))
    assert found and (found.level, found.code) == (Level.ERROR, "sample.fails")
    assert "does not verify: ed-1: the key at ed-1._domainkey.monsoon.example.org is for rsa." in found.text


def test_a_one_click_header_that_is_not_covered_is_an_error_although_all_verifies(ask, monkeypatch):
    monkeypatch.setattr(dkim, "OVERSIGNED", (b"from",))
    dkim._listed.cache_clear()
    found = said(POST + signed(MAIL), ask)
    dkim._listed.cache_clear()
    assert found and (found.level, found.code) == (Level.ERROR, "sample.uncovered")
    assert "does not cover list-unsubscribe-post (RFC 8058)" in found.text
