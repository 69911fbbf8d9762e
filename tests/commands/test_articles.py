"""`flask articles` and `flask feeds`: what an editor types, and what it says."""

import json

import pytest

from articles import feeds, ingest, shelf
from core import clock, fetch
from core.database import db
from tests.articles import atom
from tests.articles.atom import entry

URL = "https://publisher.example.org/feed.xml"


@pytest.fixture
def story(app):
    """One story that came in by a feed."""
    feed = feeds.ensure(URL, language="en", now=clock.utc_now())
    ingest.store_entries(feed.id, atom.feed(entry("one"), entry("two", title="Another")), clock.utc_now())
    db.session.commit()
    return next(one.public_id for one in shelf.latest("en", limit=9) if one.headline == "A headline")


def take(*entries: str) -> None:
    """Let the feed bring these."""
    feed = feeds.ensure(URL, language="en", now=clock.utc_now())
    ingest.store_entries(feed.id, atom.feed(*entries), clock.utc_now())
    db.session.commit()


def test_a_story_is_named_by_its_id_its_path_or_its_address(flask, story):
    shown = json.loads(flask(f"articles show {story} --json").output)
    path = shown["url"].partition("//")[2].partition("/")[2]
    for name in (shown["url"], f"/{path}", f"{shown['url']}/print", f"{shown['url']}/send", story.upper()):
        assert json.loads(flask(f"articles show {name} --json").output) == shown
    assert (shown["headline"], shown["state"], shown["feed"]) == ("A headline", "published", URL)
    assert "headline: A headline" in flask(f"articles show {story}").output


@pytest.mark.parametrize("name", ["nothing", "''", "https://news.example.org/", "zzzzzzzzzz"])
def test_a_story_that_is_not_there_is_said_in_one_sentence(flask, story, name):
    for command in ("show", "update", "restore", "withdraw --reason x"):
        result = flask(f"articles {command} {name}")
        assert result.exit_code == 1
        assert "There is no such story." in result.output


def test_a_story_lives_through_all_its_states(flask, story):
    def state() -> str:
        return str(json.loads(flask(f"articles show {story} --json").output)["state"])

    for words, becomes in (
        ("hold --until 2099-01-01", "held"),
        ("release", "published"),
        ('withdraw --reason "Killed by the agency."', "withdrawn"),
        ("restore", "published"),
    ):
        verb, _space, rest = words.partition(" ")
        result = flask(f"articles {verb} {story} {rest}")
        assert result.exit_code == 0, result.output
        assert state() == becomes
    assert "This story is published." in flask(f"articles release {story}").output
    assert "still to come" in flask(f"articles hold {story} --until 2020-01-01").output


def test_what_is_said_of_a_story_is_kept(flask, story):
    for words in (
        'correct {} --text "On Tuesday."',
        "update {}",
        "let {} --no-share --no-print",
        "set-topics {}",
        "rank {} 3",
    ):
        result = flask("articles " + words.format(story))
        assert result.exit_code == 0, result.output
    shown = json.loads(flask(f"articles show {story} --json").output)
    assert shown["correction"] == "On Tuesday."
    assert shown["updated_at"] and shown["topics_by_hand"]
    assert shown["rank"] == 3
    assert "from 0 to 9" in flask(f"articles rank {story} 10").output
    assert (shown["shareable"], shown["printable"]) == (False, False)
    flask(f"articles correct {story} --take-back")
    assert json.loads(flask(f"articles show {story} --json").output)["correction"] == ""
    for words in (f"correct {story}", f"let {story}", f"correct {story} --text x --take-back"):
        assert flask(f"articles {words}").exit_code == 2


def test_stories_are_listed_by_state(flask, story):
    flask(f"articles withdraw {story} --reason Killed.")
    found = json.loads(flask("articles list --state withdrawn --json").output)
    assert [one["id"] for one in found] == [story]
    assert "[withdrawn]  A headline" in flask("articles list").output
    assert "0 shown." in flask("articles list --language ar").output


def test_two_languages_are_joined(flask, story):
    arabic = feeds.ensure(URL + "?ar", language="ar", now=clock.utc_now())
    ingest.store_entries(arabic.id, atom.feed(entry("ar", title="خبر")), clock.utc_now())
    db.session.commit()
    (other,) = shelf.latest("ar", limit=9)
    assert flask(f"articles join {story} {other.public_id}").exit_code == 0
    assert json.loads(flask(f"articles show {story} --json").output)["other_languages"] == ["ar"]


