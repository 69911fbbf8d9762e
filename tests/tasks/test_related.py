"""What stories lead to is worked out for all that came in at once, though a look works out few in a transaction."""

from sqlalchemy import func, select

from articles import feeds, ingest, related, shelf
from articles.searchtables import RelatedDue
from core import clock
from core.database import db
from tasks import related as task
from tests.articles import atom


def test_all_that_is_due_is_worked_out_and_nothing_is_written_when_nothing_is(app, monkeypatch):
    monkeypatch.setattr(task, "CHUNK", 4)
    feed = feeds.ensure("https://news.example.org/en.atom", language="en", now=clock.utc_now())
    entries = [atom.entry(f"n{number}", title=f"Havana {number}", content=None) for number in range(20)]
    ingest.store_entries(feed.id, atom.feed(*entries), clock.utc_now())
    db.session.commit()
    assert related.count_due(clock.utc_now()) == 20
    db.session.rollback()
    task.work_out()
    assert related.count_due(clock.utc_now()) == 0
    stories = shelf.latest("en", limit=20)
    assert sorted(len(related.see_also(story)) for story in stories) == [0, 1, 2, 3, 4, *[5] * 15]
    kept = db.session.scalar(select(func.count()).select_from(RelatedDue))
    monkeypatch.setattr(related, "compute_due", None)
    task.work_out()
    assert db.session.scalar(select(func.count()).select_from(RelatedDue)) == kept
