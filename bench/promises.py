"""What is promised of the speed, and whether what was measured holds it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.readers import FORMS_PER_S
from bench.results import Results
from bench.signed import ALONE, LIMIT

UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Promise:
    """One row of the table."""

    what: str
    least: str
    measured: str
    verdict: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A number that was measured, how it reads, and whether it is enough."""

    text: str
    enough: bool


Look = Callable[[Results], _Found | None]


def all_of(results: Results) -> Sequence[Promise]:
    """Return every promise with what was measured of it."""
    return [_promise(results, what, least, look, aim=aim) for what, least, look, aim in PROMISES]


def _promise(results: Results, what: str, least: str, look: Look, *, aim: bool) -> Promise:
    try:
        found = look(results)
    except (KeyError, ZeroDivisionError):
        found = None
    if found is None:
        return Promise(what, least, UNKNOWN, "")
    if not least:
        return Promise(what, least, found.text, "")
    good, bad = ("reached", "not reached") if aim else ("holds", "**does not hold**")
    return Promise(what, least, found.text, good if found.enough else bad)


def _best(results: Results) -> tuple[str, dict[str, Any]]:
    """Return the name and the run of as many senders as were the fastest."""
    runs = {name: run for name, run in results.of("speed").items() if name.startswith("pump")}
    name = max(runs, key=lambda one: float(runs[one]["rate"]), default="")
    return name, runs[name]


def _usual(processes: int) -> Look:
    def look(results: Results) -> _Found:
        _name, run = _best(results)
        usual = results.of("speed")[f"usual {processes}"]["rate"]
        times = run["rate"] / usual
        return _Found(f"{times:.1f} × ({run['rate']:,.0f}/s to {usual:,.0f}/s)", times >= 10)

    return look


def _source(words: str, sink: str) -> Look:
    def look(results: Results) -> _Found:
        _name, run = _best(results)
        source = results.of("speed")["source"][words][sink]
        share = run["rate"] / source
        return _Found(f"{share:.2f} × ({run['rate']:,.0f}/s to {source:,.0f}/s)", share >= 0.3)

    return look


def _different(results: Results) -> _Found:
    found = results.of("different")
    share = found["different"]["rate"] / found["same"]["rate"]
    return _Found(f"{share:.2f} ({found['different']['rate']:,.0f}/s to {found['same']['rate']:,.0f}/s)", share >= 0.75)


def _flat(results: Results) -> _Found:
    found = results.of("million")
    share = found["large"]["steady"] / found["small"]["steady"]
    return _Found(f"{share:.2f} ({found['large']['steady']:,.0f}/s to {found['small']['steady']:,.0f}/s)", share >= 0.9)


def _planning(results: Results) -> _Found:
    million = results.parts["million"]
    seconds = million["values"]["planning"]["seconds"]
    each = seconds * 1_000_000 / million["readers"]
    return _Found(f"{each:.0f} s" + ("" if million["readers"] == 1_000_000 else " at the same rate"), each <= 30)


def _beside(ours: str, alone: str) -> Look:
    def look(results: Results) -> _Found:
        found = results.of("planning")
        share = found[ours] / found[alone]
        return _Found(f"{share:.2f} ({found[ours]:,.0f}/s to {found[alone]:,.0f}/s)", share >= 0.5)

    return look


def _memory(results: Results) -> _Found | None:
    runs = [run for part in results.parts.values() for run in part["values"].values() if isinstance(run, dict)]
    peaks = [run["peak_mb"] for run in runs if "peak_mb" in run]
    return _Found(f"{max(peaks):.0f} MB", max(peaks) <= 150) if peaks else None


def _signed(run_name: str, alone_name: str) -> Look:
    def look(results: Results) -> _Found:
        found = results.of("signed")
        rate, cores = found[run_name]["rate"], signing_cores(found[run_name])
        alone = max(found[alone_name].values())
        share = rate / (alone * cores)
        text = f"{share:.2f} ({rate:,.0f}/s on {cores:.2f} cores that sign, to {alone:,.0f}/s of a core)"
        return _Found(text, share >= 0.85)

    return look


