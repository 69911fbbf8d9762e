"""Pages that are kept: sent again as they were, until anything on them changes, wherever that was done."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import flask
import pytest
from sqlalchemy import select, update

from articles import ingest, life, shelf
from articles.models import Article, Feed, Topic
from core import clock, database, links
from core.database import db
from core.settings import ROOT
from subscribers.models import Digest
from tests.articles import atom
from tests.installation import settings_for
from tests.web.readers import korea_and_cuba
from web import machines, pagecache, pages

ADDED = "A story that has just come in"


@pytest.fixture
def story(app) -> Article:
    return korea_and_cuba()


@pytest.fixture
def rendered(monkeypatch) -> list[str]:
    """The templates that were rendered."""
    names: list[str] = []

    def render(name, **values):
        names.append(name)
        return flask.render_template(name, **values)

    for module in (pages, machines):
        monkeypatch.setattr(module, "render_template", render)
    return names


def path(article: Article, page: str = "story") -> str:
    return links.path(page, language=article.language, story=article.ref)


def add(language: str, entry: str) -> None:
    feed = db.session.scalars(select(Feed).where(Feed.language == language)).first()
    assert feed is not None
    with database.write_turn():
        ingest.store_entries(feed.id, atom.feed(entry), clock.utc_now())
        db.session.commit()


def new_story(_story):
    add("en", atom.entry("new", title=ADDED, published=clock.utc_now().isoformat()))


def new_text(story):
    story.body = "<p>Other words.</p>"


def new_version(story):
    arabic = next(one for one in shelf.versions(story) if one.language == "ar")
    arabic.headline = "عنوان آخر"


def see_also(story):
    for other in shelf.latest("en", limit=99):
        if other is not story:
            other.headline = f"Now: {other.headline}"


def rename_topic(_story):
    db.session.scalars(select(Topic).where(Topic.kind == "theme").limit(1)).one().names = {"en": "Renamed"}


CHANGES = {
    "a new story": new_story,
    "another text": new_text,
    "another version": new_version,
    "a story under See also": see_also,
    "a correction": lambda story: life.correct(story, text="It was Tuesday.", now=clock.utc_now()),
    "a withdrawal": lambda story: life.withdraw(story, reason="Killed."),
    "a hold": lambda story: life.hold(story, now=clock.utc_now()),
    "a mark": lambda story: life.mark_updated(story, now=clock.utc_now()),
    "a flag": lambda story: life.let(story, share=False),
    "topics by hand": lambda story: life.set_topics(story, ["jp"]),
    "a topic's name": rename_topic,
    "a statement for many": lambda _story: db.session.execute(update(Article).values(printable=False)),
    "a digest that is offered no more": lambda _story: db.session.execute(update(Digest).values(active=False)),
}


def everything(client, story: Article) -> dict[str, tuple[int, bytes]]:
    paths = [path(story), path(story, "print"), path(story, "share"), path(shelf.versions(story)[0])]
    paths += [path(one) for one in shelf.latest("en", limit=3)]
    paths += ["/en/", "/ar/", "/en/topics", "/en/topics/cu", "/en/topics/jp", "/en/feed.atom", "/en/feed.json"]
    paths += ["/en/sitemap.xml", "/en/news-sitemap.xml", client.get("/en/archive").headers["Location"]]
    return {one: (answer.status_code, answer.data) for one in paths if (answer := client.get(one))}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_on_every_page_at_once(app, client, story, change, rendered):
    before = everything(client, story)
    rendered.clear()
    assert everything(client, story) == before
    assert rendered == []
    change(story)
    db.session.commit()
    after = everything(client, story)
    assert after != before
    # As a process would make them that has kept nothing.
    app.wsgi_app.close()
    assert everything(client, story) == after


def test_a_story_that_was_held_until_now_is_on_its_page_at_once(client, story):
    now = clock.utc_now()
    life.hold(story, until=now + timedelta(hours=1), now=now)
    db.session.commit()
    assert client.get(path(story)).status_code == 404
    assert client.get("/en/").status_code == 200
    life.release_due(now + timedelta(hours=1))
    db.session.commit()
    assert client.get(path(story)).status_code == 200
    assert path(story) in client.get("/en/").text


def test_a_feed_that_brings_nothing_new_has_nothing_made_anew(app, client, story, rendered):
    entry = atom.entry("new", title=ADDED)
    add("en", entry)
    client.get(path(story))
    rendered.clear()
    add("en", entry)
    client.get(path(story))
    assert rendered == []


def test_what_another_process_changes_is_seen_at_once(app, client, story, tmp_path):
    before = client.get(path(story))
    settings = settings_for(app.config["SQLALCHEMY_DATABASE_URI"])
    environment = {
        **os.environ,
        "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
        "SECRET_KEY": settings.secret_key.decode(),
        "HASH_KEY": settings.hash_key.decode(),
        "CONSENT_KEY": settings.consent_key.decode(),
        "POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml"),
        "STATE_DIR": str(tmp_path),
        "SMTP_URL": "smtp://127.0.0.1:9",
    }
    words = ("articles", "correct", story.public_id, "--text", "It was Tuesday.")
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The test's own session is the client's, and still sees the database as it was.
    db.session.rollback()
    assert "It was Tuesday." not in before.text
    assert "It was Tuesday." in client.get(path(story)).text
    again = client.get(path(story), headers={"If-None-Match": before.headers["ETag"]})
    assert again.status_code == 200


def test_a_page_is_the_same_whatever_campaign_brought_the_reader(client, story, rendered):
    plain = client.get(path(story))
    rendered.clear()
    assert client.get(path(story) + "?utm_source=elsewhere").data == plain.data
    assert rendered == []


def test_older_stories_are_another_page(client, app, rendered):
    newest = shelf.latest("en", limit=1)[0]
    first = client.get("/en/").data
    rendered.clear()
    assert client.get(f"/en/?before={newest.public_id}").data != first
    assert client.get("/en/").data == first
    assert rendered == ["articles/front.html"]


def test_head_is_answered_like_get_without_the_page(client, story):
    for _kept in range(2):
        head, get = client.head(path(story)), client.get(path(story))
        assert (head.status_code, head.data) == (200, b"")
        told = [dict(answer.headers) for answer in (head, get)]
        assert told[0] == told[1]


def test_what_a_browser_has_is_not_sent_again_with_all_headers_of_safety(client, story, rendered):
    first = client.get(path(story))
    rendered.clear()
    for tags in (first.headers["ETag"], f"W/{first.headers['ETag']}", f'"x", {first.headers["ETag"]}', "*"):
        again = client.get(path(story), headers={"If-None-Match": tags})
        assert (again.status_code, again.data) == (304, b"")
        assert rendered == []
    assert client.get(path(story), headers={"If-None-Match": '"x"'}).status_code == 200
    for name in ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control", "ETag"):
        assert again.headers[name] == first.headers[name]
    assert "Content-Length" not in again.headers


class TestDates:
    """Last-Modified and If-Modified-Since, at a clock that is set."""

    NOW = datetime(2030, 5, 6, 12, 0, 30, tzinfo=UTC)

    @pytest.fixture
    def set_clock(self, monkeypatch):
        return lambda at: monkeypatch.setattr(clock, "utc_now", lambda: at)

    @pytest.fixture
    def changed(self, client, story, set_clock):
        """The story's path, after a change at NOW."""
        set_clock(self.NOW)
        life.mark_updated(story, now=self.NOW)
        db.session.commit()
        return path(story)

    def test_a_page_says_when_anything_on_it_can_have_changed_last(self, client, changed, set_clock):
        assert "Last-Modified" not in client.get(changed).headers, "the second is not over"
        set_clock(self.NOW + timedelta(seconds=2))
        said = client.get(changed).headers["Last-Modified"]
        assert parsedate_to_datetime(said) == self.NOW
        for since, status in ((said, 304), ("Mon, 06 May 2030 12:00:29 GMT", 200), ("rubbish", 200)):
            assert client.get(changed, headers={"If-Modified-Since": since}).status_code == status, since
        # The tag decides where both are sent.
        both = {"If-Modified-Since": said, "If-None-Match": '"x"'}
        assert client.get(changed, headers=both).status_code == 200

    def test_a_second_change_in_the_same_second_has_another_date(self, client, story, changed, set_clock):
        set_clock(self.NOW + timedelta(seconds=2))
        first = client.get(changed).headers["Last-Modified"]
        set_clock(self.NOW)
        life.let(story, share=False)
        db.session.commit()
        set_clock(self.NOW + timedelta(seconds=3))
        again = client.get(changed, headers={"If-Modified-Since": first})
        assert (again.status_code, again.headers["Last-Modified"] != first) == (200, True)

    def test_the_printed_date_is_today_s_after_midnight(self, client, story, set_clock):
        set_clock(self.NOW)
        first = client.get(path(story, "print"))
        set_clock(self.NOW + timedelta(days=1))
        told = {"If-Modified-Since": format_datetime(self.NOW, usegmt=True)}
        second = client.get(path(story, "print"), headers=told)
        assert second.status_code == 200
        assert second.data != first.data

    def test_news_leaves_its_sitemap_without_any_change(self, client, story, set_clock):
        story.published_at = self.NOW - timedelta(hours=47)
        db.session.commit()
        set_clock(self.NOW)
        assert path(story) in client.get("/en/news-sitemap.xml").text
        set_clock(self.NOW + timedelta(hours=1, minutes=6))
        assert path(story) not in client.get("/en/news-sitemap.xml").text


