"""What an operator types of "Send to a friend": the switch with its notice, and the report."""

import json

from sqlalchemy import delete

from core import addresses, clock, database, journal
from core.database import db
from delivery import suppression
from delivery.models import Suppression
from sharing import asking, counts, optout, switch
from subscribers import replay
from tests.digests.house import House


def test_the_switch_is_turned_by_somebody_who_accepts_the_notice_and_that_is_kept(flask):
    assert flask("sharing switch").output == "mailto, as at first\n"
    refused = flask('sharing switch verified --by "Ada Moore"', input="n\n")
    assert refused.exit_code == 1 and "Federal Court of Justice" in refused.output
    assert flask("sharing switch").output == "mailto, as at first\n"
    assert flask('sharing switch verified --by "Ada Moore"', input="y\n").exit_code == 0
    assert "verified, by Ada Moore; accepted the notice of 2026-11" in flask("sharing switch").output
    assert flask('sharing switch mailto --by "Bo Lind" --why "a busy weekend"').exit_code == 0
    table = json.loads(flask("sharing switch --json").output)
    assert (table["mode"], [one["by"] for one in table["turns"]]) == ("mailto", ["Bo Lind", "Ada Moore"])
    assert table["turns"][0]["why"] == "a busy weekend"


def test_nobody_turns_it_without_a_name(flask):
    ended = flask("sharing switch verified --accept-notice")
    assert ended.exit_code == 1 and "Say who turns the switch" in ended.output


def test_the_report_counts_by_story_and_reason_and_names_nobody(app, flask):
    article = House(app.extensions["postrider"]).article("Seoul and Havana")
    now = clock.utc_now()
    with database.write_turn():
        switch.turn(switch.Mode.VERIFIED, who="Ada", accepted=switch.NOTICE_VERSION, now=now)
        for mails in (1, 2):
            counts.add(article, day=now.date(), shares=1, mails=mails)
        counts.refuse("again", friends=1, now=now)
        counts.refuse("sender", friends=3, now=now)
        db.session.commit()
    said = flask("sharing report").output
    assert "The switch stands at verified." in said
    assert "In 24 hours: sent to friends 0, senders asked 0; at most 2,000 of each." in said
    assert "  2 shares, 3 mails, 0 reads: Seoul and Havana" in said
    assert "again: 1 recipient refused" in said and "sender: 3 recipients refused" in said
    table = json.loads(flask("sharing report --json --days 1").output)
    assert table["signs"]["day"] == {"friends": 0, "asked": 0, "most": 2000}
    assert {table["signs"][name] for name in ("complaints", "bounces", "of")} == {0}
    assert [(one["headline"], one["shares"], one["mails"]) for one in table["stories"]] == [("Seoul and Havana", 2, 3)]
    assert {one["reason"]: one["friends"] for one in table["refusals"]} == {"again": 1, "sender": 3}


def test_what_a_friend_wanted_is_in_the_journal_and_comes_back_into_a_restored_database(app):
    kept, keyring = journal.current(), app.extensions["postrider"].keyring
    assert kept is not None
    kept.path.unlink(missing_ok=True)
    friend = addresses.parse("jo+news@example.org")
    hashes = (keyring.hash(friend), asking.inbox_hash(friend, keyring))
    with database.write_turn():
        optout.opt_out(optout.Owner(hashes, "en"), everything=False, source="page", now=clock.utc_now())
        db.session.commit()
    with database.write_turn():
        db.session.execute(delete(Suppression))
        db.session.commit()
    with database.write_turn():
        assert replay.bring_back([line for _octets, line in journal.read(kept.path) if line]) == 2
        db.session.commit()
    assert all(suppression.is_suppressed(one, ["share"], now=clock.utc_now()) for one in hashes)
