"""What those who watch are told: the status to everyone, the rest to whoever has the token, and never a reader."""

import re
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import flask_migrate
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from app import create_app
from articles.models import Feed
from checkup import results
from checkup.findings import Finding, Level, Record
from core import beat, clock, database, names
from core.alerts import Alert
from core.database import Mark, db
from core.identity import PostOffice, WarmUp
from delivery import figures
from delivery.models import Lane, Quota, Worker
from delivery.states import State
from delivery.tick import HOLD
from tests.delivery import mailings
from tests.installation import settings_for
from tests.web.readers import dump
from web import metrics

TOKEN = "ohM7zaeY2fei0pue"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
LANES = {"transactional", "breaking", "share", "digest"}
WRONG = [
    {},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": f"Token {TOKEN}"},
    {"Authorization": TOKEN},
    {"Authorization": "Bearer \udce9\udcff"},
    {"X-Token": TOKEN},
    {"Cookie": f"token={TOKEN}"},
]


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request, tmp_path: Path):
    """A site with a token on each database, migrated and empty, in its context."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'site.db'}" if sqlite else request.getfixturevalue("postgres_database")
    app = create_app(replace(settings_for(url), metrics_token=TOKEN.encode()))
    with app.app_context():
        flask_migrate.upgrade()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def watched(app, monkeypatch):
    """The demo's site, with a token and with every step of the migrations."""
    settings = replace(app.extensions["postrider settings"], metrics_token=TOKEN.encode())
    monkeypatch.setitem(app.extensions, "postrider settings", settings)
    monkeypatch.setitem(app.extensions, "postrider metrics", metrics._Kept())
    flask_migrate.stamp()
    return app.test_client(use_cookies=False)


