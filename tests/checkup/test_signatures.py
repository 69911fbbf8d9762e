"""Our own verifier: it says what dkimpy says, of good mails and of mails that were changed in every way."""

from dataclasses import replace

import dkim as dkimpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkup import signatures
from delivery import dkim
from digests import samples
from tests.checkup.signing import NOW, signing, zone_of
from tests.installation import services_for, settings_for

OTHER = b"X-Passed: by\r\n"


@pytest.fixture(scope="module")
def mail() -> bytes:
    services = replace(services_for(settings_for("sqlite:///none.db")), dkim=signing())
    (digest,) = [one for one in samples.make(services, NOW) if one.lane == "digest"]
    return digest.mail


@pytest.fixture
def ask(names_in):
    return names_in(zone_of(signing()))


def ours(mail, names):
    return [one.fault is None for one in signatures.verify(mail, names)]


def theirs(mail, names):
    def texts(name, timeout=5):
        found = names.texts(name.decode().rstrip("."))
        return found.records[0].encode() if found.records else None

    verifier = dkimpy.DKIM(mail)
    count = sum(name.lower() == b"dkim-signature" for name, _value in verifier.headers)
    return [_says(verifier, number, texts) for number in range(count)]


def _says(verifier, number, texts) -> bool:
    try:
        return bool(verifier.verify(idx=number, dnsfunc=texts))
    except dkimpy.DKIMException:
        return False


def test_a_digest_signed_by_us_verifies_in_both(mail, ask):
    assert ours(mail, ask) == theirs(mail, ask) == [True, True]
    found = signatures.verify(mail, ask)
    assert {(one.selector, one.algorithm) for one in found} == {("rsa-1", "rsa-sha256"), ("ed-1", "ed25519-sha256")}
    assert all({"from", "list-unsubscribe", "list-unsubscribe-post"} <= set(one.covered) for one in found)


HARMLESS = {
    "a header more": lambda mail: OTHER + mail,
    "another case": lambda mail: mail.replace(b"\r\nSubject: ", b"\r\nSUBJECT:  "),
    "folded": lambda mail: mail.replace(b"MIME-Version: 1.0", b"MIME-Version:\r\n\t1.0"),
    "empty lines": lambda mail: mail + b"\r\n\r\n",
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_happens_to_every_mail_on_its_way_does_no_harm(mail, ask, change):
    assert ours(change(mail), ask) == theirs(change(mail), ask) == [True, True]


HARMFUL = {
    "another From on top": lambda mail: mail.replace(b"\r\nFrom: ", b"\r\nFrom: x@example.net\r\nFrom: "),
    "another From below": lambda mail: mail.replace(b"\r\nMIME-Version", b"\r\nFrom: x@example.net\r\nMIME-Version"),
    "a second one-click": lambda mail: mail.replace(
        b"\r\nMIME-Version", b"\r\nList-Unsubscribe-Post: x\r\nMIME-Version"
    ),
    "another subject": lambda mail: mail.replace(b"\r\nSubject: ", b"\r\nSubject: Re: "),
    "no unsubscribe": lambda mail: mail.replace(b"\r\nList-Unsubscribe: ", b"\r\nX-List-Unsubscribe: "),
    "another word": lambda mail: mail.replace(b"headline", b"headl1ne"),
    "an advertisement": lambda mail: mail + b"An advertisement.\r\n",
    "cut short": lambda mail: mail[:-20],
}


@pytest.mark.parametrize("change", HARMFUL.values(), ids=HARMFUL)
def test_a_mail_that_was_changed_fails_in_both(mail, ask, change):
    changed = change(mail)
    assert changed != mail
    assert ours(changed, ask) == theirs(changed, ask) == [False, False]


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        (b"c=relaxed/relaxed", b"c=simple/simple", "not version 1, relaxed/relaxed"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "algorithm is rsa-sha1"),
        (b"a=rsa-sha256", b"a=ed25519-sha256", "is for rsa"),
        (b"h=from:", b"h=", "not cover From"),
        (b"d=monsoon.example.org", b"d=example.net", "has no record"),
        (b"d=monsoon.example.org", b"i=@example.net; d=monsoon.example.org", "another domain"),
        (b"t=", b"l=5; t=", "whole body"),
        (b"bh=", b"bh=AAAA", "not the one that was signed"),
        (b"v=1;", b"v=1; v=1;", "malformed"),
        (b"s=rsa-1", b"s=rsa-2", "another key signed them"),
    ],
)
def test_a_signature_that_is_not_as_ours_are_says_why(mail, ask, was, becomes, why):
    assert was in mail
    changed = mail.replace(was, becomes)
    if was == b"h=from:":
        changed = changed.replace(b":from:", b":")
    faults = [one.fault for one in signatures.verify(changed, ask)]
    assert any(fault and why in fault for fault in faults), faults


