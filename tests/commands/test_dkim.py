"""Keys are made and shown: closed to others, never overwritten, with records that the DNS can hold."""

import json
import re
import stat
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from core import dkimkeys
from core.dkimkeys import SigningKeys
from core.identity import MailIdentity
from tests import signing
from tests.signing import DOMAIN

STRING = re.compile('"([^"]*)"')
RECORD = re.compile(r"^(\S+)\. IN TXT \(\n((?:    \"[^\"]*\"\n?)+) \)$", re.MULTILINE)


@pytest.fixture
def keys(app) -> SigningKeys:
    """Keys of the running installation: two that sign, two that are ready."""
    made = SigningKeys({DOMAIN: signing.keys("rsa-1", "ed-1", ready=("rsa-2", "ed-2"))})
    app.extensions["postrider"] = replace(app.extensions["postrider"], dkim=made)
    return made


def records(output: str) -> dict[str, str]:
    """Return the records of a printed piece of a zone file, with their strings joined as the DNS joins them."""
    found = {name: STRING.findall(lines) for name, lines in RECORD.findall(output)}
    assert all(len(one.encode()) <= 255 for parts in found.values() for one in parts)
    return {name: "".join(parts) for name, parts in found.items()}


def read_back(folder: Path, output: str) -> SigningKeys:
    """Read the settings that were printed, as a start does."""
    table = tomllib.loads(output[output.index("[dkim.") :])
    return dkimkeys.read_dkim(table, MailIdentity(f"news@{DOMAIN}", DOMAIN, f"bounces.{DOMAIN}", "monsoon"))


def test_new_keys_are_closed_to_others_and_what_is_printed_serves_as_it_is(flask, tmp_path, time_machine):
    time_machine.move_to("2026-11-30T12:00:00+00:00", tick=False)
    ended = flask(f"mail dkim new {DOMAIN} --folder {tmp_path / 'keys'}")
    assert ended.exit_code == 0, ended.output
    files = sorted((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["ed-202611.pem", "rsa-202611.pem"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    keys = read_back(tmp_path, ended.output).domains[DOMAIN]
    assert [(key.selector, key.kind) for key in keys.signing] == [("rsa-202611", "rsa"), ("ed-202611", "ed25519")]
    assert records(ended.output) == {key.name: key.record for key in keys.signing}
    assert isinstance(keys.signing[0].private, rsa.RSAPrivateKey) and keys.signing[0].private.key_size == 2048
    assert "PRIVATE" not in ended.output


def test_an_rsa_key_can_be_made_alone_and_named(flask, tmp_path):
    ended = flask(f"mail dkim new {DOMAIN} --folder {tmp_path} --selector spring --rsa-only")
    assert [file.name for file in tmp_path.glob("*.pem")] == ["rsa-spring.pem"]
    assert [key.selector for key in read_back(tmp_path, ended.output).domains[DOMAIN].signing] == ["rsa-spring"]


def test_nothing_is_overwritten_and_nothing_is_made_by_halves(flask, tmp_path):
    (tmp_path / "ed-spring.pem").write_text("mine")
    ended = flask(f"mail dkim new {DOMAIN} --folder {tmp_path} --selector spring")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "ed-spring.pem is there already, and stays as it is. Name another --selector." in ended.stderr
    assert [file.name for file in tmp_path.glob("*.pem")] == ["ed-spring.pem"]
    assert (tmp_path / "ed-spring.pem").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("'exa mple' --folder {}", "must be a domain, like example.org"),
        ("example.org --folder {} --selector ../x", "'rsa-../x' is no selector"),
        ("example.org --folder {} --selector A", "'rsa-A' is no selector"),
        ("example.org --folder /proc/nowhere", "/proc/nowhere cannot be written: No such file or directory."),
    ],
)
def test_what_cannot_be_made_is_told_in_one_sentence(flask, tmp_path, words, told):
    ended = flask("mail dkim new " + words.format(tmp_path))
    assert ended.exit_code == 1 and told in ended.stderr
    assert not list(tmp_path.glob("*.pem"))


def test_the_folder_must_be_named(flask):
    assert flask(f"mail dkim new {DOMAIN}").exit_code == 2


def test_of_a_domain_that_has_keys_the_new_ones_are_to_be_ready(flask, keys, tmp_path):
    output = flask(f"mail dkim new {DOMAIN} --folder {tmp_path} --selector next").output
    assert 'ready = ["rsa-next", "ed-next"]' in output and "signing =" not in output


def test_the_records_of_all_keys_are_shown_with_what_each_is_for(flask, keys):
    output = flask("mail dkim show").output
    assert records(output) == signing.zone(*keys.domains.values())
    assert [line for line in output.splitlines() if line.startswith(";")] == [
        f"; rsa-1 of {DOMAIN}: rsa, signing",
        f"; ed-1 of {DOMAIN}: ed25519, signing",
        f"; rsa-2 of {DOMAIN}: rsa, ready",
        f"; ed-2 of {DOMAIN}: ed25519, ready",
    ]


def test_a_script_gets_them_as_json(flask, keys):
    found = json.loads(flask("mail dkim show --json").stdout)
    assert {one["name"]: "".join(one["strings"]) for one in found} == signing.zone(*keys.domains.values())
    assert [(one["selector"], one["kind"], one["state"]) for one in found] == [
        ("rsa-1", "rsa", "signing"),
        ("ed-1", "ed25519", "signing"),
        ("rsa-2", "rsa", "ready"),
        ("ed-2", "ed25519", "ready"),
    ]
    assert {one["domain"] for one in found} == {DOMAIN}


def test_without_keys_it_says_that_the_relay_must_sign(flask):
    assert "the relay must sign" in flask("mail dkim show").output
    assert flask("mail dkim show --json").output == "[]\n"
