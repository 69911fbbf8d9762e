"""`flask digests special` and `send-special` as an editor types them."""

import json

from core.database import db
from digests.models import Edition
from tests.commands.test_digests_desk import stories, tomorrow

__all__ = ("stories", "tomorrow")
VOTE = "--subject 'The vote, explained'"


def test_a_special_is_drafted_listed_and_sent_once_it_was_asked_for(flask, stories, nudged):
    one, two, _three = stories
    done = flask(f"digests special vote asia-daily {two} {one} {VOTE} --note 'Read *this*.' --json")
    assert [story["headline"] for story in json.loads(done.output)["stories"]] == ["Two", "One"]
    assert [found["key"] for found in json.loads(flask("digests specials --json").output)] == ["vote"]
    assert flask("digests send-special vote", input="n\n").exit_code == 1
    assert db.session.query(Edition).count() == 0
    assert flask("digests send-special vote", input="y\n").exit_code == 0
    assert [edition.kind for edition in db.session.query(Edition)] == ["special"]
    assert "tasks.digests.open_due" in nudged
    assert "was sent" in flask("digests send-special vote --yes").output


def test_what_cannot_be_sent_is_said_in_one_sentence(flask, stories):
    for line, said in (
        (f"special vote asia-daily {VOTE}", "1 to 100 stories"),
        (f"special vote asia-daily nothing {VOTE}", "There is no such story"),
        (f"special vote asia-daily {stories[0]}", "--subject"),
        (f"special vote asia-daily {stories[0]} {VOTE} --also asia-dayly", "There is no digest asia-dayly"),
        ("send-special nothing --yes", "There is no special nothing"),
    ):
        done = flask("digests " + line)
        assert done.exit_code != 0 and said in done.output, line
        assert "Traceback" not in done.output
