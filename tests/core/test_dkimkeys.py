"""The keys that sign: read from their files, refused with one sentence each, and never shown."""

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core import dkimkeys, relays
from core.dkimkeys import SigningKeys
from core.errors import SettingsError
from core.identity import LANES, LaneSender, MailIdentity
from tests import signing
from tests.signing import DOMAIN

IDENTITY = MailIdentity(f"news@{DOMAIN}", DOMAIN, f"bounces.{DOMAIN}", "monsoon")


def read(text: str, identity: MailIdentity = IDENTITY) -> SigningKeys:
    """Read a TOML file's tables as the start does."""
    table: dict[str, Any] = tomllib.loads(text)
    return dkimkeys.read_dkim(table, replace(identity, lanes=relays.read_lanes(table)))


def toml(folder: Path, rest: str = 'signing = ["rsa-1"]', domain: str = DOMAIN) -> str:
    return f'[dkim."{domain}"]\nfolder = "{folder}"\n{rest}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two keys of each kind."""
    return signing.written(tmp_path / "keys", "rsa-1", "rsa-2", "ed-1", "ed-2")


def names(keys: SigningKeys) -> tuple[list[str], list[str]]:
    found = keys.domains[DOMAIN]
    return [key.selector for key in found.signing], [key.selector for key in found.ready]


def test_without_tables_nothing_is_signed():
    assert read("") == SigningKeys({}, 2)


def test_an_rsa_key_signs_alone_or_with_an_ed25519_key_and_comes_first(folder):
    assert names(read(toml(folder))) == (["rsa-1"], [])
    assert names(read(toml(folder, 'signing = ["ed-1", "rsa-1"]'))) == (["rsa-1", "ed-1"], [])


def test_keys_may_be_ready_that_do_not_sign(folder):
    keys = read(toml(folder, 'signing = ["rsa-1", "ed-1"]\nready = ["rsa-2", "ed-2"]'))
    assert names(keys) == (["rsa-1", "ed-1"], ["rsa-2", "ed-2"])
    keys = read(toml(folder, 'signing = ["rsa-2", "ed-2"]\nready = ["rsa-1", "ed-1"]'))
    assert names(keys) == (["rsa-2", "ed-2"], ["rsa-1", "ed-1"]), "turned round: a rotation"


def test_the_keys_are_those_of_the_files(folder):
    (key,) = read(toml(folder)).domains[DOMAIN].signing
    assert key.sign(b"text") == signing.key("rsa-1").sign(b"text")
    assert key.name == f"rsa-1._domainkey.{DOMAIN}"
    assert key.record == signing.key("rsa-1").record and key.record.startswith("v=DKIM1; k=rsa; p=MIIB")


def test_the_records_are_as_the_standards_say():
    assert signing.key("ed-1").record.startswith("v=DKIM1; k=ed25519; p=")
    assert len(signing.key("ed-1").record.rpartition("p=")[2]) == 44


def test_a_record_is_cut_into_strings_that_the_dns_can_hold():
    record = signing.key("rsa-1").record
    cut = dkimkeys.strings(record)
    assert [len(one) for one in cut] == [255, len(record) - 255] and "".join(cut) == record
    assert dkimkeys.strings(signing.key("ed-1").record) == [signing.key("ed-1").record]


def test_no_key_is_shown(folder):
    keys = read(toml(folder, 'signing = ["rsa-1", "ed-1"]\nready = ["rsa-2"]'))
    (rsa_1, ed_1), domain = keys.domains[DOMAIN].signing, keys.domains[DOMAIN]
    shown = " ".join(map(repr, (keys, domain, rsa_1, ed_1, rsa_1.private, ed_1.private)))
    secrets = [line for key in (rsa_1, ed_1) for line in dkimkeys.pem(key.private).decode().splitlines()[1:-1]]
    assert secrets and not any(secret in shown for secret in secrets)
    assert repr(keys) == f"SigningKeys({DOMAIN})"


