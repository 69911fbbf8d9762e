"""Addresses: what is taken, what is refused and why, and how one is known again and sealed."""

import unicodedata

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from core import addresses, errors
from core.addresses import Keyring

KEYS = Keyring(b"the hash key of an installation!")

EMPTY = ["", "   ", "\t"]
NO_ADDRESS = ["plain", "@", "@example.org", "name@", "name@@example.org", "name example.org", "a@b@example.org"]
BROKEN_NAME = [
    *(".name@example.org", "name.@example.org", "na..me@example.org", "na,me@example.org", "na;me@example.org"),
    *("na:me@example.org", "na(me)@example.org", "na<me@example.org", "na\\me@example.org", '"na me"@example.org'),
    *('"name"@example.org', "naïve@example.org", "名@example.org", "[name]@example.org", f"{'a' * 65}@example.org"),
    *("name%example.net@example.org", "na%FFme@example.org", "%@example.org"),
]
BROKEN_DOMAIN = [
    *("name@example", "name@.example.org", "name@example..org", "name@-example.org", "name@example-.org"),
    *("name@exa_mple.org", "name@exa mple.org", "name@192.0.2.7", "name@[192.0.2.7]", "name@[IPv6:2001:db8::1]"),
    *("name@example.org.", "name@localhost", "name@example.123", f"name@{'a' * 64}.org", "name@xn--.org"),
    *("name@exam%ple.org", "name@example.org/path", "name@xn--zzzz-zzzzzzzz.org"),
]
SEVERAL = [
    *("a@example.org,b@example.org", "a@example.org b@example.org", "a@example.org;b@example.org"),
    *("Name <name@example.org>", "<name@example.org>", "mailto:name@example.org", "name@example.org (Name)"),
]
HEADERS = [
    *("name@example.org\r\nBcc: x@example.org", "name@example.org\n", "na\rme@example.org", "\nname@example.org"),
    *("name@example.org%0d%0aBcc:x@example.org", "name\0@example.org", "na\u2028me@example.org"),
    *("name@exam\u2029ple.org", "name@example\x85.org", "na\x7fme@example.org", "\u202ename@example.org"),
    *("name@example.org\u2066", "na\u200bme@example.org", "name@exam\u00adple.org", "na\u00a0me@example.org"),
    *("=?utf-8?Q?=0D=0ABcc?=@example.org", "name@=?utf-8?Q?x?=.org"),
    *("\ufeffname@example.org", "na\ud800me@example.org", "\udcffname@example.org", "na\ue000me@example.org"),
]
TOO_LONG = [f"name@{'a.' * 130}org", "a" * 10_000, f"{'a' * 5_000}@example.org", f"name@{'é' * 200}.org", "@" * 300]


@pytest.mark.parametrize(
    "typed", [*EMPTY, *NO_ADDRESS, *BROKEN_NAME, *BROKEN_DOMAIN, *SEVERAL, *HEADERS, *TOO_LONG], ids=ascii
)
def test_a_broken_address_is_refused_with_its_field_and_a_sentence(typed):
    with pytest.raises(errors.Invalid) as refused:
        addresses.parse(typed, field="friend")
    assert refused.value.field == "friend"
    assert refused.value.message.endswith(".") and not refused.value.values, "nothing that was typed is shown again"


@given(st.text(max_size=300))
def test_whatever_is_typed_it_is_an_address_or_refused(typed):
    try:
        address = addresses.parse(typed)
    except errors.Invalid as refused:
        assert refused.field == "email"
    else:
        assert address.mailbox.isascii() and address.mailbox.isprintable() and address.mailbox.count("@") == 1


@given(st.text(st.characters(max_codepoint=127), max_size=30), st.integers(0, 30), st.sampled_from('\r\n\0\t <>,;"'))
def test_no_address_with_a_control_character_a_blank_or_a_bracket_inside_is_taken(local, at, bad):
    typed = f"x{local[:at]}{bad}{local[at:]}y@example.org"
    with pytest.raises(errors.Invalid):
        addresses.parse(typed)


