"""Tokens: each opens one door only, survives mail programs, and no changed one opens anything."""

import base64
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core import errors, tokens
from core.tokens import Purpose, Token, Tokens

TOKENS = Tokens(b"one secret of an installation!!!")
KEY = bytes(range(16))
DAY = 1057

keys = st.binary(min_size=16, max_size=16)
versions = st.integers(0, 255)
days = st.integers(0, 0xFFFF)
purposes = st.sampled_from(Purpose)
scopes = st.sampled_from(["", "asia-daily", "asia"])


def minted(purpose=Purpose.UNSUBSCRIBE, *, scope=""):
    return TOKENS.mint(purpose, KEY, version=3, day=DAY, scope=scope)


@given(purposes, keys, versions, days, scopes)
def test_a_token_says_what_was_put_into_it_in_47_characters(purpose, key, version, day, scope):
    token = TOKENS.mint(purpose, key, version=version, day=day, scope=scope)
    assert len(token) == 47
    assert token.isascii() and token.isalnum() and token == token.lower()
    assert TOKENS.read(purpose, token, scope=scope) == Token(key, version, day)


@pytest.mark.parametrize("made_for", Purpose, ids=str)
@pytest.mark.parametrize("tried_at", Purpose, ids=str)
def test_a_token_opens_the_door_it_was_made_for_and_no_other(made_for, tried_at):
    if made_for is tried_at:
        assert TOKENS.read(tried_at, minted(made_for)).key == KEY
        return
    with pytest.raises(errors.LinkDamaged):
        TOKENS.read(tried_at, minted(made_for))


@pytest.mark.parametrize("made_for", ["", "asia-daily", "asia"], ids=repr)
@pytest.mark.parametrize("tried_at", ["", "asia-daily", "asia"], ids=repr)
def test_a_token_that_leaves_one_digest_leaves_no_other_and_not_all(made_for, tried_at):
    token = minted(scope=made_for)
    if made_for == tried_at:
        assert TOKENS.read(Purpose.UNSUBSCRIBE, token, scope=tried_at).version == 3
        return
    with pytest.raises(errors.LinkDamaged):
        TOKENS.read(Purpose.UNSUBSCRIBE, token, scope=tried_at)


@given(purposes, keys, versions, days, st.integers(0, 29 * 8 - 1))
def test_one_flipped_bit_closes_the_door(purpose, key, version, day, bit):
    raw = bytearray(tokens.decode(TOKENS.mint(purpose, key, version=version, day=day)))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(errors.LinkDamaged):
        TOKENS.read(purpose, tokens.encode(bytes(raw)))


@given(st.integers(0, 46), st.characters())
def test_one_changed_character_closes_the_door(place, char):
    token = minted()
    changed = token[:place] + char + token[place + 1 :]
    if changed.isascii() and changed.lower() == token:
        return
    with pytest.raises(errors.LinkDamaged):
        TOKENS.read(Purpose.UNSUBSCRIBE, changed)


def test_every_other_last_character_closes_the_door():
    # The last character carries bits that no octet uses: they must not make a second spelling of one token.
    token = minted()
    for last in set("abcdefghijklmnopqrstuvwxyz234567") - {token[-1]}:
        with pytest.raises(errors.LinkDamaged):
            TOKENS.read(Purpose.UNSUBSCRIBE, token[:-1] + last)


@given(st.text(max_size=60))
def test_whatever_else_is_typed_is_called_a_damaged_link(text):
    with pytest.raises(errors.LinkDamaged):
        TOKENS.read(Purpose.CONFIRM, text)


