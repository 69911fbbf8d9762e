"""A sample of the proof of the signatures, without the relay; `make proof-signatures` is the whole of it."""

import re

import pytest

from delivery import dkim
from tests import second_verifier, signing
from tests.delivery.mails import CONFIRMATION, DATED, digest, spliced
from tests.proofs import relaying, signatures
from tests.signing import BOTH

KEYS = signing.keys(*BOTH)


def by_the_second_verifier(mails):
    return [[said == "good" for _one, said in second_verifier.verified(raw, signing.looked_up(KEYS))] for raw in mails]


VERIFIERS = {"dkimpy": signatures.by_dkimpy(signing.zone(KEYS)), "second": by_the_second_verifier}


def signed_mails():
    to = ["reader1.en.both@example.org", "δοκιμή.ar.text@example.org", "asks1@example.org"]
    made = [spliced(to=to[0]), spliced(digest(format="text"), to=to[1]), spliced(CONFIRMATION, to=to[2])]
    return [dkim.sign(raw, keys=KEYS, at=DATED) for raw in made]


def test_signatures_hold_for_both_verifiers_and_fail_after_every_change_that_counts():
    counts = signatures.checked(signed_mails(), VERIFIERS)
    assert not counts.faults
    assert counts.signatures == {"dkimpy": 6, "second": 6} and counts.kept == 6
    assert counts.broken == {"dkimpy": 18, "second": 18}, "six changes of three mails"
    assert counts.kinds["SMTPUTF8"] == counts.kinds["transactional"] == counts.kinds["digest in en"] == 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OVERSIGNED", dkim.OVERSIGNED[1:], "a second From on top"),
        ("OVERSIGNED", dkim.OVERSIGNED[:-1], "a second List-Unsubscribe-Post"),
        ("body_hash", lambda _body: b"\0" * 32, r"\[False, False\] in"),
    ],
)
def test_the_check_sees_what_is_not_covered(monkeypatch, name, value, words):
    monkeypatch.setattr(dkim, name, value)
    dkim._listed.cache_clear()
    try:
        faults = " ".join(signatures.checked(signed_mails(), VERIFIERS).faults)
    finally:
        dkim._listed.cache_clear()
    assert "second finds" in faults, "dkimpy refuses a second From by itself"
    assert re.search(words, faults)


def test_a_program_that_is_missing_is_named_with_the_cure():
    with pytest.raises(relaying.ProgramMissing, match="needs no-such-program. Install .*apt-get install"):
        relaying.needed("no-such-program")