@pytest.mark.parametrize(
    ("typed", "mailbox"),
    [
        ("name@example.org", "name@example.org"),
        ("  name@example.org\t", "name@example.org"),
        ("First.Last+News@Example.ORG", "First.Last+News@example.org"),
        ("o'brien!#$&*/?=^_`{|}~@example.org", "o'brien!#$&*/?=^_`{|}~@example.org"),
        ("1@sub.example.co.uk", "1@sub.example.co.uk"),
        ("name@exämple.org", "name@xn--exmple-cua.org"),
        ("name@straße.de", "name@xn--strae-oqa.de"),
        ("name@exa\u0308mple.org", "name@xn--exmple-cua.org"),
        ("name@例え.jp", "name@xn--r8jz45g.jp"),
        ("name@مثال.example", "name@xn--mgbh0fb.example"),
        ("name@XN--EXMPLE-CUA.org", "name@xn--exmple-cua.org"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_a_good_address_is_kept_as_typed_with_its_domain_in_a_labels(typed, mailbox):
    assert addresses.parse(typed).mailbox == mailbox


def test_the_longest_address_that_an_envelope_takes_is_taken_and_one_octet_more_is_not():
    domain = ".".join(["d" * 63, "d" * 63, "d" * 57, "org"])
    longest = f"{'a' * 64}@{domain}"
    assert len(longest) == addresses.MAX_OCTETS
    assert addresses.parse(longest).mailbox == longest
    with pytest.raises(errors.Invalid):
        addresses.parse(longest.replace("@d", "@dd").replace("dd.org", "d.org"))
    with pytest.raises(errors.Invalid):
        addresses.parse("b" + longest)


def test_an_idn_that_is_longer_in_a_labels_than_an_envelope_takes_is_refused():
    label = "ü" * 30
    with pytest.raises(errors.Invalid):
        addresses.parse(f"{'a' * 64}@{'.'.join([label] * 4)}.org")


@pytest.mark.parametrize("other", ["NAME@EXAMPLE.ORG", "Name@Example.org", " name@example.org ", "name@exampLe.org"])
def test_an_address_is_known_again_in_any_case(other):
    assert KEYS.hash(addresses.parse(other)) == KEYS.hash(addresses.parse("name@example.org"))


def test_an_idn_is_known_again_in_each_of_its_spellings():
    spellings = [
        "n@exämple.org",
        "n@EXÄMPLE.org",
        "n@xn--exmple-cua.org",
        unicodedata.normalize("NFD", "n@exämple.org"),
    ]
    assert len({KEYS.hash(addresses.parse(spelling)) for spelling in spellings}) == 1


def test_another_address_another_hash():
    others = ["name@example.org", "nam@example.org", "na.me@example.org", "name+x@example.org", "name@example.com"]
    hashes = {KEYS.hash(addresses.parse(other)) for other in others}
    assert len(hashes) == len(others) and {len(one) for one in hashes} == {16}


def test_another_key_another_hash_and_another_fingerprint():
    address, other = addresses.parse("name@example.org"), Keyring(b"another key, as long as the key!")
    assert KEYS.hash(address) != other.hash(address)
    assert KEYS.fingerprint != other.fingerprint == Keyring(b"another key, as long as the key!").fingerprint


@given(st.from_regex(r"[a-z0-9][a-z0-9+_-]{0,40}", fullmatch=True))
def test_a_sealed_address_is_unsealed_as_it_was_and_differs_each_time(local):
    address = addresses.parse(f"{local}@example.org")
    sealed = KEYS.close(address)[1]
    assert KEYS.unseal(sealed, KEYS.hash(address)) == address.mailbox
    assert sealed != KEYS.close(address)[1] and local.encode() + b"@" not in sealed


def test_a_sealed_address_keeps_the_case_in_which_it_was_typed():
    address = addresses.parse("First.Last@Example.org")
    assert KEYS.unseal(KEYS.close(address)[1], KEYS.hash(address)) == "First.Last@example.org"


def test_a_sealed_address_opens_for_its_own_hash_and_key_only():
    mine, theirs = addresses.parse("mine@example.org"), addresses.parse("theirs@example.org")
    sealed = KEYS.close(mine)[1]
    for keys, addr_hash in (
        (KEYS, KEYS.hash(theirs)),
        (Keyring(b"another key, as long as the key!"), KEYS.hash(mine)),
    ):
        with pytest.raises(InvalidTag):
            keys.unseal(sealed, addr_hash)


@given(st.data())
def test_a_sealed_address_with_one_flipped_bit_does_not_open(data):
    address = addresses.parse("name@example.org")
    sealed = bytearray(KEYS.close(address)[1])
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidTag):
        KEYS.unseal(bytes(sealed), KEYS.hash(address))


def test_a_masked_address_is_known_by_its_owner_only():
    assert addresses.parse("Someone.Special@example.org").masked == "S***@example.org"
