"""Composing: a wave of a million readers with thousands of tastes, from the moment it is due to its last ledger row."""

import itertools
import time

from sqlalchemy import update

from articles import topics
from bench import asking, crowd, ground, stories, watch
from bench.ground import BenchError, Ground
from bench.installation import Installation, Sender, installation
from bench.sizes import Sizes
from bench.speed import Keep
from core import clock, database, services
from core.database import db
from subscribers.models import Rhythm
from tasks import nudge
from tests.digests.house import House

DIGEST = "asia-daily"
TASTES = 5_000
STORIES = 150
"""New ones before each of the two waves."""
ZONE = "Asia/Hong_Kong"
WITHIN_S = 300.0
_FIRST_ROW = "SELECT 1 FROM deliveries WHERE mailing_id = (SELECT max(id) FROM mailings) LIMIT 1"
_ROWS = "SELECT count(*) FROM deliveries WHERE mailing_id = (SELECT max(id) FROM mailings)"
_OPEN = "SELECT 1 FROM waves WHERE state IN ('open', 'composing') LIMIT 1"
_COHORTS = "SELECT count(*) FROM cohorts WHERE edition_id = (SELECT max(id) FROM editions)"


def measure(on: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure two editions in a row for `sizes.large` readers: nobody had a thing before the first of them."""
    with installation(on, smtp_port=9, connections=1) as house, house.rooms():
        asking.offer(house)
        with database.write_turn():
            topics.apply(stories.SHELVES)
            db.session.commit()
        crowd.gather(house, sizes.large, DIGEST, tastes=_tastes(), zones=((ZONE, 1),), hours=((7, 1),))
        worker = house.start("worker")
        found: dict[str, object] = {"readers": sizes.large, "tastes": TASTES}
        for name in ("first", "second"):
            found[name] = _wave(house, worker, sizes.large)
            keep({**found, "peak_mb": _peak(worker)})


def _tastes() -> list[list[str]]:
    """Return topics of so many tastes, each another choice of one to four."""
    keys = [str(shelf["key"]) for shelf in stories.SHELVES]
    chosen = itertools.chain.from_iterable(itertools.combinations(keys, count) for count in (1, 2, 3, 4))
    return [list(one) for one in itertools.islice(chosen, TASTES)]


def _wave(house: Installation, worker: Sender, readers: int) -> dict[str, object]:
    """Have stories come in and the wave of everybody be due; return how long it takes to be composed."""
    now, desk = clock.utc_now(), House(services.current())
    keys = [str(shelf["key"]) for shelf in stories.SHELVES]
    for number in range(STORIES):
        place = (number * 5) % len(keys)
        desk.article(f"News of {now:%H:%M:%S}, {number}", keys[number % len(keys)], keys[place], at=now)
    before = int(str(house.ask("SELECT count(*) FROM waves")[0][0]))
    house.settle()
    with database.write_turn():
        db.session.execute(update(Rhythm).values(next_due_at=clock.utc_now()))
        db.session.commit()
    began = time.perf_counter()
    nudge.digests()
    ground.wait_until(
        lambda: int(str(house.ask("SELECT count(*) FROM waves")[0][0])) > before and bool(house.ask(_FIRST_ROW)),
        within_s=WITHIN_S,
        otherwise="No mail of the wave came into the ledger.",
    )
    first = time.perf_counter() - began
    ground.wait_until(lambda: not house.ask(_OPEN), within_s=WITHIN_S, otherwise="The wave is not composed.")
    took = time.perf_counter() - began
    worker.check()
    mails = int(str(house.ask(_ROWS)[0][0]))
    if mails != readers:
        raise BenchError(f"Of {readers:,} readers {mails:,} have a mail.")
    return {"seconds": took, "first mail": first, "mails": mails, "cohorts": int(str(house.ask(_COHORTS)[0][0]))}


def _peak(worker: Sender) -> float:
    return max(watch.peak_mb(pid) for pid in (worker.pid, *watch.children_of(worker.pid)))
