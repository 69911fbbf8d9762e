"""The look that is taken by itself: when it is, what of it is kept and told, and who asks nobody."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine

from checkup import results
from core import alerts, names
from core.checkups import CheckupSettings
from core.database import db
from tasks import checkup
from tests.checkup.signing import NOW, signing
from tests.checkup.worlds import ADDRESS, BOUNCES, changed, good, spf
from tests.nameserver import NameServer, serving


@pytest.fixture
def server(monkeypatch) -> Iterator[NameServer]:
    monkeypatch.setattr(names, "TRY_S", 0.05)
    monkeypatch.setattr(names, "QUESTION_S", 0.1)
    with serving(good()) as running:
        yield running


@pytest.fixture
def watched(app, server, monkeypatch):
    """The installation, which is watched, and asks this server."""
    settings = app.extensions["postrider settings"]
    own = CheckupSettings(watch=True, resolver=("127.0.0.1", server.port), addresses=(ADDRESS,))
    monkeypatch.setitem(app.extensions, "postrider settings", replace(settings, checkup=own, dkim=signing()))
    monkeypatch.setitem(app.extensions, "postrider", replace(app.extensions["postrider"], dkim=signing()))
    return app


def looked(at=NOW):
    """Have the task look at an instant, and return what is kept."""
    with time_machine.travel(at, tick=False):
        checkup.look()
    db.session.rollback()
    return results.last(db.session.connection())


def standing() -> dict[str, str]:
    db.session.rollback()
    return {one.key: one.text for one in alerts.standing(db.session.connection())}


def test_who_is_not_watched_asks_nobody(app, server):
    assert looked() is None
    assert server.asked == []


def test_in_a_good_world_a_look_is_kept_with_samples_that_verify_and_nobody_is_told(watched):
    result = looked()
    assert result.errors == []
    assert sum(one.code == "sample.good" for one in result.found) == 4
    assert standing() == {}


def test_a_look_is_taken_once_an_hour(watched, server):
    looked()
    asked = len(server.asked)
    assert looked(NOW + timedelta(minutes=50)).looked_at == NOW
    assert len(server.asked) == asked
    assert looked(NOW + timedelta(minutes=60)).looked_at == NOW + timedelta(minutes=60)


def test_a_record_that_vanishes_is_told_after_a_second_look_and_over_when_it_is_back(watched, server):
    key = "rsa-1._domainkey.monsoon.example.org"
    there = server.zone.pop(key)
    looked()
    assert standing() == {}
    looked(NOW + timedelta(minutes=10))
    assert list(standing()) == ["dns:monsoon.example.org"]
    assert "nobody can verify our signatures" in standing()["dns:monsoon.example.org"].splitlines()[0]
    server.zone[key] = there
    looked(NOW + timedelta(minutes=20))
    assert standing() == {}


def test_a_broken_spf_record_is_told_with_the_record_to_set(watched, server):
    server.zone = changed(good(), spf("v=spf1 ip4:192.0.2.1 +all"))
    looked()
    looked(NOW + timedelta(minutes=10))
    assert '"v=spf1 ip4:192.0.2.1 ~all"' in standing()[f"dns:{BOUNCES}"].splitlines()[2]


def test_while_the_resolver_is_silent_nothing_is_called_broken_or_over(watched, server):
    server.zone.pop("rsa-1._domainkey.monsoon.example.org")
    looked()
    looked(NOW + timedelta(minutes=10))
    before = standing()
    assert before
    server.answer = lambda *_question: None
    result = looked(NOW + timedelta(minutes=20))
    assert result.silent_since == NOW + timedelta(minutes=20)
    assert standing() == before


def test_a_system_that_names_no_resolver_is_no_trouble(watched, monkeypatch):
    def refuse(*_server, **_options):
        raise ValueError("this system names no DNS server")

    monkeypatch.setattr(checkup, "Names", refuse)
    assert looked() is None


def test_other_alerts_are_left_alone(watched):
    connection = db.session.connection()
    alerts.raise_alert(connection, alerts.trouble("relay:main", what="a", how_much="b", cure="c"), NOW)
    db.session.commit()
    looked()
    assert list(standing()) == ["relay:main"]
