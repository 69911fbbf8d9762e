"""The large list: is its rate that of a small one, what do its senders hold, and who waits behind it?"""

from bench import asking, sending, watch
from bench.ground import Ground
from bench.sending import Sent
from bench.sizes import Sizes
from bench.speed import Keep

SMALL_RUNS = 3
SLICES = 10
ASK_FROM, ASK_TO = 3, 8
"""In which slices of the large list confirmations are asked for; in the others the senders are left alone."""


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Send the small list a few times, then the large one, and ask for confirmations on the way."""
    found: dict[str, object] = {"small": _small(ground, sizes).table()}
    keep(found)
    with sending.prepared(ground, sizes, name=f"{sizes.large:,} readers", readers=sizes.large) as ready:
        found["planning"] = {"rate": ready.planned_per_s, "seconds": sizes.large / ready.planned_per_s}
        keep(found)
        asking.offer(ready.house)
        for _sender in range(sizes.senders):
            ready.house.start("worker")
        window = (sizes.large * ASK_FROM // SLICES, sizes.large * ASK_TO // SLICES)
        with watch.course_of(ready.sink.counted) as course, asking.asking(ready, window) as asked:
            spent = sending.follow(ready, sizes.large, f"{sizes.large:,} readers, sending")
        peak = max(watch.peak_mb(sender.pid) for sender in ready.house.senders)
        bounds = [sizes.large * slice_ // SLICES for slice_ in range(SLICES + 1)]
        found["slices"] = [course.rate(max(1, low), high) for low, high in zip(bounds, bounds[1:], strict=False)]
        found["asked in slices"] = [ASK_FROM, ASK_TO]
        found["confirmations"] = asking.waits(ready, asked)
        keep(found)
        sending.check(ready, sizes.large, others=len(asked))
        found["large"] = sending.sent(
            ready, sizes, spent, course, readers=sizes.large, kind="worker", senders=sizes.senders, peak=peak
        ).table()
        keep(found)


def _small(ground: Ground, sizes: Sizes) -> Sent:
    """Return the run of the small list that is neither the best nor the worst."""
    runs = [
        sending.send_list(
            ground, sizes, name=f"{sizes.small:,} readers", readers=sizes.small, kind="worker", senders=sizes.senders
        )
        for _run in range(SMALL_RUNS)
    ]
    return sorted(runs, key=lambda one: one.steady)[SMALL_RUNS // 2]
