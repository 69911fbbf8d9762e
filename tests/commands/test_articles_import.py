"""`flask articles import`: files become stories once; what is wrong is named with its line, and the rest is kept."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from articles import arriving, feeds, importing, push, shelf
from articles.models import Article, Feed
from core import clock, services
from core.database import db

LONG = "The atlases of diplomacy have one white patch less since the notes were exchanged. " * 3
MARKDOWN = f"""---
title: Korea & Cuba
date: 2024-02-15T15:13:00+09:00
author: [Yoon Chae-rin, The desk]
standfirst: What it is about.
tags: [KR, diplomacy]
slug: seoul-havana
---
Seoul (Agency) – It is **so**, with <script>alert(1)</script> a [link](https://example.org/).

{LONG}
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "archive"
    made.mkdir()
    return made


@pytest.fixture
def write(folder):
    def write(name: str, text: str | bytes = MARKDOWN) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


@pytest.fixture
def run(flask, folder):
    """Import the folder, and return what came of it."""

    def run(more: str = "--language en", status: int = 0) -> dict:
        done = flask(f"articles import {folder} {more} --json")
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)

    return run


def stories() -> list[Article]:
    db.session.rollback()
    return list(db.session.scalars(select(Article).order_by(Article.published_at)))


def page(title: str, date: str = "2024-01-01", **fields: str) -> str:
    more = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return f"---\ntitle: {title}\ndate: {date}\n{more}---\n{title} has a text of its own. {LONG}"


def test_a_file_becomes_a_story_with_all_that_it_says_and_is_no_news(run, write):
    write("2024/quake.md")
    assert run()["new"] == 1
    (story,) = stories()
    assert (story.headline, story.standfirst, story.author) == (
        "Korea & Cuba",
        "What it is about.",
        "Yoon Chae-rin, The desk",
    )
    assert (story.dateline_place, story.slug, story.terms) == ("Seoul", "seoul-havana", ["KR", "diplomacy"])
    assert story.body.startswith("<p>It is <strong>so</strong>, with ")
    assert "script" not in story.body
    assert story.published_at == datetime(2024, 2, 15, 6, 13, tzinfo=UTC)
    assert story.first_seen_at < clock.utc_now() - timedelta(days=80)
    assert shelf.latest("en", limit=9) == [story]


def test_importing_a_folder_again_changes_nothing_and_an_edited_file_is_a_revision(run, write):
    for n in range(3):
        write(f"{n}.md", page(f"Number {n}"))
    assert run()["new"] == 3
    assert {name: run()[name] for name in ("new", "changed", "known")} == {"new": 0, "changed": 0, "known": 3}
    write("1.md", page("Number 1, mended"))
    assert run()["changed"] == 1
    assert [story.revision for story in stories()] in ([1, 2, 1], [2, 1, 1], [1, 1, 2])


def test_html_and_toml_are_read_too(run, write):
    write("a.html", '+++\ntitle = "A page"\ndate = 2024-02-15\n+++\n<html><body><p>It is <i>so</i>.</p></body></html>')
    assert run()["new"] == 1
    (story,) = stories()
    assert (story.body, story.published_at.hour) == ("<p>It is <em>so</em>.</p>", 16), "midnight in Hong Kong"


def test_as_news_they_are_new_now(run, write):
    write("a.md", page("News", date=f"{clock.utc_now():%Y-%m-%dT%H:%MZ}"))
    run("--language en --as-news")
    assert clock.utc_now() - stories()[0].first_seen_at < timedelta(minutes=1)


def test_a_dry_run_says_the_same_and_writes_nothing(run, write):
    write("a.md")
    write("b.md", "nothing")
    told = run("--language en --dry-run", status=1)
    assert (told["new"], told["refused"], told["dry_run"]) == (1, 1, True)
    assert stories() == []
    assert db.session.scalar(select(func.count()).select_from(Feed)) == 0


def test_languages_of_one_story_are_joined_by_file_by_guid_or_by_a_shared_id(run, write):
    write("en/one.md", page("One"))
    write("ar/one.md", page("واحد", language="ar", translation_of="en/one.md"))
    write("en/two.md", page("Two", guid="two"))
    write("ar/two.md", page("اثنان", language="ar", translation_of="two"))
    write("en/three.md", page("Three", story="3"))
    write("ar/three.md", page("ثلاثة", language="ar", story="3"))
    assert run()["new"] == 6
    assert len({story.story_id for story in stories()}) == 3


def test_a_feed_knows_again_what_was_imported_for_it(run, write, flask):
    url = "https://publisher.example.org/feed.xml"
    feed = feeds.ensure(url, language="en", now=clock.utc_now(), fetched=False)
    push.renew_key(feed, services.current().keyring, now=clock.utc_now())
    db.session.commit()
    write("a.md", page("A", url="https://publisher.example.org/a", guid="a-1"))
    write("b.md", page("ب", language="ar"))
    told = run(f"--feed {url}", status=1)
    assert (told["new"], told["bad"][0]["file"]) == (1, "b.md")
    assert stories()[0].url == "https://publisher.example.org/a"
    assert [one.last_new_at for one in feeds.every()] == [None], "an archive says nothing of a feed's habits"