def test_how_many_threads_sign_is_a_setting(folder):
    assert read("[dkim]\nthreads = 7\n" + toml(folder)).threads == 7


@pytest.mark.parametrize("value", ["0", "65", "true", '"2"', "1.5"])
def test_a_strange_number_of_threads_is_refused(value):
    with pytest.raises(SettingsError, match="dkim.threads is .*from 1 to 64"):
        read(f"[dkim]\nthreads = {value}")


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("", "signing has no key; it must name one RSA key"),
        ("signing = []", "signing has no key"),
        ('signing = ["ed-1"]', "signing has ed25519; .* it never signs alone"),
        ('signing = ["rsa-1", "rsa-2"]', "signing has rsa and rsa"),
        ('signing = ["rsa-1", "ed-1", "ed-2"]', "signing has ed25519 and ed25519 and rsa"),
        ('signing = ["rsa-1"]\nready = ["rsa-1"]', "rsa-1 is in signing and in ready"),
        ('signing = "rsa-1"', "must be a list of at most 8 selectors"),
        ('signing = ["rsa-1"]\nready = 1', "ready must be a list"),
        (f"signing = {[f's{n}' for n in range(9)]}", "at most 8"),
        ('signing = ["rsa-3"]', "there is no key file .*rsa-3.pem. flask mail dkim new"),
        ('signing = ["../rsa-1"]', "'../rsa-1' is no selector"),
        ('signing = ["RSA-1"]', "'RSA-1' is no selector"),
        ('signing = [""]', "'' is no selector"),
        ('signing = [1]\nready = ["rsa-1"]', "there is no key file"),
        (f'signing = ["{".".join(["a" * 60] * 4)}"]', "is no selector"),
        ('signing = ["rsa-1"]\nselectors = ["rsa-1"]', "must be a table named by a domain.* folder, signing, ready"),
    ],
)
def test_what_cannot_sign_is_refused_with_one_sentence(folder, rest, words):
    with pytest.raises(SettingsError, match=words):
        read(toml(folder, rest))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dkim = 1", r"\[dkim\] must hold tables"),
        ('[dkim]\n"example.org" = 1', r'\[dkim."example.org"\] must be a table'),
        ('[dkim.example.org]\nfolder = "/keys"', "the quotes are needed"),
        ('[dkim."exa mple.org"]\nfolder = "/keys"', "'exa mple.org' must be a domain"),
        ('[dkim."example.org"]\nsigning = ["rsa-1"]', "folder is None; it must be the whole path"),
        ('[dkim."example.org"]\nfolder = "keys"', "folder is 'keys'; it must be the whole path"),
    ],
)
def test_a_table_that_cannot_be_one_is_refused_with_one_sentence(text, words):
    with pytest.raises(SettingsError, match=words):
        read(text)


def test_a_domain_may_be_written_as_people_write_it(folder):
    identity = replace(IDENTITY, sender="news@xn--bcher-kva.example.org")
    assert list(read(toml(folder, domain="Bücher.example.org"), identity).domains) == ["xn--bcher-kva.example.org"]


def short(folder: Path) -> None:
    _put(folder, rsa.generate_private_key(public_exponent=65_537, key_size=1024))  # noqa: S505 - to be refused


def of_a_curve(folder: Path) -> None:
    _put(folder, ec.generate_private_key(ec.SECP256R1()))


def closed(folder: Path) -> None:
    form, lock = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"a password")
    octets = signing.key("rsa-1").private.private_bytes(serialization.Encoding.PEM, form, lock)
    (folder / "rsa-1.pem").write_bytes(octets)


def public(folder: Path) -> None:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    octets = signing.key("rsa-1").private.public_key().public_bytes(serialization.Encoding.PEM, form)
    (folder / "rsa-1.pem").write_bytes(octets)


def empty(folder: Path) -> None:
    (folder / "rsa-1.pem").write_bytes(b"")


def nonsense(folder: Path) -> None:
    (folder / "rsa-1.pem").write_bytes(os.urandom(100_000))


