"""Certificates: fetched once, a few at most, not again at once in vain, and never one that is not good now."""

import threading
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from returns import certificates
from returns.certificates import CertificateAway, Certificates
from returns.events import Refused
from tests.returns import posts
from tests.returns.posts import CERTIFICATE_URL, NOW, certificate, sns_key


class Web:
    """What stands at which address, and what was asked for."""

    def __init__(self, **pages: bytes) -> None:
        self.pages: dict[str, bytes | None] = dict(pages)
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes | None:
        self.asked.append(url)
        return self.pages.get(url)


@pytest.fixture
def web() -> Web:
    return Web(**{CERTIFICATE_URL: certificate()})


@pytest.fixture
def kept(web) -> Certificates:
    return Certificates(web)


def test_a_certificate_is_fetched_once_a_day(web, kept):
    for hours in (0, 1, 23, 25):
        key = kept.key_of(CERTIFICATE_URL, now=NOW + timedelta(hours=hours))
        assert key.public_numbers() == sns_key().public_key().public_numbers()
    assert web.asked == [CERTIFICATE_URL] * 2


@pytest.mark.parametrize(
    "page", [None, b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_not_asked_for_again_at_once(web, kept, page):
    web.pages[CERTIFICATE_URL] = page
    for seconds in (0, 1, 59):
        with pytest.raises(CertificateAway):
            kept.key_of(CERTIFICATE_URL, now=NOW + timedelta(seconds=seconds))
    assert len(web.asked) == 1
    web.pages[CERTIFICATE_URL] = certificate()
    kept.key_of(CERTIFICATE_URL, now=NOW + timedelta(seconds=61))


@pytest.mark.parametrize("days", [-31, 301])
def test_a_certificate_that_is_not_valid_now_is_refused(kept, days):
    with pytest.raises(Refused, match="not valid now"):
        kept.key_of(CERTIFICATE_URL, now=NOW + timedelta(days=days))


def test_a_certificate_with_a_key_of_another_kind_is_refused(web, kept):
    web.pages[CERTIFICATE_URL] = certificate(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(Refused, match="no RSA key"):
        kept.key_of(CERTIFICATE_URL, now=NOW)


def test_no_more_than_a_few_are_kept_and_made_up_addresses_drive_no_good_one_out(web, kept):
    kept.key_of(CERTIFICATE_URL, now=NOW)
    for number in range(100):
        with pytest.raises(CertificateAway):
            kept.key_of(f"https://sns.eu-west-1.amazonaws.com/{number}.pem", now=NOW)
    assert len(kept) == 1 + certificates.MOST
    web.asked.clear()
    kept.key_of(CERTIFICATE_URL, now=NOW)
    assert web.asked == []
    for number in range(100):
        web.pages[f"https://sns.eu-west-1.amazonaws.com/good{number}.pem"] = certificate()
        kept.key_of(f"https://sns.eu-west-1.amazonaws.com/good{number}.pem", now=NOW)
    assert len(kept) == 2 * certificates.MOST


def test_many_who_ask_at_once_fetch_once():
    begun, go_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        begun.set()
        assert go_on.wait(10)
        return certificate()

    kept = Certificates(fetch)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(kept.key_of(CERTIFICATE_URL, now=NOW))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (len(found), len(asked)) == (4, 1)


def test_who_waits_too_long_for_another_one_gives_up(monkeypatch):
    monkeypatch.setattr(certificates, "PATIENCE_S", 0.05)
    begun, go_on = threading.Event(), threading.Event()

    def fetch(_url: str) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return certificate()

    kept = Certificates(fetch)
    thread = threading.Thread(target=lambda: kept.key_of(CERTIFICATE_URL, now=NOW))
    thread.start()
    assert begun.wait(10)
    with pytest.raises(CertificateAway):
        kept.key_of(posts.CERTIFICATE_URL.replace("eu-west-1", "us-east-1"), now=NOW)
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
