"""The settings of the post office: which lane goes through which relay, how fast, and what is refused."""

import tomllib
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from core import relays
from core.errors import SettingsError
from core.identity import LaneSender, MailIdentity, PostOffice, Relay, Timing, WarmUp

ENV = {"SMTP_URL": "smtp://127.0.0.1", "SMTP_URL_DESK": "smtps://news:pass%40word@desk.example.org"}
MAIN = Relay("127.0.0.1", 25, "none")
DESK = Relay("desk.example.org", 465, "tls", "news", "pass@word", name="desk")
IDENTITY = MailIdentity("news@example.org", "example.org", "bounces.example.org", "courier")


def read(text: str = "", **env: str) -> PostOffice:
    """Read a TOML file's tables as the start does."""
    table: dict[str, Any] = tomllib.loads(text)
    return relays.read_post_office(table, {**ENV, **env}, relays.read_lanes(table))


def test_without_tables_one_relay_carries_everything_as_fast_as_it_can():
    assert read() == PostOffice({"main": MAIN}, Timing(lease_s=120, doubt_grace_s=600, look_s=15))
    assert (MAIN.connections, MAIN.urgent_connections, MAIN.mails_per_connection) == (8, 2, 1000)
    assert (MAIN.rate, MAIN.warm_up) == (None, None)


def test_a_lane_may_go_through_a_relay_of_its_own_as_somebody_else():
    table = tomllib.loads(
        '[lanes.transactional]\nrelay = "desk"\nsender = "Hello@Example.org"\nbounce_domain = "b.exämple.org"'
    )
    lanes = relays.read_lanes(table)
    assert lanes == {"transactional": LaneSender("desk", "Hello@example.org", "b.xn--exmple-cua.org")}
    identity = replace(IDENTITY, lanes=lanes)
    assert [identity.relay_of(lane) for lane in ("transactional", "digest")] == ["desk", "main"]
    assert [identity.sender_of(lane) for lane in ("transactional", "digest")] == [
        "Hello@example.org",
        "news@example.org",
    ]
    assert [identity.bounce_domain_of(lane) for lane in ("transactional", "share")] == [
        "b.xn--exmple-cua.org",
        "bounces.example.org",
    ]
    assert relays.read_post_office(table, ENV, lanes).relays == {"main": MAIN, "desk": DESK}


def test_each_relay_has_limits_of_its_own():
    post = read(
        """
        [lanes.digest]
        relay = "desk"
        [relays.main]
        connections = 256
        urgent_connections = 1
        [relays.desk]
        mails_per_connection = 20
        rate = 12.5
        warm_up = {first_day = 2026-12-01, mails = 500, grows = 1.5}
        """
    )
    assert post.relays["main"] == replace(MAIN, connections=256, urgent_connections=1)
    warm_up = WarmUp(date(2026, 12, 1), 500, 1.5)
    assert post.relays["desk"] == replace(DESK, mails_per_connection=20, rate=12.5, warm_up=warm_up)


def test_the_senders_times_may_be_set():
    text = "[delivery]\nlease_seconds = 4\ndoubt_grace_seconds = 30\nlook_seconds = 0.5"
    assert read(text).timing == Timing(lease_s=4, doubt_grace_s=30, look_s=0.5)


