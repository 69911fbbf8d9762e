"""A key record as a receiver reads it: what is a key, what is none, and why."""

import base64
import itertools

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from checkup import keys, tags
from checkup.keys import Unusable
from tests.checkup.signing import DOMAIN, rsa_key, signing

RSA, ED = (key.record for key in signing().domains[DOMAIN].signing)


def test_a_key_is_read_with_its_kind_its_length_and_its_flags():
    read = keys.read(RSA + "; t=y:s; n=a note; x=unknown")
    assert (read.kind, read.bits, read.flags) == ("rsa", 2048, ("y", "s"))
    assert keys.read(ED).kind == "ed25519"


def test_a_key_is_the_same_however_it_was_written():
    bare = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    text = base64.b64encode(bare).decode()
    short = keys.read(f"p= {text[:40]} {text[40:]} ;")
    assert keys.same(short.public, keys.read(RSA).public)
    assert not keys.same(short.public, keys.read(ED).public)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it has no p="),
        ("hello", "no tag: hello"),
        ("p=", "revokes the key"),
        ("v=DKIM1; k=rsa; p= ", "revokes the key"),
        ("p=" + "x" * 300, "its p= is no key"),
        (RSA[:300], "its p= is no key"),
        (RSA.replace("DKIM1", "DKIM2"), "does not begin with v=DKIM1"),
        ("k=rsa; v=DKIM1; p=AAAA", "does not begin with v=DKIM1"),
        (RSA + "; p=AAAA", "no tag: p=AAAA"),
        (RSA.replace("p=", "P="), "it has no p="),
        (RSA + "; h=sha1", "does not allow sha256"),
        (RSA + "; s=tlsrpt", "does not allow mail"),
        (RSA.replace("k=rsa", "k=dsa"), "neither rsa nor ed25519"),
        (ED.replace("k=ed25519", "k=rsa"), "its p= is no key"),
        (RSA.replace("k=rsa", "k=ed25519"), "its p= is no key"),
        ("v=DKIM1; k=rsa; p=MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2", "its p= is no key"),
    ],
    ids=itertools.count(),  # the keys are new each time; the names of tests are not
)  # fmt: skip
def test_what_no_signature_can_be_verified_with_says_why(text, why):
    with pytest.raises(Unusable) as refused:
        keys.read(text)
    assert why in str(refused.value)


@pytest.mark.parametrize("more", ["h=sha1:sha256", "s=*", "s=email:other", "t=s"])
def test_what_allows_more_than_we_need_is_good(more):
    assert keys.read(f"{RSA}; {more}").bits == 2048


parts = st.one_of(
    st.sampled_from(["v=DKIM1", ";", "p=", "k=", "rsa", "ed25519", "=", " ", RSA, ED, "A" * 43 + "="]),
    st.text(max_size=30),
    st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode()),
)


@given(st.lists(parts, max_size=20))
def test_no_text_makes_the_reader_stumble(several):
    try:
        assert keys.read("".join(several)).kind in ("rsa", "ed25519")
    except Unusable as error:
        assert str(error)


@pytest.mark.parametrize("piece", ["p=AAAA", "; ", "=", " ", "A", "t=y:"])
def test_a_long_text_is_cut_and_read_in_one_go(piece):
    with pytest.raises(Unusable):
        keys.read(piece * 100_000)
    assert sum(len(value) for _name, value in tags.read(piece * 100_000).pairs) <= tags.LONGEST
