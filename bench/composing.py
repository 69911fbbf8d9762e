"""Composing: a wave of a million readers with thousands of tastes, from the moment it is due to its last ledger row."""

import itertools
import time
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, literal_column, select, update

from articles import topics
from bench import asking, compiling, crowd, ground, pasts, stories, watch
from bench.ground import BenchError, Ground
from bench.installation import Installation, Sender, installation
from bench.sizes import Sizes
from bench.speed import Keep
from core import clock, database, services
from core.database import db
from subscribers import offer, rhythm
from subscribers.models import Rhythm, Subscription
from tasks import nudge
from tests.digests.house import House

DIGEST = "asia-daily"
TASTES = 5_000
STORIES = 150
"""New ones before each of the two waves."""
ZONE = "Asia/Hong_Kong"
SLOTS = 96
"""Quarters of an hour in a day."""
SLOTS_TRIED = 6
WORKERS = 2
WITHIN_S = 300.0
ASKED_EVERY_S = 0.1
_FIRST_ROW = "SELECT 1 FROM deliveries WHERE mailing_id = (SELECT max(id) FROM mailings) LIMIT 1"
_ROWS = "SELECT count(*) FROM deliveries WHERE mailing_id = (SELECT max(id) FROM mailings)"
_OPEN = "SELECT 1 FROM waves WHERE state IN ('open', 'composing') LIMIT 1"
_COHORTS = "SELECT count(*) FROM cohorts WHERE edition_id = (SELECT max(id) FROM editions)"


def measure(on: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure editions in a row for `sizes.large` readers: nobody had a thing before the first of them; before the
    third all have a quarter behind them; the last ones are of an hour each, of the 96 that readers can choose.
    """
    with installation(on, smtp_port=9, connections=1) as house, house.rooms():
        asking.offer(house)
        pasts.leave_room(house)
        with database.write_turn():
            topics.apply(stories.SHELVES)
            db.session.commit()
        crowd.gather(house, sizes.large, DIGEST, tastes=_tastes(), zones=((ZONE, 1),), hours=((7, 1),))
        # One for each core: a large wave goes in two parts.
        workers = [house.start("worker") for _ in range(WORKERS)]
        found: dict[str, object] = {"readers": sizes.large, "tastes": TASTES, "workers": WORKERS}
        for name in ("first", "second"):
            found[name] = _wave(house, workers, sizes.large)
            keep({**found, "peak_mb": _peak(workers)})
        found |= {"past": pasts.give(house), "quarter": _wave(house, workers, sizes.large)}
        keep({**found, "peak_mb": _peak(workers)})
        found["hours"] = _hours(house, workers, sizes.large)
        keep({**found, "peak_mb": _peak(workers), "compiling": compiling.measure(DIGEST)})


def _tastes() -> list[list[str]]:
    """Return topics of so many tastes, each another choice of one to four."""
    keys = [str(shelf["key"]) for shelf in stories.SHELVES]
    chosen = itertools.chain.from_iterable(itertools.combinations(keys, count) for count in (1, 2, 3, 4))
    return [list(one) for one in itertools.islice(chosen, TASTES)]


def _hours(house: Installation, workers: Sequence[Sender], readers: int) -> dict[str, object]:
    """Spread readers over all hours that they can choose, and measure some of their waves."""
    with database.write_turn():
        choices = (rhythm.choose("daily", minute=15 * slot, zone=ZONE) for slot in range(SLOTS))
        rows = [rhythm.rhythm_row(offer.by_key(DIGEST), choice, now=clock.utc_now()).id for choice in choices]
        place = literal_column(f"(ARRAY[{','.join(map(str, rows))}])[1 + id % {SLOTS}]")
        spread = update(Subscription).values(rhythm_id=place).execution_options(synchronize_session=False)
        db.session.execute(spread)
        # On a date of which nobody has the edition yet.
        latest = db.session.scalar(select(func.max(Rhythm.slot))) or clock.utc_now().date()
        db.session.execute(update(Rhythm).where(Rhythm.id.in_(rows)).values(slot=latest + timedelta(days=1)))
        db.session.commit()
    took = [_wave(house, workers, None, rhythm_id=row) for row in rows[:SLOTS_TRIED]]
    seconds = [float(str(one["seconds"])) for one in took]
    mails = int(str(took[-1]["mails"]))
    if mails < SLOTS_TRIED * (readers // SLOTS - 1):
        raise BenchError(f"Of {SLOTS_TRIED} waves only {mails:,} mails came.")
    return {"waves": len(took), "readers": mails // SLOTS_TRIED, "worst": max(seconds), "best": min(seconds)}


def _wave(
    house: Installation, workers: Sequence[Sender], readers: int | None, *, rhythm_id: int | None = None
) -> dict[str, object]:
    """Have stories come in and a wave be due, of everybody or of one rhythm; return how long it takes to compose it."""
    now, desk = clock.utc_now(), House(services.current())
    keys = [str(shelf["key"]) for shelf in stories.SHELVES]
    for number in range(STORIES):
        place = (number * 5) % len(keys)
        desk.article(f"News of {now:%H:%M:%S}, {number}", keys[number % len(keys)], keys[place], at=now)
    before = int(str(house.ask("SELECT count(*) FROM waves")[0][0]))
    house.settle()
    with database.write_turn():
        due = update(Rhythm).values(next_due_at=clock.utc_now())
        db.session.execute(due if rhythm_id is None else due.where(Rhythm.id == rhythm_id))
        db.session.commit()
    began = time.perf_counter()
    nudge.digests()
    ground.wait_until(
        lambda: int(str(house.ask("SELECT count(*) FROM waves")[0][0])) > before and bool(house.ask(_FIRST_ROW)),
        within_s=WITHIN_S,
        otherwise="No mail of the wave came into the ledger.",
        every_s=ASKED_EVERY_S,
    )
    first = time.perf_counter() - began
    # Asking costs time of the cores that compose.
    ground.wait_until(
        lambda: not house.ask(_OPEN),
        within_s=WITHIN_S,
        otherwise="The wave is not composed.",
        every_s=ASKED_EVERY_S,
    )
    took = time.perf_counter() - began
    for worker in workers:
        worker.check()
    mails = int(str(house.ask(_ROWS)[0][0]))
    if readers is not None and mails != readers:
        raise BenchError(f"Of {readers:,} readers {mails:,} have a mail.")
    return {"seconds": took, "first mail": first, "mails": mails, "cohorts": int(str(house.ask(_COHORTS)[0][0]))}


def _peak(workers: Sequence[Sender]) -> float:
    return max(watch.peak_mb(pid) for worker in workers for pid in (worker.pid, *watch.children_of(worker.pid)))