WARM_UP = "[relays.main]\nwarm_up = {%s}"
WRONG = {
    'lanes = "fast"': "[lanes] must hold tables",
    "[lanes]\ndigest = 3": "[lanes] must hold tables",
    "[lanes.urgent]": "lanes.urgent",
    '[lanes.digest]\nfrom = "a@example.org"': "lanes.digest.from",
    '[lanes.digest]\nsender = "News <news@example.org>"': "lanes.digest.sender",
    '[lanes.digest]\nsender = "news"': "lanes.digest.sender",
    "[lanes.digest]\nsender = 3": "lanes.digest.sender",
    '[lanes.digest]\nbounce_domain = "b example.org"': "lanes.digest.bounce_domain",
    '[lanes.digest]\nbounce_domain = "x@example.org"': "lanes.digest.bounce_domain",
    '[lanes.digest]\nrelay = "other"': "SMTP_URL_OTHER",
    '[lanes.digest]\nrelay = ""': "lanes.digest.relay",
    '[lanes.digest]\nrelay = "De sk"': "lanes.digest.relay",
    '[lanes.digest]\nrelay = "desk\\nBcc"': "lanes.digest.relay",
    "[lanes.digest]\nrelay = 3": "lanes.digest.relay",
    "relays = 3": "[relays] must hold tables",
    "[relays.desk]": "relays.desk",
    "[relays.main]\nspeed = 3": "relays.main.speed",
    "[relays.main]\nconnections = 0": "relays.main.connections",
    "[relays.main]\nconnections = 257": "relays.main.connections",
    "[relays.main]\nconnections = true": "relays.main.connections",
    "[relays.main]\nconnections = 2.0": "relays.main.connections",
    '[relays.main]\nconnections = "2"': "relays.main.connections",
    "[relays.main]\nurgent_connections = 0": "relays.main.urgent_connections",
    "[relays.main]\nurgent_connections = 33": "relays.main.urgent_connections",
    "[relays.main]\nmails_per_connection = 0": "relays.main.mails_per_connection",
    "[relays.main]\nrate = 0": "relays.main.rate",
    "[relays.main]\nrate = -1": "relays.main.rate",
    "[relays.main]\nrate = nan": "relays.main.rate",
    "[relays.main]\nrate = inf": "relays.main.rate",
    "[relays.main]\nrate = true": "relays.main.rate",
    '[relays.main]\nrate = "50/s"': "relays.main.rate",
    '[relays.main]\nservice = "sendmail"': "relays.main.service",
    "[relays.main]\nservice = 3": "relays.main.service",
    "[relays.main]\nservice = []": "relays.main.service",
    "[relays.main]\nwarm_up = 500": "relays.main.warm_up",
    WARM_UP % "mails = 500, grows = 1.5": "relays.main.warm_up",
    WARM_UP % "first_day = 2026-12-01, mails = 500": "relays.main.warm_up",
    WARM_UP % "first_day = 2026-12-01, mails = 500, grows = 1.5, most = 9": "relays.main.warm_up",
    WARM_UP % 'first_day = "2026-12-01", mails = 500, grows = 1.5': "relays.main.warm_up",
    WARM_UP % "first_day = 2026-12-01T00:00:00Z, mails = 500, grows = 1.5": "relays.main.warm_up",
    WARM_UP % "first_day = 2026-12-01, mails = 0, grows = 1.5": "relays.main.warm_up.mails",
    WARM_UP % "first_day = 2026-12-01, mails = 500, grows = 0.5": "relays.main.warm_up.grows",
    WARM_UP % "first_day = 2026-12-01, mails = 500, grows = 11": "relays.main.warm_up.grows",
    "delivery = 3": "[delivery]",
    "[delivery]\nlease = 120": "[delivery]",
    "[delivery]\nlease_seconds = 1": "delivery.lease_seconds",
    "[delivery]\nlease_seconds = 3601": "delivery.lease_seconds",
    '[delivery]\nlease_seconds = "120"': "delivery.lease_seconds",
    "[delivery]\ndoubt_grace_seconds = 0": "delivery.doubt_grace_seconds",
    "[delivery]\nlook_seconds = 0.1": "delivery.look_seconds",
    "[delivery]\nlook_seconds = 61": "delivery.look_seconds",
}


@pytest.mark.parametrize(("text", "named"), WRONG.items(), ids=[text.replace("\n", " ") for text in WRONG])
def test_a_wrong_table_is_refused_in_one_sentence_that_names_it(text, named):
    with pytest.raises(SettingsError) as refused:
        read(text)
    sentence = str(refused.value)
    assert named in sentence and "\n" not in sentence and len(sentence) < 250
    assert "pass" not in sentence


@pytest.mark.parametrize("url", ["", "nonsense", "smtp://news@desk.example.org", "smtp://:pass@desk.example.org:port"])
def test_a_wrong_url_of_another_relay_is_named_and_not_shown(url):
    with pytest.raises(SettingsError, match="^SMTP_URL_DESK ") as refused:
        read('[lanes.digest]\nrelay = "desk"', SMTP_URL_DESK=url)
    assert not url or url not in str(refused.value)


def test_nothing_shows_the_password_of_any_relay():
    post = read('[lanes.digest]\nrelay = "desk"')
    assert "pass" not in f"{post!r} {post} {post.relays!r}" and "desk.example.org:465" in repr(post)