def test_feeds_are_listed_paused_resumed_and_forgotten(flask, story):
    assert "not read yet" in flask("feeds list").output
    assert flask(f"feeds pause {URL}").exit_code == 0
    db.session.rollback()
    assert feeds.due(clock.utc_now(), 9) == []
    assert json.loads(flask("feeds list --json").output)[0]["state"] == "paused"
    assert flask(f"feeds resume {URL}").exit_code == 0
    db.session.rollback()
    assert len(feeds.due(clock.utc_now(), 9)) == 1
    refused = flask(f"feeds remove {URL}", input="n\n")
    assert refused.exit_code == 1 and "Forget this feed?" in refused.output
    assert "2 stories of it stay." in flask(f"feeds remove {URL} --yes").output
    assert "0 shown." in flask("feeds list").output
    assert flask(f"articles show {story}").exit_code == 0
    for verb in ("pause", "resume", "fetch", "remove --yes"):
        result = flask(f"feeds {verb} {URL}")
        assert (result.exit_code, "There is no such feed" in result.output) == (1, True)


def fetched(status: int, body: bytes | None) -> fetch.Fetched:
    return fetch.Fetched(status=status, url=URL, body=body)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (fetched(200, atom.feed(entry("one"), entry("three", title="Third"))), 0, "1 new, 0 changed, 1 as before"),
        (fetched(304, None), 0, "Nothing has changed"),
        (fetched(503, None), 1, "the server answered 503"),
        (fetched(200, b"<html>"), 1, "This feed cannot be read"),
        (fetch.FetchFailed("the connection failed"), 1, "the connection failed"),
    ],
    ids=["new", "same", "busy", "no feed", "no line"],
)
def test_a_feed_is_fetched_now(flask, story, monkeypatch, answer, status, words):
    def get(_request: fetch.FetchRequest) -> fetch.Fetched:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(fetch, "get", get)
    result = flask(f"feeds fetch {URL}")
    assert (result.exit_code, words in result.output) == (status, True), result.output
    listed = flask("feeds list")
    assert listed.exit_code == status, "a feed that fails is seen by the exit status"


def test_a_story_is_flagged_as_breaking_and_the_flag_is_taken_back(flask, story):
    assert "older than a day" in flask(f"articles flag-breaking {story}").output
    assert flask(f"articles flag-breaking {story} --yes").output == (
        f"It is breaking news. To stop its mails: flask articles flag-breaking {story} --undo\n"
    )
    assert "[breaking]  A headline" in flask("articles list").output
    assert json.loads(flask(f"articles show {story} --json").output)["breaking_at"]
    assert flask(f"articles flag-breaking {story} --undo").exit_code == 0
    assert "[breaking]" not in flask("articles list").output


def test_what_is_said_of_a_feed_holds_for_its_stories_and_of_one_story_for_that_one(flask, story):
    said = flask(f"feeds set {URL} --read-at publisher --teaser-only on")
    assert said.output == "It holds for all stories of it, and the 2 that are here.\n"
    assert [(one["read_at"], one["teaser_only"]) for one in json.loads(flask("feeds list --json").output)] == [
        ("publisher", True)
    ]
    flask(f"articles let {story} --teaser-only off")
    shown = json.loads(flask("articles list --json").output)
    assert {one["headline"]: one["teaser_only"] for one in shown} == {"A headline": False, "Another": True}
    assert {one["read_at"] for one in shown} == {"publisher"}
    take(entry("three", title="A third"))
    third = next(one for one in shelf.latest("en", limit=9) if one.headline == "A third")
    assert (third.read_at, third.teaser_only) == ("publisher", True)
    assert flask(f"feeds set {URL}").exit_code == 2


def test_a_story_is_read_at_its_publisher_only_where_its_page_is_known(flask, story):
    shown = json.loads(flask(f"articles show {story} --json").output)
    assert shown["publishers_page"] == "https://news.example.org/en/one"
    take(entry("four", title="A fourth", url="https://elsewhere.example.net/four"))
    fourth = next(one for one in shelf.latest("en", limit=9) if one.headline == "A fourth")
    refused = flask(f"articles let {fourth.public_id} --read-at publisher")
    assert refused.exit_code == 1 and "is read here" in refused.output