def test_a_key_in_the_dns_that_is_not_ours_makes_it_fail(mail, names_in):
    zone = zone_of(signing())
    zone["rsa-1._domainkey.monsoon.example.org"] = zone["rsa-2._domainkey.monsoon.example.org"]
    found = signatures.verify(mail, names_in(zone))
    assert {one.selector: one.fault is None for one in found} == {"rsa-1": False, "ed-1": True}


def test_of_a_header_that_is_there_twice_the_lower_one_was_signed(ask, monkeypatch):
    monkeypatch.setattr(dkim, "OVERSIGNED", (b"from",))
    dkim._listed.cache_clear()
    plain = b"From: a@monsoon.example.org\r\nSubject: x\r\n\r\nHello.\r\n"
    signed = dkim.sign(plain, keys=signing().domains["monsoon.example.org"], at=NOW)
    dkim._listed.cache_clear()
    above, below = b"Subject: y\r\n" + signed, signed.replace(b"\r\n\r\n", b"\r\nSubject: y\r\n\r\n", 1)
    assert ours(above, ask) == theirs(above, ask) == [True, True]
    assert ours(below, ask) == theirs(below, ask) == [False, False]


def test_a_mail_without_a_signature_has_none(ask):
    assert signatures.verify(b"From: a@example.org\r\n\r\nHello.\r\n", ask) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_mail_makes_it_stumble(ask, octets):
    signatures.verify(octets, ask)
    signatures.verify(b"DKIM-Signature: " + octets + b"\r\n\r\n", ask)
    signatures.verify(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=x; s=y; h=from; bh=" + octets, ask)


canonical = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"b ", b".", b"\r\n\r\n"]), max_size=30).map(b"".join)


@given(canonical)
def test_the_relaxed_forms_are_dkimpys(text):
    body = text if text.endswith(b"\r\n") or not text else text + b"\r\n"
    assert signatures.relaxed_body(body) == dkimpy.canonicalization.Relaxed.canonicalize_body(body)
    value = b" " + b" ".join(text.split(b"\r\n"))
    ((name, their_value),) = dkimpy.canonicalization.Relaxed.canonicalize_headers([(b"Subject", value)])
    assert signatures.relaxed_header(b"Subject", value) == name + b":" + their_value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(st.text(alphabet="abc .=", max_size=20), max_size=10))
def test_whatever_body_we_sign_verifies(ask, body):
    keys = signing().domains["monsoon.example.org"]
    text = b"".join(" ".join(line.split()).encode() + b"\r\n" for line in body)
    mail = b"From: a@monsoon.example.org\r\nSubject: x\r\n\r\n" + text
    assert ours(dkim.sign(mail, keys=keys, at=NOW), ask) == [True, True]


@pytest.mark.parametrize("piece", [b" ", b"\t \r\n", b"\r\n", b"a:b\r\n", b"DKIM-Signature: v=1\r\n"])
def test_a_long_mail_is_read_in_one_go(ask, piece):
    signatures.verify(b"DKIM-Signature: v=1;" + piece * 50_000 + b"\r\n\r\n" + piece * 50_000, ask)
    signatures.relaxed_body(piece * 50_000)
