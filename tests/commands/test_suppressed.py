"""Why an address gets no mail, and a way back after bounces."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from core import addresses, clock, database, services
from core.database import db
from delivery import suppression

SINCE = datetime(2026, 11, 24, 6, 41, tzinfo=UTC)
UNTIL = clock.utc_now() + timedelta(days=90)


@pytest.fixture
def reader(app) -> bytes:
    """An address that came back, complained, and left a digest."""
    addr_hash = services.current().keyring.hash(addresses.parse("reader@example.org"))
    past = SINCE + timedelta(hours=1)
    with database.write_turn():
        for scope, reason, source, until in (
            ("bulk", "full", "dsn", UNTIL),
            ("bulk", "soft", "dsn", past),
            ("bulk", "complaint", "arf", None),
            ("digest:asia-daily", "left", "mail", None),
        ):
            suppression.suppress(addr_hash, scope=scope, reason=reason, source=source, now=SINCE, until=until)
        db.session.commit()
    return addr_hash


def test_it_says_what_holds_now_since_when_until_when_and_by_whom(flask, reader):
    ended = flask("delivery suppressed Reader@example.org")
    assert ended.exit_code == 1
    assert ended.stdout.splitlines() == [
        "bulk: complaint, since 2026-11-24 06:41 UTC, by arf",
        f"bulk: full, since 2026-11-24 06:41 UTC until {UNTIL:%Y-%m-%d %H:%M} UTC, by dsn",
        "digest:asia-daily: left, since 2026-11-24 06:41 UTC, by mail",
    ]


def test_only_what_bounces_have_made_is_lifted(flask, reader):
    ended = flask("delivery suppressed reader@example.org --lift --json")
    assert [(one["scope"], one["reason"]) for one in json.loads(ended.stdout)] == [
        ("bulk", "complaint"),
        ("digest:asia-daily", "left"),
    ]
    assert ended.exit_code == 1


def test_an_address_that_nothing_is_known_of_may_be_mailed(flask, reader):
    ended = flask("delivery suppressed other@example.org")
    assert (ended.exit_code, ended.output) == (0, "Nothing keeps mail from this address.\n")


def test_what_is_no_address_is_refused_with_one_sentence(flask):
    ended = flask("delivery suppressed nobody")
    assert (ended.exit_code, ended.stdout) == (1, "") and ended.stderr.startswith("Error: ")
