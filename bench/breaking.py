"""Breaking news: from a publisher's push until the first of a million readers' mails can be claimed, and until all can.

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
from subscribers.models import Digest, Subscription

PUSHES = 5
WITHIN_S = 300.0
DIGEST = "asia-daily"
_FIRST = "SELECT 1 FROM deliveries WHERE mailing_id = (SELECT max(id) FROM mailings WHERE lane = 10) LIMIT 1"
_DONE = "SELECT 1 FROM waves WHERE state IN ('open', 'composing') LIMIT 1"


def measure(on: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure on one installation with `sizes.large` readers, with site and workers as the Procfile has them."""
    with installation(on, smtp_port=9, connections=1) as house, house.rooms():
        asking.offer(house)
        crowd.gather(house, sizes.large, DIGEST)
        with database.write_turn():
            # More than one reader in a hundred wants it in life; here all do.
            db.session.execute(update(Digest).values(offers_breaking=True))
            db.session.execute(update(Subscription).values(breaking=preferences.ALL_BREAKING))
            feed = feeds.add(stories.WIRE, language=archive.LANGUAGE, now=clock.utc_now())
            feed.may_break = True
            key = push.renew_key(feed, services.current().keyring, now=clock.utc_now())
            hook = path("feed_hook", feed=feed.public_id)
            db.session.commit()
        house.settle()
        port, _site = stories.site(house)
        for _sender in range(sizes.senders):
            house.start("worker")
        writer = archive.Writer(6)
        # The first push only waits for the workers to be there.
        _claimable(house, port, hook, key, PUSHES + 1, writer.story())
        took = [_claimable(house, port, hook, key, number, writer.story()) for number in range(PUSHES)]
        keep({"readers": sizes.large, "first": {"count": len(took), "worst": max(took), "best": min(took)}})
        keep({"all": _all(house, port, hook, key, writer.story())})


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