def test_drafts_are_left_out_and_an_embargo_is_kept(run, write):
    write("a.md", page("A draft", draft="true"))
    until = clock.utc_now() + timedelta(days=2)
    write("b.md", page("Later", embargo=f"{until:%Y-%m-%dT%H:%M:%SZ}"))
    told = run()
    assert (told["drafts"], told["new"]) == (1, 1)
    assert [story.state for story in stories()] == ["held"]


BAD = {
    "no front matter": ("A text.\n", 1, "no front matter"),
    "never ends": ("---\ntitle: A\n", 1, "does not end"),
    "no title": ("---\ndate: 2024-01-01\n---\nx", 1, "no title"),
    "no date": ("---\ntitle: A\n---\nx", 1, "no date"),
    "odd date": ("---\ntitle: A\ndate: yesterday\n---\nx", 3, "no date. Write it like"),
    "a date to come": ("---\ntitle: A\ndate: 2099-01-01\n---\nx", 3, "still to come"),
    "a title that is a list": ("---\ndate: 2024-01-01\ntitle: [a]\n---\nx", 3, "title is no text"),
    "an odd draft": ("---\ntitle: A\ndate: 2024-01-01\ndraft: perhaps\n---\nx", 4, "draft"),
    "a colon": ("---\ndate: 2024-01-01\ntitle: A: B\n---\nx", 3, "in quotes"),
    "toml": ("+++\ntitle = A\n+++\nx", 1, "no TOML"),
    "a list alone": ("---\n- a\n---\nx", 2, "no fields"),
    "billion laughs": ("---\na: &a [x, x]\nb: [*a, *a]\ntitle: A\n---\nx", 2, "an anchor"),
    "a tag": ("---\ntitle: !!python/object/apply:os.system [ls]\n---\nx", 2, "a tag"),
    "deep": ("---\n" + "[" * 15_000 + "\n---\nx", 2, "too deep"),
    "a long front": ("---\ntitle: " + "a" * 20_001 + "\n---\nx", 1, "more than 20000"),
    "binary": (b"---\ntitle: A\n\0\0---\n", 3, "null bytes"),
    "latin": ("---\ntitle: é\n".encode("latin-1"), 2, "UTF-8"),
    "utf-16": (MARKDOWN.encode("utf-16"), 1, "UTF-16"),
    "large": (b"a" * 1_000_001, None, "larger than"),
    "a deep text": (page("Deep") + "<ul><li>" * 200, None, "too deep"),
    "another language": (page("A", language="xx"), 1, "language xx is none"),
}


@pytest.mark.parametrize(("text", "line", "why"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_with_its_line_and_the_cure_and_the_rest_is_kept(run, write, text, line, why):
    write("bad.md", text)
    write("good.md", page("Good"))
    began = time.process_time()
    told = run(status=1)
    assert time.process_time() - began < 5
    assert (told["new"], told["refused"]) == (1, 1)
    (bad,) = told["bad"]
    assert (bad["file"], why in bad["why"]) == ("bad.md", True), bad
    assert bad["line"] == line or (line is None)


def test_a_link_that_leads_out_a_pipe_and_a_huge_file_are_not_read(run, folder, write, tmp_path):
    (tmp_path / "secret.md").write_text(page("Secret"))
    (folder / "out.md").symlink_to(tmp_path / "secret.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")
    (folder / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.md")
    with (folder / "huge.md").open("wb") as huge:
        huge.truncate(100_000_000)
    write(".hidden.md")
    write(".git/x.md")
    write("notes.txt")
    told = run(status=1)
    assert {bad["file"] for bad in told["bad"]} == {"out.md", "loop.md", "pipe.md", "huge.md"}
    assert stories() == []


def test_two_files_of_one_story_are_not_imported_in_turns_for_ever(run, write):
    write("a.md", page("A", guid="same"))
    write("b.md", page("B", guid="same"))
    told = run(status=1)
    assert (told["new"], told["bad"][0]["why"]) == (
        1,
        "It is the same story as a.md: the same guid, url or text. Keep one of the two.",
    )
    assert run(status=1)["changed"] == 0


def test_stories_that_are_much_alike_are_still_stories_of_their_own(run, write):
    for day in range(1, 4):
        write(f"{day}.md", page("The weather", date=f"2024-01-0{day}").replace("Keep", str(day)) + f"\nDay {day}.")
    assert run()["new"] == 3


def test_a_wrong_call_is_told(flask, folder):
    for more in ("", "--language xx", "--feed u --language en"):
        assert flask(f"articles import {folder} {more}").exit_code == 2
    assert flask(f"articles import {folder} --feed https://publisher.example.org/none").exit_code == 1


def test_what_a_person_sees(flask, folder, write):
    write("bad.md", "x")
    done = flask(f"articles import {folder} --language en")
    assert "bad.md, line 1: It has no front matter." in done.output
    assert "0 new, 0 changed, 0 as before, 0 drafts, 1 refused." in done.output


def test_the_files_are_read_in_the_order_of_their_names(folder, write):
    for name in ("b.md", "a/z.html", "a/y.markdown", "c.htm"):
        write(name)
    names = [path.relative_to(folder).as_posix() for path in importing.files(folder)]
    assert names == ["b.md", "c.htm", "a/y.markdown", "a/z.html"]
    assert timedelta(days=60) < arriving.LONG_AGO, "longer than a digest looks back"