def test_what_is_kept_has_a_bound(app, client, monkeypatch, rendered):
    stories = shelf.latest("en", limit=6)
    sizes = [len(client.get(path(one)).data) for one in stories]
    monkeypatch.setattr(pagecache, "MOST_OCTETS", sum(sizes[1:]) + 10)
    app.wsgi_app.close()
    for one in stories:
        client.get(path(one))
    rendered.clear()
    client.get(path(stories[-1]))
    assert rendered == []
    client.get(path(stories[0]))
    assert rendered == ["articles/story.html"]


def test_errors_and_pages_of_one_reader_are_not_kept(client, reader, story, rendered):
    life.withdraw(story, reason="Killed.")
    db.session.commit()
    for one in (path(story), reader.preferences, "/en/subscribe", "/en/nothing-here"):
        for _time in range(2):
            rendered.clear()
            answer = client.get(one)
            assert rendered != []
            assert "Last-Modified" not in answer.headers
            assert answer.headers["Cache-Control"] == "no-store"


def test_a_database_that_cannot_be_asked_does_not_keep_a_page_back(app, client, story, monkeypatch):
    monkeypatch.setattr(app.wsgi_app._watch, "seen", lambda: None)
    first = client.get(path(story))
    assert first.status_code == 200
    assert client.get(path(story), headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
