"""Pictures are fetched at the door, over the network as it is: once each, within limits, and shown small."""

import functools
import threading
from datetime import timedelta

import pytest
import structlog
import time_machine

from articles import feeds, ingest, pictures, pictures_due, shelf
from articles.pictures import PictureSource, Rendition
from core import clock, database, fetch
from core.database import db
from tasks import feeds as feed_task
from tasks import pictures as task
from tests.articles import atom
from tests.articles.images import noise, opened, packed, photo
from tests.core.web import serving, within

HOST = "http://pictures.example.org"
NOW = atom.NOW + timedelta(minutes=1)


@pytest.fixture
def web(monkeypatch):
    """A little web that all pictures are fetched from."""
    with serving() as web, time_machine.travel(NOW, tick=False):
        monkeypatch.setattr(fetch, "get", functools.partial(fetch.get, _network=web.network()))
        yield web


@pytest.fixture
def events(monkeypatch):
    """What is logged about pictures."""
    capture = structlog.testing.LogCapture()
    for module in (task, pictures_due):
        monkeypatch.setattr(module, "log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries


def store(*images: str, name: str = "one") -> int:
    """Store a story with these pictures; return its id."""
    content = f"<p>{f'{name} is told. ' * 60}</p>" + "".join(f"<p><img src='{image}'></p>" for image in images)
    with database.write_turn():
        feed = feeds.ensure(f"{atom.SITE}/feed", language="en", now=clock.utc_now())
        ingest.store_entries(feed.id, atom.feed(atom.entry(name, title=name, content=content)), clock.utc_now())
        db.session.commit()
    article_id = next(one.id for one in shelf.latest("en", limit=99) if one.headline == name)
    db.session.rollback()
    return article_id


def sources() -> dict[str, tuple[str, str]]:
    db.session.rollback()
    return {one.url.removeprefix(HOST): (one.state, one.why) for one in db.session.query(PictureSource)}


def test_a_picture_is_fetched_once_for_all_its_stories_and_kept_small(app, web):
    original = packed(noise(1_500, 1_000), quality=95)
    web.pages["/a.jpg"] = lambda asked: asked.answer(200, original, Content_Type="image/jpeg")
    one, two = store(f"{HOST}/a.jpg", name="one"), store(f"{HOST}/a.jpg", name="two")
    task.fetch_due()
    task.fetch_due()
    assert len(web.hits) == 1
    assert web.hits[0].headers["Accept"].startswith("image/")
    shown = pictures.of_articles([one, two])
    assert shown[one][1].public_id == shown[two][1].public_id
    content = pictures.content(shown[one][1].public_id)
    assert content and len(content) <= 150_000 < len(original)
    assert opened(content).size == (shown[one][1].width, shown[one][1].height)


def test_a_feed_brings_its_pictures_along(app, web):
    web.pages["/feed"] = lambda asked: asked.answer(
        200, atom.feed(atom.entry("one", content=f"<img src='{HOST}/a.jpg'><p>{atom.LONG}</p>"))
    )
    web.pages["/a.jpg"] = lambda asked: asked.answer(200, photo())
    with database.write_turn():
        feed_id = feeds.ensure("http://feeds.example.org/feed", language="en", now=clock.utc_now()).id
        db.session.commit()
    feed_task.fetch_one(feed_id)
    task.fetch_due()
    (article,) = shelf.latest("en", limit=9)
    assert pictures.of_article(article.id)[0].width == 1_200


HOSTILE = {
    "/one-by-one.gif": (lambda asked: asked.answer(200, photo(1, 1)), "refused", "a tracker"),
    "/page.jpg": (lambda asked: asked.answer(200, b"<html>", Content_Type="image/jpeg"), "refused", "a page"),
    "/x.svg": (lambda asked: asked.answer(200, b"<svg/>", Content_Type="image/svg+xml"), "refused", "SVG"),
    "/cut.jpg": (lambda asked: asked.answer(200, packed(noise(400, 300))[:9_000]), "refused", "damaged"),
    "/short.jpg": (lambda asked: asked.answer(200, photo()[:99], Content_Length="999"), "waiting", "failed"),
    "/lost.jpg": (lambda asked: asked.answer(404), "waiting", "answers 404"),
    "/gone.jpg": (lambda asked: asked.answer(410), "waiting", "answers 410"),
    "/busy.jpg": (lambda asked: asked.answer(503, Retry_After="7200"), "waiting", "answers 503"),
    "/inside.jpg": (lambda asked: asked.answer(302, Location="http://10.0.0.1/a.jpg"), "refused", "not on the public"),
    "/nonsense.jpg": (lambda asked: asked.raw(b"nonsense"), "waiting", "failed"),
}


def test_a_picture_that_is_none_leaves_the_story_as_it_is_and_the_next_one_is_fetched(app, web, events):
    for path, (page, _state, _why) in HOSTILE.items():
        web.pages[path] = page
    web.pages["/fine.jpg"] = lambda asked: asked.answer(200, photo())
    web.names["inside.example.org"] = ["10.0.0.1"]
    article_id = store(*(HOST + path for path in HOSTILE), "http://inside.example.org/x.jpg", f"{HOST}/fine.jpg")
    task.fetch_due()
    found = sources()
    for path, (_page, state, why) in HOSTILE.items():
        assert found[path][0] == state and why in found[path][1], path
    assert found["http://inside.example.org/x.jpg"][0] == "refused"
    assert found["/fine.jpg"][0] == "ready"
    assert all(address != "10.0.0.1" for address, _port in web.connected), "nothing of ours was touched"
    assert list(pictures.of_article(article_id)) == [len(HOSTILE) + 2]
    assert len(events) == len(HOSTILE) + 1, "one line each"
    (public_id,) = {one.public_id for one in shelf.latest("en", limit=1)}
    for event in events:
        assert event["stories"] == public_id and event["why"] and event["cure"]
    (busy,) = (one for one in db.session.query(PictureSource) if one.url.endswith("/busy.jpg"))
    assert busy.next_try_at == NOW + timedelta(hours=2), "as long as its server asks"


def test_an_endless_picture_is_cut_off(app, web, monkeypatch, events):
    monkeypatch.setattr(pictures_due, "LIMITS", fetch.FetchLimits(max_bytes=100_000))
    web.pages["/endless.jpg"] = lambda asked: asked.raw(
        b"HTTP/1.1 200 OK\r\n\r\n", *(b"\xff\xd8\xff" * 10_000 for _ in range(10_000))
    )
    store(f"{HOST}/endless.jpg")
    with within(20):
        task.fetch_due()
    assert sources()["/endless.jpg"] == ("refused", "it is larger than 100000 bytes")


def test_a_picture_that_comes_back_is_shown_then(app, web):
    article_id = store(f"{HOST}/late.jpg")
    web.pages["/late.jpg"] = lambda asked: asked.answer(404)
    task.fetch_due()
    assert pictures.of_article(article_id) == {}
    web.pages["/late.jpg"] = lambda asked: asked.answer(200, photo())
    db.session.rollback()
    with time_machine.travel(NOW + timedelta(minutes=2)):
        task.fetch_due()
    assert sources()["/late.jpg"] == ("ready", "")
    assert len(pictures.of_article(article_id)) == 1


def test_a_picture_that_fails_in_an_unforeseen_way_is_tried_again_and_the_next_one_fetched(
    app, web, events, monkeypatch
):
    web.pages |= {
        "/a.jpg": lambda asked: asked.answer(200, photo()),
        "/b.jpg": lambda asked: asked.answer(200, photo()),
    }
    store(f"{HOST}/a.jpg", f"{HOST}/b.jpg")
    real = pictures_due.note_made

    def failing(source_id, *rest):
        if db.session.get_one(PictureSource, source_id).url.endswith("/a.jpg"):
            raise RuntimeError("unforeseen")
        real(source_id, *rest)

    monkeypatch.setattr(pictures_due, "note_made", failing)
    task.fetch_due()
    assert {path: state for path, (state, _why) in sources().items()} == {"/a.jpg": "waiting", "/b.jpg": "ready"}
    monkeypatch.undo()


def test_one_slow_server_keeps_one_thread_of_a_worker_and_no_more(app, web):
    asked, go_on = threading.Event(), threading.Event()

    def slow(request):
        asked.set()
        go_on.wait(20)
        request.answer(200, photo())

    web.pages["/slow.jpg"] = slow
    store(f"{HOST}/slow.jpg")

    def look():
        with app.app_context():
            task.fetch_due()

    looker = threading.Thread(target=look)
    looker.start()
    assert asked.wait(20)
    article_id = store(f"{HOST}/fine.jpg", name="two")
    web.pages["/fine.jpg"] = lambda request: request.answer(200, photo())
    task.fetch_due()
    assert [hit.path for hit in web.hits] == ["/slow.jpg"]
    go_on.set()
    looker.join()
    assert [hit.path for hit in web.hits] == ["/slow.jpg", "/fine.jpg"], "whoever was there first finds it"
    assert len(pictures.of_article(article_id)) == 1


def test_two_workers_fetch_a_picture_once(app, web, monkeypatch):
    monkeypatch.setattr(task, "_TURN", threading.Semaphore(3))  # Each worker has a turn of its own.
    web.pages["/a.jpg"] = lambda asked: asked.answer(200, photo())
    store(f"{HOST}/a.jpg")

    def look():
        with app.app_context():
            task.fetch_due()

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert len(web.hits) == 1
    db.session.rollback()
    assert db.session.query(Rendition).count() == 1