DAMAGES = {
    "one short": lambda token: token[:-1],
    "one long": lambda token: token + "a",
    "padded": lambda token: token + "=",
    "padding for its last": lambda token: token[:46] + "=",
    "a blank first": lambda token: " " + token[1:],
    "a line end after it": lambda token: token + "\n",
    "a line end for its last": lambda token: token[:-1] + "\n",
    "a letter that is s in upper case": lambda token: "ſ" + token[1:],
    "zeroes": lambda _token: "0" * 47,
    "nothing but a": lambda _token: "a" * 47,
    "empty": lambda _token: "",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_token_that_was_cut_padded_or_wrapped_is_called_damaged(damage):
    with pytest.raises(errors.LinkDamaged):
        TOKENS.read(Purpose.UNSUBSCRIBE, damage(minted()))


@given(keys, versions, days, st.lists(st.booleans(), min_size=47, max_size=47))
def test_a_token_whose_case_a_mail_program_folded_still_opens(key, version, day, upper):
    token = TOKENS.mint(Purpose.CONFIRM, key, version=version, day=day)
    folded = "".join(char.upper() if up else char for char, up in zip(token, upper, strict=True))
    assert TOKENS.read(Purpose.CONFIRM, folded) == Token(key, version, day)


def test_a_token_of_another_installation_opens_nothing():
    with pytest.raises(errors.LinkDamaged):
        Tokens(b"another secret, as long as a key").read(Purpose.UNSUBSCRIBE, minted())


def test_a_key_of_before_still_opens_what_it_signed_and_signs_nothing_any_more():
    newer = Tokens(
        b"the newest secret, as long as a key",
        [b"one in between, as long as a key", b"one secret of an installation!!!"],
    )
    assert newer.read(Purpose.UNSUBSCRIBE, minted()).key == KEY
    fresh = newer.mint(Purpose.UNSUBSCRIBE, KEY, version=3, day=DAY)
    assert fresh == Tokens(b"the newest secret, as long as a key").mint(Purpose.UNSUBSCRIBE, KEY, version=3, day=DAY)
    with pytest.raises(errors.LinkDamaged):
        TOKENS.read(Purpose.UNSUBSCRIBE, fresh)


def test_a_key_that_was_taken_out_of_the_list_opens_nothing():
    with pytest.raises(errors.LinkDamaged):
        Tokens(b"the newest secret, as long as a key", [b"one in between, as long as a key"]).read(
            Purpose.UNSUBSCRIBE, minted()
        )


def test_a_key_of_before_opens_no_other_door_either():
    newer = Tokens(b"the newest secret, as long as a key", [b"one secret of an installation!!!"])
    for purpose in set(Purpose) - {Purpose.UNSUBSCRIBE}:
        with pytest.raises(errors.LinkDamaged):
            newer.read(purpose, minted())


def test_a_code_made_for_a_bounce_or_a_message_id_is_no_token():
    raw = KEY + bytes((3,)) + DAY.to_bytes(2, "big")
    for purpose in ("verp", "message-id", ""):
        with pytest.raises(errors.LinkDamaged):
            TOKENS.read(Purpose.CONFIRM, tokens.encode(raw + TOKENS.mac(purpose, raw)))


def test_a_link_version_beyond_one_byte_is_carried_by_its_last_byte():
    assert TOKENS.read(Purpose.CONFIRM, TOKENS.mint(Purpose.CONFIRM, KEY, version=259, day=DAY)).version == 3


SENT = {
    "aaaqeayeaudaocajbifqydiob4aaiiiqdiggo66eyzsepsa": (Purpose.CONFIRM, "", Token(KEY, 0, 1057)),
    "aaaqeayeaudaocajbifqydiob4bqiikyhrtbtmxymq6yxka": (Purpose.PREFERENCES, "", Token(KEY, 3, 1057)),
    "aaaqeayeaudaocajbifqydiob77qaabopaw3msl6bvkhb2a": (Purpose.UNSUBSCRIBE, "asia-daily", Token(KEY, 255, 0)),
    "aaaqeayeaudaocajbifqydiob4b777znfaxzaa42atwjrnq": (Purpose.UNSUBSCRIBE, "", Token(KEY, 3, 65535)),
    "aaaqeayeaudaocajbifqydiob4aqaaiz6prg3uwxfak636a": (Purpose.UNSUBSCRIBE, "日刊", Token(KEY, 1, 1)),
}


@pytest.mark.parametrize("token", SENT)
def test_a_token_that_was_sent_opens_its_door_for_ever(token):
    purpose, scope, says = SENT[token]
    assert TOKENS.read(purpose, token, scope=scope) == says
    assert TOKENS.mint(purpose, says.key, version=says.version, day=says.day, scope=scope) == token


def test_the_codes_of_bounces_and_message_ids_stay_what_they_were():
    assert TOKENS.mac("verp", (7).to_bytes(8, "big")).hex() == "8a8496de6644c94a4264"
    assert TOKENS.mac("message-id", (7).to_bytes(8, "big")).hex() == "8ca37a89f7ae91bfa2e6"
    assert TOKENS.mac("unsubscribe", b"x" * 200, scope="s" * 100).hex() == "22bc3aec8de92b2656c7"


@given(st.binary(max_size=200))
@example(b"")
@example(bytes(40))
@example(b"\xff" * 41)
def test_a_token_is_base32_as_the_standard_has_it(raw):
    assert tokens.encode(raw) == base64.b32encode(raw).decode().rstrip("=").lower()


@given(st.binary(max_size=64))
def test_what_encode_writes_decode_reads_in_either_case(raw):
    assert tokens.decode(tokens.encode(raw)) == raw
    assert tokens.decode(tokens.encode(raw).upper()) == raw


def test_tokens_of_one_reader_differ_by_day_and_say_nothing_of_one_another():
    many = {TOKENS.mint(Purpose.PREFERENCES, os.urandom(16), version=1, day=day) for day in range(50)}
    assert len(many) == 50
