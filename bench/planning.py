"""Planning beside a send at full speed: what either loses by the other."""

import time

from bench import edition, sending, watch
from bench.ground import Ground
from bench.progress import Progress
from bench.sizes import Sizes
from bench.speed import Keep
from core import services

ALONE_FROM, ALONE_TO = 0.05, 0.3
"""Between which parts of the first list the senders work alone; then the second list is planned."""


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Plan a list on an idle system; then send it, and on the way plan another."""
    beside = sizes.readers
    with (
        sending.prepared(ground, sizes, name="planning, first list", readers=2 * beside) as ready,
        ready.house.rooms(),
    ):
        second = edition.open_edition("planning, second list", services.current())
        content_of = edition.one_content(second)
        found = _beside(ready, sizes, second, content_of, beside)
    keep({"idle": ready.planned_per_s, "readers": beside, "senders": sizes.senders} | found)


def _beside(
    ready: sending.Prepared, sizes: Sizes, second: edition.Edition, content_of: edition.Choose, beside: int
) -> dict[str, object]:
    first = 2 * beside
    with watch.course_of(ready.sink.counted) as course:
        for _sender in range(sizes.senders):
            ready.house.start("pump")
        sending.wait_for(ready, int(first * ALONE_TO), Progress("sending alone", int(first * ALONE_TO)))
        began = time.monotonic()
        rate = sending.plan(second, range(first, first + beside), content_of, "planning beside it")
        ended = time.monotonic()
    during = course.between(began, ended)
    alone = course.rate(first * ALONE_FROM, first * ALONE_TO)
    print(f"  sending: {alone:,.0f}/s alone, {during:,.0f}/s beside planning", flush=True)
    return {"beside": rate, "sending alone": alone, "sending beside": during}