def signing_cores(run: dict[str, Any]) -> float:
    """Return how many cores the signing thread of a sender with one of them used: the busiest of all threads."""
    return float(run["threads"][0] * run["rate"] / 1e6)


def _confirmations(results: Results) -> _Found:
    waits = results.of("million")["confirmations"].values()
    slowest = max(one["p99"] for one in waits)
    return _Found(f"{slowest:.2f} s, of {sum(one['count'] for one in waits):,}", slowest <= 1.0)


def _returning(results: Results) -> _Found:
    rate = results.of("returning")["rate"]
    return _Found(f"{rate:,.0f}/s", rate >= 500)


def _within_ms(words: str, seconds: float, most_ms: float) -> _Found:
    return _Found(f"{seconds * 1000:.0f} ms{words}", seconds * 1000 <= most_ms)


def _forms(results: Results) -> _Found:
    found = results.of("readers")["forms"]
    rate = found["per second"]
    held = _within_ms(f", of {found['count']:,} at {rate:,.0f}/s", found["p99"], 50)
    return _Found(held.text, held.enough and rate >= 0.99 * FORMS_PER_S)


def _pages(results: Results) -> _Found:
    name, found = max(results.of("readers")["pages"].items(), key=lambda one: float(one[1]["p99"]))
    return _within_ms(f" ({name})", found["p99"], 50)


def _due(results: Results) -> _Found:
    found = results.of("readers")["due"]
    slowest = max(found[name] for name in ("first chunk", "middle chunk", "last chunk"))
    return _within_ms(f", of {found['subscriptions']:,}", found["waves"] + slowest, 100)


def _composing(results: Results) -> _Found:
    part = results.parts["composing"]
    slowest = max(part["values"][name]["seconds"] for name in ("first", "second"))
    each = slowest * 1_000_000 / part["readers"]
    by = f", by {part['values'].get('workers', 1)} workers"
    return _Found(f"{each:.0f} s{by}" + ("" if part["readers"] == 1_000_000 else ", at the same rate"), each <= 60)


def _forecast(results: Results) -> _Found:
    found = results.of("readers")["forecast"]
    each = found["seconds"] * 1_000_000 / found["readers"]
    return _Found(f"{each:.0f} s" + ("" if found["readers"] == 1_000_000 else " at the same rate"), each <= 60)


def _fields(results: Results) -> _Found:
    found = results.of("readers")["fields"]
    return _within_ms(f" ({found['whose']})", found["longest"] - found["usual"], 50)


def _ingest(results: Results) -> _Found:
    found = results.of("stories")
    return _Found(f"{found['ingest']['rate']:,.0f}/s, beside {found['archive']:,}", found["ingest"]["rate"] >= 100)


def _story_page(kind: str, least: int) -> Look:
    def look(results: Results) -> _Found:
        each = results.of("stories")["page"][kind]["per core"]
        return _Found(f"{each:,.0f}/s", each >= least)

    return look


def _finding(results: Results) -> _Found:
    stories = results.of("stories")
    name, found = max(((name, stories[name]) for name in FINDING), key=lambda one: float(one[1]["p95"]))
    return _within_ms(f" ({name})", found["p95"], 50)


def _push(results: Results) -> _Found:
    found = results.of("stories")["push"]
    return _within_ms(f", the slowest of {found['count']}", found["worst"], 2_000)


def _breaking(results: Results) -> _Found:
    found = results.of("breaking")
    words = f", the slowest of {found['first']['count']}, among {found['readers']:,} readers"
    return _within_ms(words, found["first"]["worst"], 2_000)


def _alerted(results: Results) -> _Found:
    found = results.of("breaking")["all"]
    each = found["seconds"] * 1_000_000 / found["mails"]
    return _Found(f"{each:.0f} s, at the rate of {found['mails']:,.0f}", each <= 60)


def _thousand(results: Results) -> _Found:
    found = results.of("breaking")["beside"]
    words = f", beside {found['digests meanwhile']:,} mails of the digest"
    return _within_ms(words, found["seconds"], 5_000)


