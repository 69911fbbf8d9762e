"""Measure the post office: `make bench`, or `python -m bench --only speed --quick` while working on it."""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from bench import (
    breaking,
    composing,
    different,
    million,
    page,
    planning,
    readers,
    returning,
    signed,
    speed,
    stories,
    where,
)
from bench.ground import BenchError, Ground, ground
from bench.results import Results
from bench.sizes import FULL, QUICK, Sizes
from bench.speed import Keep
from core.settings import ROOT
from tests.servers import ServerMissingError

PARTS: dict[str, tuple[Callable[[Ground, Sizes, Keep], None], str, int]] = {
    "speed": (speed.measure, "beside smtplib and beside smtp-source", 4),
    "different": (different.measure, "every reader with a digest of their own", 3),
    "planning": (planning.measure, "planning beside a send", 4),
    "million": (million.measure, "the large list, its memory, and confirmations beside it", 10),
    "signed": (signed.measure, "signed mail beside OpenSSL's own rate", 4),
    "returning": (returning.measure, "reading what comes back", 2),
    "readers": (readers.measure, "the form, the pages of readers, and who is due", 4),
    "composing": (composing.measure, "the editions of a million readers, into the ledger", 6),
    "breaking": (breaking.measure, "from the push of breaking news to its first mail", 5),
    "stories": (stories.measure, "an archive of stories: taking in, finding, showing, pushing", 8),
    "where": (where.measure, "where the sender's time goes", 1),
}
"""What can be measured, in the order of a whole run, and about how many minutes each takes."""
WHOLE = ROOT / "docs" / "bench"
PART = ROOT / "var" / "bench" / "tried"
"""Where results and page are written: of a whole run, and of one with other sizes."""


def main() -> int:
    """Measure what is asked for; the exit status says whether all of it could be measured."""
    options = _options()
    if platform.system() != "Linux":
        print("make bench reads /proc and uses epoll: it runs on Linux only.", file=sys.stderr)
        return 1
    sizes = _sizes(options)
    results = Results.open((WHOLE if sizes == FULL else PART).with_suffix(".json"))
    if options.page:
        page.write(results)
        return 0
    chosen = [name for name in PARTS if not options.only or name in options.only]
    if sizes == FULL:
        print(f"About {sum(PARTS[name][2] for name in chosen)} minutes. Leave the machine alone meanwhile.", flush=True)
    try:
        with ground() as servers:
            results.sync_us = servers.sync_us
            failures = [name for name in chosen if not _measure(name, servers, sizes, results)]
    except ServerMissingError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Written: {page.write(results)}", flush=True)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the post office.")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="only this part; may be said again")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try a change in minutes")
    parser.add_argument("--readers", type=int, help="readers of a list, instead of 100,000")
    parser.add_argument("--large", type=int, help="readers of the large list, instead of 1,000,000")
    parser.add_argument("--connections", type=int, help="connections of a sender process, instead of 32")
    parser.add_argument("--senders", type=int, help="sender processes, instead of 2")
    parser.add_argument("--page", action="store_true", help="write the page anew from the results that are there")
    return parser.parse_args()


def _sizes(options: argparse.Namespace) -> Sizes:
    asked = {name: getattr(options, name) for name in ("readers", "large", "connections", "senders")}
    return replace(QUICK if options.quick else FULL, **{name: value for name, value in asked.items() if value})


def _measure(name: str, servers: Ground, sizes: Sizes, results: Results) -> bool:
    """Measure one part; what it found before it failed is kept."""
    measure, title, _minutes = PARTS[name]
    print(f"{name}: {title}", flush=True)
    counts = {
        "million": sizes.large,
        "readers": sizes.large,
        "composing": sizes.large,
        "returning": sizes.reports,
        "stories": sizes.archive,
    }
    count = counts.get(name, sizes.readers)
    last: dict[str, object] = {}

    def keep(values: dict[str, object]) -> None:
        last.update(values)
        results.keep(name, last, readers=count, whole=False)

    started = time.monotonic()
    try:
        measure(servers, sizes, keep)
    except BenchError as error:
        print(f"  Not measured to its end: {error}", file=sys.stderr, flush=True)
        results.failed(name, str(error).partition("\n")[0][:300])
        return False
    results.keep(name, last, readers=count, whole=True)
    print(f"  {time.monotonic() - started:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. What was measured is kept.")
