"""A sample of the proof of scripts (tests/proofs/scripts.py): some vectors of each class, in a real Chromium."""

import subprocess
import sys

import pytest
from sqlalchemy import select

from articles import feeds, ingest
from articles.models import Article
from core import clock, database, links
from core.database import db
from core.settings import ROOT
from tests.chaos import guards
from tests.proofs import handing, scripts, vectors, watching

pytestmark = pytest.mark.xdist_group("browser")
EVERY = 20
"""Of each class the first vector, and each twentieth after it; and what is a script only once it is unescaped."""


@pytest.fixture
def watched(browser):
    """A canary, a watcher of what Chromium does, and the sample of vectors."""
    with watching.canary() as canary:
        watcher = watching.Watcher(browser, canary)
        every = list(vectors.every(canary.at))
        yield canary, watcher, [one for one in every if one.number % EVERY == 1 or one.text.startswith("&lt;")]
        watcher.close()


def bring(sample) -> list[scripts.Kept]:
    """Bring the vectors in through every field of an Atom feed; return their stories."""
    numbered = list(enumerate(sample))
    read = ingest.read_entries(None, scripts.feed_of("atom", numbered))
    with database.write_turn():
        feed = feeds.ensure("https://news.example.org/vectors", language="en", now=clock.utc_now(), fetched=False)
        ingest.store_entries(feed.id, read, clock.utc_now())
        handing.find_pictures()
        db.session.commit()
    by_time = {scripts.at_of(number): vector for number, vector in numbered}
    found = db.session.scalars(select(Article).where(Article.feed_id == feed.id)).all()
    return [scripts.Kept(one.public_id, one.ref, one.body, by_time[one.published_at]) for one in found]


def test_no_vector_runs_on_a_page_or_where_nothing_holds_it_back(served, app, watched):
    canary, watcher, sample = watched
    stories = bring(sample)
    assert len(stories) == len(sample) >= len(vectors.CLASSES)
    db.session.rollback()
    for one in stories:
        for page in ("story", "print"):
            watcher.visit(served + links.path(page, language="en", story=one.ref), one.vector.name)
    scripts.look_bare(watcher, canary, stories)
    watcher.visit(f"{served}/en/feed.atom", "the feed")
    assert watcher.findings == {}


def test_the_copy_that_the_proof_calls_bare_cleans_no_story(tmp_path):
    markup = '<p>One</p><script>alert(1)</script><img src="https://news.example.org/a.png" onerror="alert(2)">'
    code = "import sys; from articles.pictures_placed import of_entry; print(of_entry(sys.argv[1], [], base=None)[0])"
    with guards.copy(tmp_path, scripts.BARE) as tree:
        left = subprocess.check_output([sys.executable, "-c", code, markup], cwd=tree, text=True)
    assert "<script>alert(1)</script>" in left
    whole = subprocess.check_output([sys.executable, "-c", code, markup], cwd=ROOT, text=True)
    assert "alert" not in whole and "<p>One</p>" in whole


def test_the_watcher_sees_them_in_what_was_not_cleaned(watched):
    canary, watcher, sample = watched
    first = [one for one in sample if one.number == 1]
    raw = [scripts.Kept(f"raw-{n}", "", scripts.content_of(n, one), one) for n, one in enumerate(first)]
    scripts.look_bare(watcher, canary, raw)
    assert len(watcher.findings) > len(first) / 2
    told = "\n".join(said for found in watcher.findings.values() for said in found)
    assert "there was a dialog" in told
    assert "a property of the window was set" in told