def samples(answer) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample of a scrape, as Prometheus' own parser reads it."""
    families = list(text_string_to_metric_families(answer.text))
    assert families
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def of(found, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def test_whoever_answers_lives_whatever_the_database_does(client, monkeypatch):
    def refuse(*_args, **_values):
        raise AssertionError("the database was asked")

    monkeypatch.setattr(db.session, "connection", refuse)
    monkeypatch.setattr(db.session, "execute", refuse)
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json) == (200, {"status": "alive"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_site_that_can_serve_is_ready(site):
    client = site.test_client()
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json) == (200, {"status": "ready"})
    assert answer.headers["Cache-Control"] == "no-store"
    answer = client.get("/health/ready", headers=BEARER)
    assert (answer.status_code, answer.json) == (
        200,
        {
            "status": "ready",
            "database": "reachable",
            "migrated": True,
            "restored": False,
            "sender_heartbeat_age_s": None,
            "beat_heartbeat_age_s": None,
            "records": None,
            "feeds": {"all": 0, "paused": 0, "gone": 0, "failing": 0, "late": 0, "overdue": 0, "not_well": []},
        },
    )


def test_the_last_look_at_our_records_is_told_with_its_age_and_nobody_is_asked_for_it(site, monkeypatch):
    monkeypatch.setattr(names, "_exchange", lambda *_question: pytest.fail("the DNS was asked inside a request"))
    bad = Finding(Level.ERROR, "spf.missing", "b.example.org", "No SPF.", (Record("b.example.org", "TXT", "v=spf1"),))
    found = [bad, Finding(Level.WARNING, "mx.implicit", "b.example.org", "No MX."), Finding(Level.GOOD, "x", "y", "z")]
    with database.write_turn():
        connection = db.session.connection()
        results.keep(connection, results.after(None, found, clock.utc_now() - timedelta(minutes=30)))
        db.session.commit()
    answer = site.test_client().get("/health/ready", headers=BEARER)
    told = answer.json["records"]
    assert answer.status_code == 200
    assert 1800 <= told.pop("age_s") < 1900
    assert {name: count for name, count in told.items() if name != "findings"} == {
        "answered": True,
        "error": 1,
        "warning": 1,
        "note": 0,
        "good": 1,
    }
    assert [one["code"] for one in told["findings"]] == ["spf.missing", "mx.implicit"]
    assert told["findings"][0]["records"][0]["line"] == 'b.example.org. IN TXT "v=spf1"'
    assert "records" not in site.test_client().get("/health/ready").json


def test_feeds_that_are_not_well_are_told_without_their_addresses(site):
    now, minutes = clock.utc_now(), timedelta(minutes=1)

    def feed(name: str, **more) -> Feed:
        usual = {"last_success_at": now, "last_new_at": now - 700 * minutes, "next_fetch_at": now + 9 * minutes}
        return Feed(url=f"https://{name}.example.org/feed?key=SECRET", language="en", **(usual | more))

    with database.write_turn():
        db.session.add(feed("well", usual_gap_s=6 * 3600))
        db.session.add(feed("late", usual_gap_s=5 * 3600))
        db.session.add(feed("overdue", next_fetch_at=now - 16 * minutes))
        db.session.add(feed("failing", fails=2, last_success_at=now - 30 * minutes))
        db.session.add(feed("gone", state="gone", next_fetch_at=None))
        db.session.add(feed("paused", state="paused", next_fetch_at=None))
        db.session.commit()
    answer = site.test_client().get("/health/ready", headers=BEARER)
    told = answer.json["feeds"]
    assert answer.status_code == 200 and "SECRET" not in answer.text
    assert [one["host"].partition(".")[0] for one in told.pop("not_well")] == ["late", "overdue", "failing", "gone"]
    assert told == {"all": 6, "paused": 1, "gone": 1, "failing": 1, "late": 1, "overdue": 1}
    late, failing = (answer.json["feeds"]["not_well"][number] for number in (0, 2))
    assert (late["late"], late["usual_gap_s"], late["last_new_age_s"] // 60) == (True, 5 * 3600, 700)
    assert (failing["fails"], failing["last_success_age_s"] // 60, failing["late"]) == (2, 30, False)
    assert "feeds" not in site.test_client().get("/health/ready").json


def test_senders_and_beat_that_are_silent_are_told_and_keep_nobody_from_serving(site):
    now = clock.utc_now()
    pulse = {"host": "h", "pid": 1, "started_at": now, "refused": "{}"}
    with database.write_turn():
        db.session.add(Worker(id="a", heartbeat_at=now - timedelta(hours=2), **pulse))
        db.session.add(Worker(id="b", heartbeat_at=now - timedelta(hours=1), **pulse))
        beat.note(now - timedelta(minutes=30))
        db.session.commit()
    answer = site.test_client().get("/health/ready", headers=BEARER)
    assert answer.status_code == 200
    assert 3600 <= answer.json["sender_heartbeat_age_s"] < 3700
    assert 1800 <= answer.json["beat_heartbeat_age_s"] < 1900


def test_a_database_that_lacks_a_step_is_not_ready(site):
    flask_migrate.downgrade(revision="0001")
    answer = site.test_client().get("/health/ready", headers=BEARER)
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "not ready", "database": "reachable", "migrated": False},
    )
    assert site.test_client().get("/health/ready").json == {"status": "not ready"}


def test_a_database_out_of_a_backup_is_told_and_keeps_nobody_from_leaving(site):
    with database.write_turn():
        db.session.add(Mark(name=HOLD, value="2026-11-24"))
        db.session.commit()
    answer = site.test_client().get("/health/ready", headers=BEARER)
    assert (answer.status_code, answer.json["status"], answer.json["restored"]) == (200, "ready", True)


def test_a_database_out_of_reach_is_not_ready_and_says_nothing_of_itself(watched, monkeypatch):
    def refuse(*_args, **_values):
        raise OperationalError("SELECT 1", {}, ConnectionError("secret host"))

    monkeypatch.setattr(db.session, "connection", refuse)
    for headers, told in ((BEARER, {"database": "unreachable"}), ({}, {})):
        answer = watched.get("/health/ready", headers=headers)
        assert (answer.status_code, answer.json) == (503, {"status": "not ready", **told})
    answer = watched.get("/metrics", headers=BEARER)
    assert answer.status_code == 503
    assert "secret host" not in answer.text


def test_without_the_setting_there_are_no_metrics_and_no_details(client):
    flask_migrate.stamp()
    for headers in (*WRONG, BEARER, {"Authorization": "Bearer None"}):
        assert client.get("/metrics", headers=headers).status_code == 404
        assert client.get("/health/ready", headers=headers).json == {"status": "ready"}


@pytest.mark.parametrize("headers", WRONG, ids=str)
def test_without_the_right_token_nothing_is_told(watched, monkeypatch, headers):
    def counted(*_args):
        raise AssertionError("it was counted")

    monkeypatch.setattr(figures, "read", counted)
    answer = watched.get("/metrics", headers=headers)
    assert (answer.status_code, answer.data) == (401, b"")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert watched.get("/health/ready", headers=headers).json == {"status": "ready"}


def test_the_token_in_the_address_opens_nothing(watched):
    assert watched.get(f"/metrics?token={TOKEN}").status_code == 401


def test_a_scrape_of_an_empty_installation_has_every_metric(site):
    answer = site.test_client().get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["Cache-Control"] == "no-store"
    found = samples(answer)
    states = {state.value for state in State}
    assert {key for key in found if key[0] == "postrider_deliveries"} == {
        ("postrider_deliveries", (("lane", lane), ("state", state))) for lane in LANES for state in states
    }
    for lane in LANES:
        assert of(found, "postrider_oldest_due_seconds", lane=lane) == 0
    for name in ("sent_total", "rate", "senders", "doubts", "alerts_open"):
        assert of(found, f"postrider_{name}") == 0
    for name in ("sender", "beat"):
        assert of(found, f"postrider_{name}_heartbeat_age_seconds") == float("inf"), "a limit on it is passed"
    assert "# TYPE postrider_sent_total counter" in answer.text
    assert "# TYPE postrider_refused_total counter" in answer.text
    assert "# TYPE postrider_held_back gauge" in answer.text


def test_a_scrape_tells_what_there_is(site):
    now = clock.utc_now()
    settings = site.extensions["postrider settings"]
    warm = replace(settings.post.relays["main"], warm_up=WarmUp(now.date(), 10, 1.0))
    site.extensions["postrider settings"] = replace(settings, post=PostOffice({"main": warm}))
    digest = mailings.mailing()
    mailings.mails(digest, {State.PLANNED: 3, State.SENT: 5, State.IN_DOUBT: 1})
    mailings.mails(digest, {State.SENT: 2}, returned_at=now, returned_as="hard")
    mailings.mailing("edition:old", state="closed", counts='{"sent": 100, "failed": 2}')
    mailings.mails(mailings.mailing("system:confirm:en:1", lane=Lane.TRANSACTIONAL), {State.SENT: 1})
    pulse = {"host": "h", "pid": 1, "started_at": now, "heartbeat_at": now, "sent": 8}
    with database.write_turn():
        db.session.add(Worker(id="a", rate=4.5, refused='{"later": 3, "policy": 1}', **pulse))
        db.session.add(Quota(domain="monsoon.example.org", day=now.date(), taken=10))
        db.session.add(Alert(key="queue", text="x", opened_at=now))
        beat.note(now)
        db.session.commit()
    found = samples(site.test_client().get("/metrics", headers=BEARER))
    assert of(found, "postrider_deliveries", lane="digest", state="planned") == 3
    assert of(found, "postrider_deliveries", lane="digest", state="sent") == 107
    assert of(found, "postrider_deliveries", lane="digest", state="failed") == 2
    assert of(found, "postrider_sent_total") == 108
    assert 29 < of(found, "postrider_oldest_due_seconds", lane="digest") < 90
    assert of(found, "postrider_refused_total", reason="later") == 3
    assert of(found, "postrider_refused_total", reason="policy") == 1
    assert of(found, "postrider_returned", **{"class": "hard"}) == 2
    assert of(found, "postrider_returned", **{"class": "complaint"}) == 0
    assert (of(found, "postrider_senders"), of(found, "postrider_rate")) == (1, 4.5)
    assert of(found, "postrider_sender_heartbeat_age_seconds") < 60
    assert of(found, "postrider_beat_heartbeat_age_seconds") < 60
    assert (of(found, "postrider_doubts"), of(found, "postrider_alerts_open")) == (1, 1)
    assert of(found, "postrider_held_back", domain="monsoon.example.org") == 3


def test_no_label_holds_an_address_or_a_token(watched, readers):
    readers.join("reader@example.org")
    now = clock.utc_now()
    told = '{"550 ada@example.org is unknown": 2, "/t/abcdef": 1, "later": 1}'
    with database.write_turn():
        db.session.add(Worker(id="a", host="h", pid=1, started_at=now, heartbeat_at=now, refused=told))
        db.session.commit()
    answer = watched.get("/metrics", headers=BEARER)
    labels = {(name, value) for _name, pairs in samples(answer) for name, value in pairs}
    assert {name for name, _value in labels} == {"lane", "state", "reason", "class"}
    assert ("reason", "other") in labels
    for _name, value in labels:
        assert re.fullmatch(r"[a-z_]{1,40}", value)
    assert "@" not in answer.text
    assert "/t/" not in answer.text
    assert TOKEN not in answer.text


def test_many_who_ask_at_once_are_counted_for_once(watched, monkeypatch):
    counted = []
    read = figures.read

    def noting(*values):
        counted.append(threading.get_ident())
        return read(*values)

    monkeypatch.setattr(figures, "read", noting)
    answers = []
    asking = [
        threading.Thread(target=lambda: answers.append(watched.get("/metrics", headers=BEARER).text)) for _ in range(6)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(60)
    assert len(counted) == 1
    assert len(set(answers)) == 1
    assert len(answers) == 6


def test_what_was_counted_is_kept_for_some_seconds_and_longer_when_counting_is_slow(monkeypatch):
    now, cost, pages = [100.0], [0.0], []

    def page() -> bytes:
        now[0] += cost[0]
        pages.append(now[0])
        return str(now[0]).encode()

    monkeypatch.setattr(metrics, "_page", page)
    monkeypatch.setattr("web.metrics.time.monotonic", lambda: now[0])
    kept = metrics._Kept()
    first = kept.text()
    now[0] += metrics.KEPT_S - 0.1
    assert kept.text() == first
    now[0] += 0.2
    cost[0] = 2.0
    assert kept.text() != first
    now[0] += 39
    assert len({kept.text(), kept.text()}) == 1
    assert len(pages) == 2, "two seconds of counting are paid for by forty"
    now[0] += 2
    kept.text()
    assert len(pages) == 3


def test_a_failed_count_is_not_kept(monkeypatch):
    def fail() -> bytes:
        raise OperationalError("SELECT 1", {}, ConnectionError())

    kept = metrics._Kept()
    with monkeypatch.context() as patch:
        patch.setattr(metrics, "_page", fail)
        with pytest.raises(OperationalError):
            kept.text()
    monkeypatch.setattr(metrics, "_page", lambda: b"there")
    assert kept.text() == b"there"


def test_asking_changes_no_row(watched):
    before = dump()
    for path in ("/health/live", "/health/ready", "/metrics"):
        for _time in range(2):
            assert watched.get(path, headers=BEARER).status_code == 200
            watched.head(path, headers=BEARER)
    assert dump() == before


def test_a_database_that_does_not_answer_is_seen_as_such(site, monkeypatch):
    """Not by a stand-in: the connection is refused by the operating system."""
    if db.engine.dialect.name == "sqlite":
        gone = create_engine("sqlite:////nowhere/at/all.db")
    else:
        gone = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    monkeypatch.setattr(db.session, "connection", gone.connect)
    answer = site.test_client().get("/health/ready", headers=BEARER)
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "database": "unreachable"})
