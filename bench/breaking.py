"""Breaking news: from a publisher's push until the first of a million readers' mails can be claimed, and until all can;
and until the first thousand are handed over while a digest for all of them is composed and sent.

Each push is a story of its own, flagged by its publisher; readers want all of them. One runs to its end; the others are
stopped as soon as the first mail is there.
"""

import time
from collections.abc import Callable

from sqlalchemy import select, update

from articles import feeds, push
from articles.models import Article
from bench import archive, asking, crowd, ground, stories
from bench.ground import BenchError, Ground
from bench.installation import Installation, installation
from bench.sizes import Sizes
from bench.speed import Keep
from core import clock, database, services
from core.database import db
from core.links import path
from digests import breaking
from subscribers import preferences
from subscribers.models import Digest, Rhythm, Subscription
from tasks import nudge
from tests.digests.house import House

PUSHES = 5
WITHIN_S = 300.0
DIGEST = "asia-daily"
NEWS = 20
RUNNING = 20_000
"""Mails of the digest that are handed over before the push."""
THOUSAND = 1_000
_HANDED = "SELECT 1 FROM deliveries WHERE lane = 10 AND state = 'sent' LIMIT 1000"
_FIRST = "SELECT 1 FROM deliveries WHERE mailing_id = (SELECT max(id) FROM mailings WHERE lane = 10) LIMIT 1"
_DONE = "SELECT 1 FROM waves WHERE state IN ('open', 'composing') LIMIT 1"


def measure(on: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure with `sizes.large` readers, with site and workers as the Procfile has them."""
    with installation(on, smtp_port=9, connections=1) as house, house.rooms():
        hook, key = _ready(house, sizes)
        port = _start(house, sizes)
        writer = archive.Writer(6)
        # The first push only waits for the workers to be there.
        _claimable(house, port, hook, key, PUSHES + 1, writer.story())
        took = [_claimable(house, port, hook, key, number, writer.story()) for number in range(PUSHES)]
        keep({"readers": sizes.large, "first": {"count": len(took), "worst": max(took), "best": min(took)}})
        keep({"all": _all(house, port, hook, key, writer.story())})
    keep({"beside": _beside(on, sizes)})


def _ready(house: Installation, sizes: Sizes) -> tuple[str, str]:
    """Have readers who all want breaking news, and a feed that may break it; return its path and its key."""
    asking.offer(house)
    crowd.gather(house, sizes.large, DIGEST)
    with database.write_turn():
        # Not more than one reader in a hundred wants it in life; here all do.
        db.session.execute(update(Digest).values(offers_breaking=True))
        db.session.execute(update(Subscription).values(breaking=preferences.ALL_BREAKING))
        feed = feeds.add(stories.WIRE, language=archive.LANGUAGE, now=clock.utc_now())
        feed.may_break = True
        key = push.renew_key(feed, services.current().keyring, now=clock.utc_now())
        hook = path("feed_hook", feed=feed.public_id)
        db.session.commit()
    house.settle()
    return hook, key


def _start(house: Installation, sizes: Sizes) -> int:
    """Start the site, whose port is returned, and the workers."""
    port, _site = stories.site(house)
    for _sender in range(sizes.senders):
        house.start("worker")
    return port


def _beside(on: Ground, sizes: Sizes) -> dict[str, object]:
    """Return how long it takes until the first thousand of a push are handed over, beside a digest for everybody."""
    with (
        ground.sink() as taking,
        installation(on, smtp_port=taking.port, connections=sizes.connections) as house,
        house.rooms(),
    ):
        hook, key = _ready(house, sizes)
        port = _start(house, sizes)
        desk = House(services.current())
        for number in range(NEWS):
            desk.article(f"News {number}", at=clock.utc_now())
        with database.write_turn():
            db.session.execute(update(Rhythm).values(next_due_at=clock.utc_now()))
            db.session.commit()
        nudge.digests()
        running = min(RUNNING, sizes.large // 10)
        _wait(lambda: taking.counted().taken >= running)
        before, began = taking.counted().taken, time.perf_counter()
        stories.pushed(port, hook, key, PUSHES, archive.Writer(6).story())
        _wait(lambda: len(house.ask(_HANDED)) >= THOUSAND)
        took = time.perf_counter() - began
        meanwhile = taking.counted().taken - before
        return {"seconds": took, "mails": THOUSAND, "digests meanwhile": meanwhile - THOUSAND}


def _claimable(house: Installation, port: int, hook: str, key: str, number: int, made: archive.Made) -> float:
    """Return after how many seconds the first mail of a push can be claimed; the others are stopped."""
    known = _mailings(house)
    began = time.perf_counter()
    stories.pushed(port, hook, key, number, made)
    _wait(lambda: _mailings(house) > known and bool(house.ask(_FIRST)))
    took = time.perf_counter() - began
    with database.write_turn():
        article = db.session.scalar(select(Article).order_by(Article.id.desc()).limit(1))
        if article is None:
            raise BenchError("What was pushed is not there.")
        breaking.stop(article)
        article.breaking_at = None
        db.session.commit()
    return took


def _all(house: Installation, port: int, hook: str, key: str, made: archive.Made) -> dict[str, float]:
    """Return how long it takes until every mail of a push is in the ledger, and how many those are."""
    known = _mailings(house)
    began = time.perf_counter()
    stories.pushed(port, hook, key, PUSHES, made)
    _wait(lambda: _mailings(house) > known and not house.ask(_DONE))
    took = time.perf_counter() - began
    last = "SELECT count(*) FROM deliveries WHERE mailing_id = (SELECT max(id) FROM mailings WHERE lane = 10)"
    return {"seconds": took, "mails": float(str(house.ask(last)[0][0]))}


def _mailings(house: Installation) -> int:
    return len(house.ask("SELECT id FROM mailings WHERE lane = 10"))


def _wait(reached: Callable[[], bool]) -> None:
    ground.wait_until(reached, within_s=WITHIN_S, otherwise="A breaking mail does not come.")
