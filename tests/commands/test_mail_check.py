"""`flask mail check`, typed by a person: what it prints, how it ends, and that it does so as a real process, too."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core import names
from core.checkups import CheckupSettings
from tests.checkup.signing import signing
from tests.checkup.worlds import ADDRESS, BOUNCES, changed, dmarc, good, spf
from tests.journeys.houses import KEYS, ROOT
from tests.nameserver import NameServer, serving

WITHIN_S = 60


@pytest.fixture
def server(monkeypatch) -> Iterator[NameServer]:
    monkeypatch.setattr(names, "TRY_S", 0.1)
    monkeypatch.setattr(names, "QUESTION_S", 0.2)
    with serving(good()) as running:
        yield running


@pytest.fixture
def check(app, flask, server, monkeypatch):
    """Run `flask mail check …` of an installation with keys, against the server."""
    settings = replace(app.extensions["postrider settings"], dkim=signing())
    monkeypatch.setitem(app.extensions, "postrider settings", settings)
    monkeypatch.setitem(app.extensions, "postrider", replace(app.extensions["postrider"], dkim=signing()))

    def run(line: str = "", resolver: str = f"--resolver 127.0.0.1:{server.port}"):
        return flask(f"mail check {resolver} {line}")

    return run


def test_in_a_good_world_everything_is_good_and_the_status_is_0(check):
    result = check(f"--ip {ADDRESS}")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1].startswith("0 errors, 0 warnings, 0 notes, ")
    assert "verifies against the DNS, signed by rsa-1 (rsa-sha256) and ed-1 (ed25519-sha256)" in result.output
    assert "set:" not in result.output


def test_an_error_comes_first_with_the_record_to_set_and_the_status_is_1(check, server):
    server.zone = changed(good(), spf("v=spf1 ip4:192.0.2.1 +all"))
    result = check()
    assert result.exit_code == 1
    first, second = result.output.splitlines()[:2]
    assert first == f"ERROR    The SPF record of {BOUNCES} lets everybody mail for it (+all): spammers do."
    assert second == f'         set: {BOUNCES}. IN TXT "v=spf1 ip4:192.0.2.1 ~all"'


def test_a_warning_does_not_count(check, server):
    server.zone = changed(good(), spf("v=spf1 ip4:192.0.2.1 ?all"))
    result = check()
    assert (result.exit_code, result.output.split()[0]) == (0, "warning")


def test_a_sample_whose_key_is_another_one_does_not_verify(check, server):
    key = "ed-1._domainkey.monsoon.example.org"
    server.zone = changed(good(), {key: None})
    result = check()
    assert result.exit_code == 1
    for lane in ("transactional", "digest", "breaking"):
        assert f"A sample of the lane {lane} " in result.output
    assert f"does not verify: ed-1: {key} has no record" in result.output


def test_json_has_each_record_as_a_form_takes_it_and_as_a_zone_file_does(check, server):
    server.zone = changed(good(), {"rsa-1._domainkey.monsoon.example.org": None})
    result = check("--json")
    rows = json.loads(result.output)
    (missing,) = [row for row in rows if row["code"] == "dkim.missing"]
    (record,) = missing["records"]
    assert (missing["level"], record["type"]) == ("error", "TXT")
    assert record["value"] == signing().domains["monsoon.example.org"].signing[0].record
    assert record["line"].count('"') == 4
    assert result.exit_code == 1


def test_one_domain_alone_also_a_new_one(check):
    result = check("monsoon.example.org")
    assert (result.exit_code, "Nothing mails from" in result.output) == (0, False)
    result = check("courier.test --ip 192.0.2.1")
    assert result.exit_code == 1
    assert "Nothing mails from courier.test yet." in result.output
    assert 'bounces.courier.test. IN TXT "v=spf1 ip4:192.0.2.1 ~all"' in result.output
    assert "A sample" not in result.output


def test_without_keys_it_says_that_the_relay_must_sign(flask, server):
    result = flask(f"mail check --resolver 127.0.0.1:{server.port}")
    assert result.exit_code == 0
    assert "look for dkim=pass" in result.output
    assert "A sample" not in result.output


def test_the_settings_name_resolver_and_addresses_for_good(check, app, server, monkeypatch):
    own = CheckupSettings(resolver=("127.0.0.1", server.port), addresses=("192.0.2.99",))
    settings = replace(app.extensions["postrider settings"], checkup=own)
    monkeypatch.setitem(app.extensions, "postrider settings", settings)
    result = check(resolver="")
    assert "does not let 192.0.2.99 mail for it: softfail" in result.output
    assert "set: 99.2.0.192.in-addr.arpa. IN PTR mail.monsoon.example.org." in result.output
    assert "set: mail.monsoon.example.org. IN A 192.0.2.99" in result.output


def test_when_nobody_answers_it_says_just_that(check, server, monkeypatch):
    monkeypatch.setattr(names, "QUESTION_S", 0.02)
    server.answer = lambda *_question: None
    result = check()
    assert result.exit_code == 1
    assert result.output.startswith("ERROR    No DNS server answered, so nothing can be said.")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--resolver dns.example.org", "Name one by its IP address, like --resolver 192.0.2.53:53."),
        ("--resolver 127.0.0.1:0", "There is no DNS server to ask"),
        ("--ip relay.example.org", "It must be an address like 192.0.2.1"),
        ("'no domain'", "DOMAIN 'no domain' must be a domain, like example.org."),
    ],
)
def test_a_mistake_is_one_sentence(flask, line, words):
    result = flask(f"mail check {line}")
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_a_stranger_wrote_cannot_move_a_terminal(check, server):
    evil = b"v=DMARC1; p=none; rua=mailto:a@b.test; \x1b]0;owned\x07=\xe2\x80\xae"
    server.zone = changed(good(), dmarc() | {"_dmarc.monsoon.example.org": {"TXT": [evil]}})
    result = check()
    assert not set(result.output) & set("\x1b\x07\u202e")


def test_help_says_what_it_does_and_how_it_ends(flask):
    result = flask("mail check --help")
    for words in ("--resolver", "--ip", "--json", "exit status", "ready to be pasted", "bounces.DOMAIN"):
        assert words in result.output


def test_as_a_process_of_its_own_without_a_database(server, tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}",
        "SMTP_URL": "smtp://127.0.0.1:1",
        "POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml"),
        "STATE_DIR": str(tmp_path),
        **KEYS,
    }
    command = [sys.executable, "-m", "flask", "--app", "app", "mail", "check", "--ip", ADDRESS, "--resolver"]
    command.append(f"127.0.0.1:{server.port}")
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=WITHIN_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "monsoon.example.org has one SPF record" in done.stdout
    server.zone = changed(good(), {BOUNCES: {"TXT": ["v=spf1 -all"]}})
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=WITHIN_S
    )
    assert done.returncode == 1
    assert done.stdout.startswith("ERROR    ")
    assert done.stdout.count(f'set: {BOUNCES}. IN TXT "v=spf1 ip4:192.0.2.1 -all"') == 1
