"""`flask topics`: what an editor types about topics, rules and unmapped terms, and what it says."""

import json
import shlex

import pytest

from articles import feeds, ingest, life, shelf
from core import clock
from core.database import db
from tests.articles import atom
from tests.articles.atom import entry

URL = "https://publisher.example.org/feed.xml"
FILE = """
[[topic]]
key = "kr"
kind = "country"
find_in = ["headline", "dateline"]

[[topic]]
key = "world"
kind = "theme"
names = {en = "World"}

[[rule]]
terms = ["Seoul", "South Korean"]
topics = ["kr"]
find_in = ["headline", "dateline"]
"""


@pytest.fixture
def mapping(tmp_path):
    """A file of topics and rules."""
    file = tmp_path / "topics.toml"
    file.write_text(FILE, "utf-8")
    return file


@pytest.fixture
def feed(app):
    """A feed that has brought nothing yet."""
    made = feeds.ensure(URL, language="en", now=clock.utc_now())
    db.session.commit()
    return made


def take(*entries: str) -> None:
    feed = feeds.ensure(URL, language="en", now=clock.utc_now())
    ingest.store_entries(feed.id, atom.feed(*entries), clock.utc_now())
    db.session.commit()


def topics_of(headline: str) -> list[str]:
    (article,) = [one for one in shelf.latest("en", limit=9) if one.headline == headline]
    return sorted(topic.key for topic in shelf.topics_of([article.id])[article.id])


def test_a_file_is_shown_as_what_it_changes_before_and_when_it_is_applied(flask, mapping):
    name = shlex.quote(str(mapping))
    lines = [
        "+ topic kr",
        "+ topic world",
        "+ Seoul means kr (headline, dateline)",
        "+ South Korean means kr (headline, dateline)",
    ]
    looked = flask(f"topics apply {name} --dry-run").output.splitlines()
    assert looked == [*lines, "4 changes; nothing was changed."]
    assert flask("topics list").output == "0 shown.\n"
    assert flask(f"topics apply {name}").output.splitlines()[:5] == [*lines, "2 topics are on offer."]
    assert flask(f"topics apply {name} --dry-run").output == "0 changes; nothing was changed.\n"
    mapping.write_text(FILE.replace('["kr"]', "[]").replace('"World"', '"The world"'), "utf-8")
    assert flask(f"topics apply {name} --dry-run").output.splitlines()[:2] == [
        "~ topic world: names",
        "~ Seoul means nothing (headline, dateline)",
    ]
    assert "kr  country  South Korea  (found in headline, dateline)" in flask("topics list").output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "has no [[topic]] or [[rule]] tables."),
        ('topic = "kr"', "has no [[topic]] or [[rule]] tables."),
        (FILE + '[[rule]]\nterms = ["x"]\ntopics = ["nowhere"]', "Rule 2: there is no topic nowhere."),
        (FILE.replace('"headline", "dateline"', '"body"', 1), "Topic kr: find_in is a list"),
    ],
)
def test_a_file_with_a_mistake_changes_nothing_and_says_which(flask, mapping, text, said):
    mapping.write_text(text, "utf-8")
    result = flask(f"topics apply {shlex.quote(str(mapping))}")
    assert result.exit_code == 1 and said in result.output
    assert flask("topics list").output == "0 shown.\n"


def test_an_unmapped_term_is_listed_with_its_cure_and_leaves_the_list_by_it(flask, mapping, feed):
    flask(f"topics apply {shlex.quote(str(mapping))}")
    take(entry("one", title="One", terms=("Estero", "Homepage")), entry("two", title="Two", terms=("Estero",)))
    listed = flask("topics unmapped")
    assert f"2  Estero  ({URL})  last in: " in listed.output
    cure = next(line for line in listed.output.splitlines() if line.startswith("What one means: flask "))
    result = flask(cure.partition("flask ")[2].replace("KEY", "world"))
    assert result.output.startswith(f"Estero means world (terms), in {URL}. "), result.output
    (left,) = json.loads(flask(f"topics unmapped --feed {URL} --json").output)
    assert (left["term"], left["count"], left["headline"]) == ("Homepage", 1, "One")
    assert flask("topics map homepage --nothing").exit_code == 0
    assert flask("topics unmapped").output == "0 shown.\n"
    assert topics_of("One") == []
    applied = flask("topics apply-rules")
    assert applied.exit_code == 0
    assert "2 stories were looked at; 2 of them changed shelves." in applied.output
    assert topics_of("One") == topics_of("Two") == ["world"]
    assert "0 stories were looked at" in flask("topics apply-rules --since 2099-01-01").output


def test_rules_are_listed_and_forgotten(flask, mapping, feed):
    flask(f"topics apply {shlex.quote(str(mapping))}")
    flask(f"topics map Estero world kr --feed {URL} --language en --find-in headline --find-in terms")
    assert f"Estero means kr world (terms, headline), in en, in {URL}" in flask("topics rules").output
    told = json.loads(flask("topics rules --json").output)
    assert told[-1] == {
        "term": "Estero",
        "feed": URL,
        "language": "en",
        "means": {"terms": ["kr", "world"], "headline": ["kr", "world"]},
    }
    assert "no such rule" in flask("topics unmap Estero").output
    assert flask(f"topics unmap ESTERO --feed {URL}").output == "Forgotten.\n"
    assert "Estero" not in flask("topics rules").output


def test_what_is_wrong_is_said_in_one_sentence(flask, mapping, feed):
    flask(f"topics apply {shlex.quote(str(mapping))}")
    for line, status, said in (
        ("topics map Estero", 2, "Give either"),
        ("topics map Estero kr --nothing", 2, "Give either"),
        ("topics map Estero nowhere", 1, "not on offer"),
        ("topics map Estero kr --feed https://nowhere.example.org/", 1, "There is no such feed"),
        ("topics map '…' kr", 1, "no letter and no digit"),
        (f"topics map {'x' * 101} kr", 1, "1 to 100 characters"),
        ("topics unmapped --feed https://nowhere.example.org/", 1, "There is no such feed"),
        ("topics unmap Estero", 1, "no such rule"),
    ):
        result = flask(line)
        assert result.exit_code == status and said in result.output, line


def test_rules_leave_alone_what_was_set_by_hand(flask, mapping, feed):
    flask(f"topics apply {shlex.quote(str(mapping))}")
    take(entry("one", title="Talks in Seoul"))
    assert topics_of("Talks in Seoul") == ["kr"]
    life.set_topics(shelf.latest("en", limit=1)[0], ["world"])
    db.session.commit()
    assert "0 of them changed" in flask("topics apply-rules").output
    take(entry("one", title="Talks in Seoul"))
    assert topics_of("Talks in Seoul") == ["world"]