def _quarter(results: Results) -> _Found:
    part = results.parts["composing"]
    found = part["values"]
    each = found["quarter"]["seconds"] * 1_000_000 / part["readers"]
    text = f"{each:.0f} s" + ("" if part["readers"] == 1_000_000 else " at the same rate")
    return _Found(f"{text}, with {found['past']['pasts']:,} pasts of {found['past']['stories']} stories", each <= 60)


def _compiling(results: Results) -> _Found:
    found = results.of("composing")["compiling"]
    return _within_ms("", found["whole"], 100)


def _further(results: Results) -> _Found:
    seconds = results.of("composing")["compiling"]["further"]
    return _Found(f"{seconds * 1000:.1f} ms", seconds <= 0.002)


FINDING = ("search", "search page", "see also")
"""What is looked for in the archive."""
PROMISES: Sequence[tuple[str, str, Look, bool]] = (
    ("end to end, to smtplib and EmailMessage in one process", "10 ×", _usual(1), False),
    ("the same, to as many processes of it as there are cores", "", _usual(2), True),
    (
        "end to end, to smtp-source that keeps its connections, into the same sink",
        "aim: 0.3 ×",
        _source("connections kept", "our sink"),
        True,
    ),
    (
        "the same, to smtp-source as it is by itself: a connection for each mail",
        "aim: 0.3 ×",
        _source("a connection a mail", "our sink"),
        True,
    ),
    ("every reader with a different digest, to the same for all", "0.75", _different, False),
    ("the rate at 1,000,000 readers, to that at 10,000", "0.9", _flat, False),
    ("planning 1,000,000 deliveries on an idle system", "30 s", _planning, False),
    ("planning beside a send at full speed, to planning alone", "0.5", _beside("beside", "idle"), False),
    ("the send beside planning, to the send alone", "0.5", _beside("sending beside", "sending alone"), False),
    (
        "signed where signing is the limit, with RSA-4096, to OpenSSL's own rate for each core that signs",
        "0.85",
        _signed(LIMIT, "openssl 4096"),
        False,
    ),
    (
        "signed with RSA-2048, which is not the limit on two cores, to OpenSSL's own rate for each core that signs",
        "aim: 0.85",
        _signed(ALONE, "openssl"),
        True,
    ),
    ("memory of a sender process, at any list size", "150 MB", _memory, False),
    ("a confirmation beside the large list, 99th percentile", "1 s", _confirmations, False),
    ("reports that came back, read, classified and applied", "500/s", _returning, False),
    ("a form at 200/s, while Redis is killed once, 99th percentile", "50 ms", _forms, False),
    ("a page of the preferences, 99th percentile of the slowest kind", "50 ms", _pages, False),
    ("who is due now: the waves, and 2,000 readers of the largest", "100 ms", _due, False),
    ("composing an edition of 1,000,000 readers, 5,000 tastes, to ledger rows", "60 s", _composing, False),
    ("the same with a quarter behind its readers: pauses, a breaking mail that morning", "60 s", _quarter, False),
    ("compiling a digest of thirty stories", "100 ms", _compiling, False),
    ("compiling a further one of the same stories", "2 ms", _further, False),
    ("forecast for 1,000,000", "60 s", _forecast, False),
    ("stories taken in, cleaned, known again and found, beside an archive of 100,000", "100/s", _ingest, False),
    ("a story's page, asked of one core", "500/s", _story_page("whole", 500), False),
    ("the same, for a browser that has it already (304)", "2,000/s", _story_page("304", 2_000), False),
    ("search and See also over 100,000 stories, 95th percentile of the slowest", "50 ms", _finding, False),
    ("from push to the story being stored, on its page and breaking", "2 s", _push, False),
    ("from the push of a flagged story to its first mail being claimable", "2 s", _breaking, False),
    ("the first thousand of a breaking mail handed over, beside a digest for everybody", "5 s", _thousand, False),
    ("a breaking mail for 1,000,000 readers, all of it in the ledger", "aim: 60 s", _alerted, True),
    ("a form with a field of endless length, longer than one as people send it", "50 ms", _fields, False),
)
"""What, at least, how it is looked up, and whether it is an aim rather than a promise."""
