"""The settings of alerts: a wrong one is refused before the start, in a sentence that names it and shows no secret."""

from datetime import timedelta

import pytest

from core.alerting import AlertSettings, read_alerts
from core.errors import SettingsError


def test_without_any_setting_there_is_no_channel():
    assert read_alerts({}) == AlertSettings()


def test_every_channel_and_limit_is_read():
    settings = read_alerts(
        {
            "ALERT_WEBHOOK": "http://10.0.0.5:9093/hook?key=word",
            "ALERT_COMMAND": "/usr/local/bin/page --to 'night desk'",
            "ALERT_SMTP_URL": "smtps://desk:pass%40word@second.example.org",
            "ALERT_TO": "night@example.org, Boss@Example.org",
            "ALERT_REPEAT_MINUTES": " 5 ",
            "ALERT_QUEUE_MINUTES": "60",
            "ALERT_URGENT_MINUTES": "2",
            "ALERT_DOUBTS": "0",
        }
    )
    assert settings.webhook == "http://10.0.0.5:9093/hook?key=word", "an operator's host may be a private one"
    assert settings.command == ("/usr/local/bin/page", "--to", "night desk")
    assert settings.relay is not None
    assert (settings.relay.host, settings.relay.port, settings.relay.password) == (
        "second.example.org",
        465,
        "pass@word",
    )
    assert settings.to == ("night@example.org", "Boss@example.org")
    assert (settings.repeat, settings.queue, settings.urgent) == tuple(timedelta(minutes=n) for n in (5, 60, 2))
    assert settings.doubts == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("ALERT_WEBHOOK", url) for url in ("alerts.example.org", "ftp://h/", "https://me:hush@h/", "http://h:0/")),
        *(("ALERT_WEBHOOK", url) for url in ("http://127.1/hush", "http://h:99999/hush", "http://a b/hush")),
        *(("ALERT_COMMAND", text) for text in ("page 'hush", 'page "hush', "page hush\\")),
        *(("ALERT_SMTP_URL", url) for url in ("second.example.org", "http://h", "smtp://me@h", "smtp://h?hush")),
        *(("ALERT_TO", to) for to in ("night", "a@example.org,", "a@example.org b@example.org", "<a@example.org>")),
        *(("ALERT_REPEAT_MINUTES", text) for text in ("0", "-1", "1.5", "soon", "1441", "９")),
        *(("ALERT_QUEUE_MINUTES", text) for text in ("0", "99999999999999999999")),
        *(("ALERT_URGENT_MINUTES", text) for text in ("0", "x")),
        *(("ALERT_DOUBTS", text) for text in ("-1", "many", "1000001")),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_it(name, value):
    good = {"ALERT_SMTP_URL": "smtp://127.0.0.1:25", "ALERT_TO": "night@example.org"}
    with pytest.raises(SettingsError, match=name) as caught:
        read_alerts(good | {name: value})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["ALERT_SMTP_URL", "ALERT_TO"])
def test_a_relay_without_readers_and_readers_without_a_relay_are_refused(name):
    good = {"ALERT_SMTP_URL": "smtp://127.0.0.1:25", "ALERT_TO": "night@example.org"}
    with pytest.raises(SettingsError, match="ALERT_SMTP_URL and ALERT_TO belong together"):
        read_alerts({name: good[name]})


def test_no_secret_is_shown():
    secret = {"ALERT_WEBHOOK": "https://h.example.org/hush", "ALERT_COMMAND": "page hush"}
    assert repr(read_alerts(secret)) == "AlertSettings(webhook, command)"
