"""Settings: what is missing or wrong is refused before the start, in one sentence that names it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import settings
from core.errors import SettingsError
from core.settings import ROOT, Settings

SECRET = "kZ7-qR2mX9wB4tYv8nL1pD5sG3hJ6fCa"
OTHER = "Vd0yTq8Lr5Kx2Bn9Ws4Pz7Mg1Hc6Jf3E"
THIRD = "Qe4uWb9Zt1Ny6Cx0Rk8Fv5Hj3Ld7Gp2A"

GOOD: dict[str, Any] = {
    "publication": {
        "languages": ["en", "ar"],
        "zone": "Asia/Hong_Kong",
        "base_url": "https://news.example.org/",
        "postal_address": "1 Quay Street\nHong Kong",
        "contact": "desk@example.org",
        "name": {"en": "The Courier", "ar": "البريد"},
        "motto": "News, carried to your door.",
    },
    "mail": {
        "sender": "news@example.org",
        "domain": "example.org",
        "bounce_domain": "bounces.example.org",
        "feedback_sender": "courier",
    },
}
GOOD_ENV = {
    "DATABASE_URL": "postgresql://user:word@db.example.org/name",
    "SMTP_URL": "smtp://news:pass%40word@relay.example.org",
    "SECRET_KEY": SECRET,
    "HASH_KEY": OTHER,
    "CONSENT_KEY": THIRD,
}


def toml(table: dict[str, Any]) -> str:
    lines = []
    for name, section in table.items():
        lines += [f"[{name}]", *(f"{key} = {written(value)}" for key, value in section.items())]
    return "\n".join(lines)


def written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(char if char.isalnum() else f"\\U{ord(char):08x}" for char in value) + '"'
    return str(value)


@pytest.fixture
def load(tmp_path) -> Callable[..., Settings]:
    """Load the good settings with some of them changed: `section__key=value`, `ENVIRONMENT=value`; None removes."""

    def loaded(**changes: Any) -> Settings:
        env, table = dict(GOOD_ENV), {name: dict(section) for name, section in GOOD.items()}
        for name, value in changes.items():
            section, _, key = name.rpartition("__")
            target: dict[str, Any] = table.setdefault(section, {}) if section else env
            target.pop(key, None)
            if value is not None:
                target[key] = value
        path = tmp_path / "postrider.toml"
        path.write_text(toml(table), "utf-8")
        return settings.load({**env, "POSTRIDER_CONFIG": str(path)})

    return loaded


def test_good_settings_are_taken(load):
    loaded = load()
    publication = loaded.publication
    assert (publication.languages, publication.zone) == (("en", "ar"), "Asia/Hong_Kong")
    assert publication.base_url == "https://news.example.org", "links begin with it, so it has no slash at its end"
    assert (publication.name("ar"), publication.motto("ar")) == ("البريد", "News, carried to your door.")
    assert publication.postal_address == "1 Quay Street\nHong Kong"
    assert loaded.mail.bounce_domain == "bounces.example.org"
    assert (loaded.secret_key, loaded.hash_key) == (SECRET.encode(), OTHER.encode())
    assert loaded.consent_key == THIRD.encode()
    assert loaded.database_url == "postgresql+psycopg://user:word@db.example.org/name"
    assert (loaded.redis_url, loaded.trusted_proxies) == (None, 0)


def test_a_redis_and_the_proxies_before_the_site_are_taken(load):
    loaded = load(REDIS_URL=" redis://:word@127.0.0.1:6379/0 ", TRUSTED_PROXIES="2")
    assert (loaded.redis_url, loaded.trusted_proxies) == ("redis://:word@127.0.0.1:6379/0", 2)


def test_a_large_wave_goes_in_two_parts_unless_more_workers_compose(load):
    assert load().composing_parts == 2
    assert load(COMPOSING_PARTS="4").composing_parts == 4


def test_webhooks_are_off_until_a_secret_is_set_and_whoever_runs_a_relay_is_known_by_lane(load):
    assert load().webhooks.set_up == ()
    assert load().mail.mail_service_of("digest") is None
    loaded = load(MAILGUN_WEBHOOK_KEY=SECRET, relays__main={"service": "mailgun"})
    assert loaded.webhooks.set_up == ("mailgun",)
    assert loaded.post.relays["main"].service == "mailgun"
    assert [loaded.mail.mail_service_of(lane) for lane in ("transactional", "digest")] == ["mailgun"] * 2


def test_without_a_token_there_is_none_and_any_one_will_not_do(load):
    assert load().metrics_token is None
    assert load(METRICS_TOKEN="  ").metrics_token is None
    assert load(METRICS_TOKEN=f" {SECRET[:16]} ").metrics_token == SECRET[:16].encode()


def test_keys_of_before_are_a_list_each_as_good_as_the_newest(load):
    assert load().older_secret_keys == ()
    assert load(SECRET_KEYS_OLD=" , ").older_secret_keys == ()
    loaded = load(SECRET_KEYS_OLD=f"{OTHER}, {SECRET[::-1]},")
    assert loaded.older_secret_keys == (OTHER.encode(), SECRET[::-1].encode())
    assert loaded.secret_key == SECRET.encode()


WRONG: dict[str, tuple[str, list[Any]]] = {
    "METRICS_TOKEN": ("METRICS_TOKEN", [SECRET[:15], "sixteen letters and spaces", "é" * 16, "a" * 16 + "\0"]),
    "SECRET_KEY": ("SECRET_KEY", [None, "", "  ", SECRET[:31], "a" * 40, "changeme" + SECRET, "my-secret-" + SECRET]),
    "SECRET_KEYS_OLD": ("SECRET_KEYS_OLD", ["short", f"{OTHER},short", "changeme" + SECRET]),
    "HASH_KEY": ("HASH_KEY", [None, "", "0123456789", "abab" * 20, "Change-me-please-" + OTHER]),
    "CONSENT_KEY": ("CONSENT_KEY", [None, "", "0123456789", "abab" * 20, "Change-me-please-" + OTHER]),
    "DATABASE_URL": (
        "DATABASE_URL",
        [None, "", "nonsense", "mysql://h/d", "sqlite://", "postgresql://h:port/d", "postgresql+psycopg2://h/d"],
    ),
    "TRUSTED_PROXIES": ("TRUSTED_PROXIES", ["-1", "one", "1.5", "true"]),
    "COMPOSING_PARTS": ("COMPOSING_PARTS", ["0", "10", "-1", "two"]),
    "REDIS_URL": ("REDIS_URL", ["127.0.0.1:6379", "http://h/0", "redis://", "redis://h:port/0"]),
    "SMTP_URL": (
        "SMTP_URL",
        [
            *(None, "", "relay.example.org", "http://relay.example.org", "smtp://", "smtp://h:port", "smtp://h:99999"),
            *("smtp://h:0", "smtp://[::1", "smtp://h/inbox", "smtp://h?tls=1", "smtp://h?ca=/not/there.pem"),
            *("smtp://h?ca=", "smtp://news@h", "smtp://h h", "smtp://hö.example"),
        ],
    ),
    "BASE_URL": (
        "base URL",
        [
            *("http://news.example.org", "http://192.0.2.7", "http://localhost.example.org", "ftp://example.org"),
            *("https://", "news.example.org", "//example.org", "https://example.org/news", "https://example.org?a"),
            *("https://example.org#a", "https://me:word@example.org", "https://example.org:port", "https://[::1"),
            *("https://exa mple.org", "https://exämple.org", "https://example.org\n.net", "https://example.org:0"),
        ],
    ),
    "publication__base_url": ("base", [None, "", "http://news.example.org"]),
    "publication__postal_address": ("postal_address", [None, "", "  \n ", 7, "1 Quay\0Street"]),
    "publication__contact": ("contact", [None, "", "desk@example.org\nBcc: x"]),
    "publication__zone": ("zone", [None, "", "Hong Kong", "UTC+8", "Asia/Atlantis", "../etc/passwd"]),
    "publication__languages": ("languages", [[], "en", 5, ["en", "klingon"], ["en_US"], [""], ["../en"]]),
    "publication__name": ("name", [None, "", {"ar": "البريد"}, {"en": " "}, "Two\nlines", "A\u2028B", "A\u202eB", 3]),
    "publication__motto": ("motto", [None, "", {"ar": "شعار"}, "Two\nlines"]),
    "mail__sender": (
        "sender",
        [None, "", "news", "News <news@example.org>", "a@example.org,b@example.org", "news@exa mple.org", "nüws@x.org"],
    ),
    "mail__domain": ("domain", [None, "", "exa mple.org", "example", "x@example.org", "example.org\r\nBcc: x"]),
    "mail__bounce_domain": ("bounce_domain", [None, "", "bounces example.org", "<example.org>", "example..org"]),
    "mail__feedback_sender": ("feedback_sender", [None, "", "abcd", "a" * 16, "with:colon", "ümläut", "two words"]),
}


@pytest.mark.parametrize(
    ("name", "named", "value"),
    [
        pytest.param(name, named, value, id=f"{name}={ascii(value)[:40]}")
        for name, (named, values) in WRONG.items()
        for value in values
    ],
)
def test_a_missing_or_wrong_setting_is_refused_in_one_sentence_that_names_it(load, name, named, value):
    with pytest.raises(SettingsError) as refused:
        load(**{name: value})
    sentence = str(refused.value)
    assert named in sentence and "\n" not in sentence and "\r" not in sentence
    assert sentence[0].isalpha() and len(sentence) < 250
    for secret in (SECRET, OTHER, "pass@word", "pass%40word", "me:word"):
        assert secret not in sentence


@pytest.mark.parametrize("name", ["publication", "mail"])
def test_a_missing_section_is_named(tmp_path, name):
    path = tmp_path / "postrider.toml"
    path.write_text(toml({key: section for key, section in GOOD.items() if key != name}), "utf-8")
    with pytest.raises(SettingsError, match=rf"\[{name}\]"):
        settings.load({**GOOD_ENV, "POSTRIDER_CONFIG": str(path)})


@pytest.mark.parametrize("content", [None, b"[publication", b"\xff\xfe", "folder"])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path, content):
    path = Path(tmp_path, "postrider.toml")
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="postrider.toml"):
        settings.load({**GOOD_ENV, "POSTRIDER_CONFIG": str(path)})


def test_the_demos_configuration_is_good_and_the_example_asks_for_the_postal_address():
    env = {**GOOD_ENV, "POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml")}
    assert {"en", "ar", "zh-Hans", "ko"} <= set(settings.load(env).publication.languages)
    with pytest.raises(SettingsError, match="postal_address"):
        settings.load({**env, "POSTRIDER_CONFIG": str(ROOT / "postrider.example.toml")})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_http_is_taken_for_this_machine_only(load, host):
    assert load(BASE_URL=f"http://{host}:8000").publication.base_url == f"http://{host}:8000"


def test_the_environment_wins_over_the_file(load):
    assert load(BASE_URL=" https://other.example.org/ ").publication.base_url == "https://other.example.org"


@pytest.mark.parametrize(
    ("url", "host", "port", "security"),
    [
        ("smtp://relay.example.org", "relay.example.org", 587, "starttls"),
        ("smtp://relay.example.org:25", "relay.example.org", 25, "starttls"),
        ("smtps://relay.example.org", "relay.example.org", 465, "tls"),
        ("smtps://relay.example.org:4650/", "relay.example.org", 4650, "tls"),
        ("SMTP://Relay.Example.Org", "relay.example.org", 587, "starttls"),
        ("smtp://192.0.2.7", "192.0.2.7", 587, "starttls"),
        ("smtp://[2001:db8::7]:2525", "2001:db8::7", 2525, "starttls"),
        ("smtp://127.0.0.1:1025", "127.0.0.1", 1025, "none"),
        ("smtp://localhost", "localhost", 25, "none"),
        ("smtp://[::1]", "::1", 25, "none"),
        ("smtp://localhost?starttls", "localhost", 587, "starttls"),
        ("smtp://127.0.0.1:2525?starttls=1", "127.0.0.1", 2525, "starttls"),
        ("smtps://127.0.0.1", "127.0.0.1", 465, "tls"),
    ],
)
def test_a_relay_elsewhere_is_spoken_to_in_tls_only(load, url, host, port, security):
    relay = load(SMTP_URL=url).post.relays["main"]
    assert (relay.host, relay.port, relay.security) == (host, port, security)
    assert (relay.username, relay.password, relay.ca_file) == (None, None, None)


def test_a_relays_login_and_private_ca_are_read(load, tmp_path):
    ca_file = tmp_path / "ca & co.pem"
    ca_file.write_text("-----BEGIN CERTIFICATE-----")
    url = f"smtps://post%40news:p%3Aw%2Fd%40@relay.example.org?ca={str(ca_file).replace('&', '%26').replace(' ', '+')}"
    relay = load(SMTP_URL=url).post.relays["main"]
    assert (relay.username, relay.password, relay.ca_file) == ("post@news", "p:w/d@", str(ca_file))


def test_no_repr_shows_a_secret(load):
    loaded = load(REDIS_URL="redis://:word@127.0.0.1/0")
    shown = f"{loaded!r} {loaded} {loaded.post!r} {loaded.post} {[loaded.post]} {loaded.mail!r}"
    for secret in (SECRET, OTHER, "pass@word", "pass%40word", "word"):
        assert secret not in shown
    assert "relay.example.org:587" in shown and "news" in shown


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("postgres://u:w@h/d", "postgresql+psycopg://u:w@h/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql+psycopg:///d?host=/run/postgresql"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("sqlite:////var/lib/postrider/postrider.db", "sqlite:////var/lib/postrider/postrider.db"),
        ("sqlite:///var/postrider.db", "sqlite:///var/postrider.db"),
    ],
)
def test_postgresql_is_spoken_to_by_psycopg_3_however_it_was_spelled(load, url, taken):
    assert load(DATABASE_URL=f" {url} ").database_url == taken


def test_what_is_kept_outside_the_database_has_a_folder_of_its_own(load, tmp_path, monkeypatch):
    assert load().state_dir == ROOT / "var"
    assert load(STATE_DIR=f" {tmp_path} ").state_dir == tmp_path
    monkeypatch.chdir(tmp_path)
    assert load(STATE_DIR="state").state_dir == tmp_path / "state", "it stays there wherever a command is run"
