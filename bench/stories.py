"""What there is to read, in an archive of 100,000 stories: taking new ones in, finding them, showing them, pushing."""

import json
import time
from statistics import median, quantiles
from urllib.parse import urlencode, urlsplit

from articles import feeds, ingest, push, related, search, topics
from articles.ingest import ReadFeed
from articles.models import Feed
from bench import archive, asking, ground, storypage
from bench.ground import BenchError, Ground
from bench.installation import Installation, installation
from bench.sizes import Sizes
from bench.speed import Keep
from bench.visits import Line, Visit
from core import clock, database, services
from core.database import db
from core.links import path
from tests import servers

WIRE = "https://wire.example.org/feed"
FEED = 25
"""Stories that a feed brings at once."""
QUESTIONS = 500
COUNTRIES = ("kr", "cu", "it", "cn", "jp", "vn", "th", "in", "id", "my", "ph", "sg", "au", "nz", "pk", "bd", "lk", "np")
THEMES = [f"theme-{number}" for number in range(12)]
SHELVES = [
    *({"key": key, "kind": "country", "names": {}} for key in COUNTRIES),
    *({"key": key, "kind": "theme", "names": {"en": key}} for key in THEMES),
]
PAGES = 200
"""Stories that readers ask for at the same time: of a day's news, the most there will be."""
PUSHES = 30
ORIGIN = "2001:db8::7"


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure on one installation with an archive of `sizes.archive` stories."""
    with installation(ground, smtp_port=9, connections=1) as house, house.rooms():
        asking.offer(house)
        with database.write_turn():
            topics.apply(SHELVES)
            feed = feeds.add(WIRE, language=archive.LANGUAGE, now=clock.utc_now())
            db.session.commit()
        shelves = [topic.id for topic in topics.all_topics()]
        refs = archive.fill(feed, sizes.archive, shelves, now=clock.utc_now())
        house.settle()
        keep({"archive": sizes.archive, "ingest": _ingest(feed.id, sizes.arriving)})
        house.settle()
        keep({"see also": _see_also()})
        keep({"search": _search()})
        port, first = site(house)
        keep({"search page": _search_page(port)})
        paths = [path("story", language=archive.LANGUAGE, story=ref) for ref in refs[-PAGES:]]
        keep({"page": storypage.measure(port, first, paths, sizes.pages)})
        keep({"push": _push(port, feed)})


# --- taking in ----------------------------------------------------------------------------------------------------


def _ingest(feed_id: int, count: int) -> dict[str, object]:
    """Return how fast feeds of new stories are read, cleaned, stored and found, each in a transaction of its own."""
    writer, now = archive.Writer(2), clock.utc_now()
    bodies = [
        archive.feed_of([writer.story() for _one in range(FEED)], first=first, at=now, terms=THEMES)
        for first in range(0, count, FEED)
    ]
    took = []
    for body in bodies:
        began = time.perf_counter()
        read = ingest.read_entries(feed_id, body)
        _store(feed_id, read)
        took.append(time.perf_counter() - began)
    again = _store(feed_id, ingest.read_entries(feed_id, bodies[-1]))
    if again.new or again.known != FEED:
        raise BenchError("The same feed again was taken for another.")
    return {"stories": count, "seconds": sum(took), "rate": count / sum(took), "slowest feed": max(took)}


def _store(feed_id: int, read: ReadFeed) -> ingest.Ingested:
    with database.write_turn():
        stored = ingest.store_entries(feed_id, read, clock.utc_now())
        if stored.refused or any(article.state != "published" for _guid, article in stored.articles):
            raise BenchError("A story was not taken, or held.")
        db.session.commit()
    return stored


# --- finding ------------------------------------------------------------------------------------------------------


def _see_also() -> dict[str, object]:
    """Return how long it takes to work out, and to store, what one story leads to; those that came in last."""
    took = []
    for _story in range(QUESTIONS):
        with database.write_turn():
            began = time.perf_counter()
            worked_out = related.compute_due(clock.utc_now(), 1)
            db.session.commit()
            took.append(time.perf_counter() - began)
        if not worked_out:
            break
    return _told(took)


def _search() -> dict[str, object]:
    """Return how long a search takes, of one word to four, by what fits best; and how often something was found."""
    writer, took, found = archive.Writer(3), [], 0
    questions = [writer.question() for _one in range(QUESTIONS)]
    search.find(questions[0], archive.LANGUAGE)
    for question in questions:
        db.session.rollback()
        began = time.perf_counter()
        found += bool(search.find(question, archive.LANGUAGE).total)
        took.append(time.perf_counter() - began)
    return _told(took) | {"found": found}


def _search_page(port: int) -> dict[str, object]:
    """Return how long the page of a search takes, asked one after the other, each with words of its own."""
    writer, line, took = archive.Writer(4), Line(port), []
    at = path("search", language=archive.LANGUAGE)
    for _one in range(QUESTIONS):
        visit = Visit(f"{at}?{urlencode({'q': writer.question()})}", ORIGIN)
        began = time.perf_counter()
        if (status := line.ask(visit)) != 200:
            raise BenchError(f"A search was answered with {status}.")
        took.append(time.perf_counter() - began)
    line.close()
    return _told(took)


def _told(took: list[float]) -> dict[str, object]:
    return {"count": len(took), "median": median(took), "p95": quantiles(took, n=20)[18], "worst": max(took)}


# --- showing ------------------------------------------------------------------------------------------------------


def site(house: Installation) -> tuple[int, int]:
    """Start the site as the Procfile has it, behind one proxy; return its port, and the id of its first process."""
    port = servers.free_port()
    sender = house.start("site", PORT=str(port), TRUSTED_PROXIES="1")
    ground.wait_until(lambda: ground.listens(port), within_s=30, otherwise="The site does not listen.")
    sender.check()
    return port, sender.pid


# --- pushing ------------------------------------------------------------------------------------------------------


def _push(port: int, feed: Feed) -> dict[str, object]:
    """Return how long it takes from sending a push until its story is stored, on its page, and breaking."""
    with database.write_turn():
        feed.may_break = True
        key = push.renew_key(feed, services.current().keyring, now=clock.utc_now())
        hook = path("feed_hook", feed=feed.public_id)
        db.session.commit()
    writer = archive.Writer(5)
    return _told([pushed(port, hook, key, number, writer.story()) for number in range(PUSHES)])


def pushed(port: int, hook: str, key: str, number: int, made: archive.Made) -> float:
    """Push a story as breaking news; return in how many seconds it is stored, on its page, and called so there."""
    body = json.dumps(
        {
            "id": f"push-{number}",
            "title": made.headline,
            "content_html": made.body,
            "tags": ["breaking", THEMES[0]],
            "date_published": clock.utc_now().isoformat(),
        }
    ).encode()
    line, began = Line(port), time.perf_counter()
    signed = {
        push.HEADER: push.sign(body, key, at=int(clock.utc_now().timestamp())),
        "Content-Type": "application/json",
    }
    told = json.loads(_said(line, Visit(hook, ORIGIN, body, signed)))
    page = _said(line, Visit(urlsplit(told["stories"][0]["url"]).path, ORIGIN)).decode()
    took = time.perf_counter() - began
    line.close()
    if not told["stories"][0]["breaking"] or made.headline not in page or "Breaking" not in page:
        raise BenchError("A pushed story is not on its page as breaking news.")
    return took


def _said(line: Line, visit: Visit) -> bytes:
    status, text = line.hear(visit)
    if status != 200:
        raise BenchError(f"{visit.path} was answered with {status}: {text[:300]!r}")
    return text