def a_folder(folder: Path) -> None:
    (folder / "rsa-1.pem").unlink()
    (folder / "rsa-1.pem").mkdir()


def a_pipe(folder: Path) -> None:
    (folder / "rsa-1.pem").unlink()
    os.mkfifo(folder / "rsa-1.pem")


def for_everybody(folder: Path) -> None:
    (folder / "rsa-1.pem").chmod(0o644)


def writable_for_the_group(folder: Path) -> None:
    (folder / "rsa-1.pem").chmod(0o660)


def _put(folder: Path, private: Any) -> None:
    (folder / "rsa-1.pem").write_bytes(dkimkeys.pem(private))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (short, "has 1024 bits. It must have 2048 to 4096"),
        (of_a_curve, "neither RSA nor Ed25519"),
        (closed, "is closed with a password"),
        (public, "holds no private key in PEM form"),
        (empty, "holds no private key in PEM form"),
        (nonsense, "holds no private key in PEM form"),
        (a_folder, "there is no key file"),
        (a_pipe, "there is no key file"),
        (for_everybody, r"others than its owner may use .*mode 0644\). Run: chmod 600 /"),
        (writable_for_the_group, "mode 0660"),
    ],
)
def test_a_key_file_that_does_not_serve_is_refused_with_one_sentence_that_shows_nothing_of_it(folder, spoil, words):
    spoil(folder)
    with pytest.raises(SettingsError, match=words) as refused:
        read(toml(folder))
    assert str(folder / "rsa-1.pem") in str(refused.value) and "PRIVATE" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_key_file_may_be_read_by_the_group_of_the_service(folder):
    (folder / "rsa-1.pem").chmod(0o640)
    assert names(read(toml(folder))) == (["rsa-1"], [])


def test_a_key_file_that_cannot_be_opened_is_refused_with_the_reason(folder, monkeypatch):
    def denied(*_arguments: Any, **_named: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(SettingsError, match=r"rsa-1.pem cannot be read \(Permission denied\)"):
        read(toml(folder))


def test_a_key_in_the_older_form_of_openssl_is_read(folder):
    form = serialization.PrivateFormat.TraditionalOpenSSL
    private = signing.key("rsa-2").private
    octets = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "rsa-1.pem").write_bytes(octets)
    assert read(toml(folder)).domains[DOMAIN].signing[0].record == signing.key("rsa-2").record


def test_with_keys_every_lane_must_have_some_or_a_relay_that_signs(folder):
    other = '[lanes.transactional]\nsender = "hello@other.test"\n'
    with pytest.raises(SettingsError, match=r'no \[dkim."other.test"\].*lane transactional.*signed_by_relay = true'):
        read(other + toml(folder))
    assert names(read(other + "signed_by_relay = true\n" + toml(folder))) == (["rsa-1"], [])
    below = f'[lanes.transactional]\nsender = "hello@mail.{DOMAIN}"\n'
    assert names(read(below + toml(folder))) == (["rsa-1"], []), "a domain below is aligned"
    beside = f'[lanes.transactional]\nsender = "hello@not{DOMAIN}"\n'
    with pytest.raises(SettingsError, match=f'no \\[dkim."not{DOMAIN}"'):
        read(beside + toml(folder))


def test_ses_must_sign_by_itself_since_it_changes_headers_that_are_signed(folder):
    table: dict[str, Any] = tomllib.loads(toml(folder))
    ses = replace(IDENTITY, mail_services={"main": "ses"})
    with pytest.raises(SettingsError, match=r"Amazon SES .*lanes\.transactional\.signed_by_relay = true"):
        dkimkeys.read_dkim(table, ses)
    signs = {lane: LaneSender(signed_by_relay=True) for lane in LANES}
    assert dkimkeys.read_dkim(table, replace(ses, lanes=signs)).of(DOMAIN) is not None


def test_whether_a_relay_signs_is_yes_or_no():
    with pytest.raises(SettingsError, match="lanes.digest.signed_by_relay is 'yes'; it must be true or false"):
        read('[lanes.digest]\nsigned_by_relay = "yes"')
