"""The page: what was promised, what was measured, and where the time goes."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import promises, readerpage, storiespage
from bench.ground import DURABLE, TUNED
from bench.results import Results
from bench.sizes import FULL
from bench.tables import rate, table

TITLE = "How fast it is"
INTRO = """What the post office promises of its speed, measured. PostgreSQL, Redis, the senders, the sink and the
measuring itself share the machine's cores. Every list is sent from the real ledger by the shipped processes, started
from outside, and counted at a sink that is an SMTP server of its own; then the ledger must say the same as the sink.
All rates of a part are from one run, so that ratios hold also where the machine was not quiet."""


def write(results: Results) -> Path:
    """Write the page beside the results; return where it is."""
    small = {part["readers"] for part in results.parts.values()} - {
        FULL.readers,
        FULL.large,
        FULL.reports,
        FULL.archive,
    }
    tried = "\n\n**Tried with other sizes than those of the promise: read nothing into it.**" if small else ""
    sections = [
        f"# {TITLE}\n\n{INTRO}{tried}",
        _promises(results),
        _senders(results),
        _time(results),
        _large(results),
        _planning(results),
        _signed(results),
        _returning(results),
        readerpage.section(results),
        storiespage.section(results),
        _beside_others(results),
        _run(results),
    ]
    path = results.path.with_suffix(".md")
    path.write_text("\n\n".join(section for section in sections if section) + "\n", "utf-8")
    return path


def _promises(results: Results) -> str:
    rows = [(one.what, one.least, one.measured, one.verdict) for one in promises.all_of(results)]
    return "## What was promised\n\n" + table(("what", "at least", "measured", ""), rows)


def _senders(results: Results) -> str:
    runs = [
        ("the same digest for all", results.of("speed").get("pump 1")),
        ("the same digest for all", results.of("speed").get("pump 2")),
        ("the same digest for all, again", results.of("different").get("same")),
        ("each reader another digest", results.of("different").get("different")),
        ("the small list", results.of("million").get("small")),
        ("the large list", results.of("million").get("large")),
    ]
    rows = [
        (
            what,
            f"{run['readers']:,}",
            f"{run['senders']} × {run['kind']}, {run['connections']} connections",
            rate(run["rate"]),
            rate(run["steady"]),
            f"{run['commits'] * 1000:,.0f}",
            f"{run['wal_bytes']:,.0f}",
            f"{run['peak_mb']:,.0f} MB",
        )
        for what, run in runs
        if run
    ]
    heads = ("list", "readers", "senders", "first to last", "middle", "commits / 1,000", "WAL bytes / mail", "memory")
    words = (
        "*First to last* is from the first acceptance at the sink to the last; *middle* leaves the first and the last "
        "tenth of the mails out, while lines are opened and run dry. *Memory* is the most that one sender process ever "
        "held. A *pump* is `flask delivery pump`, a *worker* is `celery -A worker worker`, which also runs the tasks."
    )
    told = [f"- {what}: {count} × {text}" for what, run in runs if run for text, count in run["complaints"].items()]
    if told:
        words += "\n\nWhat the senders complained of meanwhile:\n\n" + "\n".join(told)
    return f"## The lists\n\n{table(heads, rows)}\n\n{words}" if rows else ""


def _time(results: Results) -> str:
    parts = ["## Where the time goes"]
    runs = [(name, results.of("speed").get(name)) for name in ("pump 1", "pump 2")]
    runs += [("each another digest", results.of("different").get("different"))]
    there = [(name, run) for name, run in runs if run]
    if there:
        names = list(there[0][1]["cpu"])
        rows: list[Sequence[object]] = [
            (name, *(_cpu(run, name) for _title, run in there)) for name in names if _worth(name, there)
        ]
        rows.append(("together", *(f"{sum(run['cpu'].values()):,.0f}" for _title, run in there)))
        rows.append(("the cores were busy", *(f"{run['busy']:.0%}" for _title, run in there)))
        rows.append(("of it for strangers", *(f"{run['strange']:.0%}" for _title, run in there)))
        parts.append("CPU time for one mail, in microseconds, and in brackets how much of it in the kernel:")
        parts.append(table(("", *(title for title, _run in there)), rows))
        busiest = ", ".join(f"{spent:,.0f}" for spent in there[-1][1]["threads"])
        parts.append(
            "*Strangers* are all other programs of the machine: with many of them, believe the CPU rather than the "
            f"rates. Of the senders' time in the last column the busiest threads use, in this order: {busiest}."
        )
    where = results.of("where")
    if where:
        parts.append(_profile(where))
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _worth(name: str, runs: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    return any(run["cpu"].get(name, 0) >= 1 for _title, run in runs)


def _cpu(run: Mapping[str, Any], name: str) -> str:
    return f"{run['cpu'].get(name, 0):,.0f} ({run['in_kernel'].get(name, 0):,.0f})"


def _profile(where: Mapping[str, Any]) -> str:
    groups = table(("code of the sender", "share of its CPU"), [(n, f"{s:.1%}") for n, s in where["groups"].items()])
    functions = table(
        ("function", "calls a mail", "share"),
        [(f"`{what}`", f"{calls / where['readers']:,.2f}", f"{s:.1%}") for what, calls, s in where["functions"][:15]],
    )
    return (
        "One sender under the profiler of the standard library, with the CPU time of each thread as its clock. It "
        "makes code in Python look dearer than it is, and code in C cheaper: read the order, not the sums.\n\n"
        f"{groups}\n\n{functions}"
    )


def _large(results: Results) -> str:
    found = results.of("million")
    if "slices" not in found:
        return ""
    first, last = found["asked in slices"]
    rows = [
        (f"{number + 1}", rate(value), "yes" if first <= number < last else "")
        for number, value in enumerate(found["slices"])
    ]
    parts = ["## The large list, tenth by tenth", table(("tenth", "rate", "confirmations asked for"), rows)]
    waits = [
        (title, f"{one['count']:,}", *(f"{one[key]:.2f} s" for key in ("median", "p99", "worst")))
        for name, title in (
            ("form", "by the form: a row, a nudge, a task that decides and renders, the ledger"),
            ("ledger", "by the ledger: rendered, queued, a nudge for the sender"),
        )
        if (one := found.get("confirmations", {}).get(name))
    ]
    if waits:
        parts.append("Confirmations asked for meanwhile, from asking to their acceptance at the sink:")
        parts.append(table(("asked for", "how many", "median", "99th percentile", "worst"), waits))
    return "\n\n".join(parts)


def _planning(results: Results) -> str:
    found, large = results.of("planning"), results.of("million").get("planning")
    rows = []
    if large:
        rows.append(("the large list, on an idle system", rate(large["rate"]), ""))
    if "idle" in found:
        rows.append(("a list, on an idle system", rate(found["idle"]), ""))
    if "beside" in found:
        rows.append(("sending, alone", "", rate(found["sending alone"])))
        rows.append(("both at once", rate(found["beside"]), rate(found["sending beside"])))
    return f"## Planning\n\n{table(('', 'planned', 'sent'), rows)}" if rows else ""


def _signed(results: Results) -> str:
    found = results.of("signed")
    rows = [
        (name, rate(run["rate"]), f"{run['cpu']['senders']:,.0f}", ", ".join(f"{one:,.0f}" for one in run["threads"]))
        for name, run in found.items()
        if not name.startswith("openssl")
    ]
    if not rows:
        return ""
    alone = "; ".join(
        f"RSA-{bits} {', '.join(f'{name} {rate(value)}' for name, value in found[key].items())}"
        for bits, key in ((2048, "openssl"), (4096, "openssl 4096"))
        if key in found
    )
    text = (
        "Signing is done by threads of their own, while the sender's other threads go on. Signatures that OpenSSL "
        f"alone makes on one core: {alone}. Cores that sign are the CPU time of the busiest thread, which signs, "
        "and has the mail brought and taken away.\n\n"
        "On two cores, PostgreSQL, the sink and the rest of the sender need more than what an RSA-2048 signature "
        "leaves of them, so that thread sleeps between mails. A signature that it wakes up for takes some 15 % longer "
        "than one in a row of them, also with nothing else running, probably because caches have gone cold. With the "
        "longest key that DKIM allows, signing is the limit, and the thread is nearly always at it."
    )
    heads = ("signed with", "first to last", "CPU of the senders for one mail, µs", "of that, the busiest threads")
    return f"## Signed\n\n{table(heads, rows)}\n\n{text}"


def _returning(results: Results) -> str:
    found = results.of("returning")
    if not found:
        return ""
    read = table(("read as", "how many"), [(kind, f"{count:,}") for kind, count in found["kinds"].items()])
    words = (
        f"{found['reports']:,} reports of {found['octets']:,.0f} octets each lie in a Maildir, every one about another "
        "mail; `flask mailbox read` reads them. Each is read, classified, applied to its mail and its address, "
        "committed and flagged. The time that the command takes to start is left out."
    )
    return f"## What comes back\n\n{words}\n\n{read}"


def _beside_others(results: Results) -> str:
    speed = results.of("speed")
    rows = [
        (
            f"smtplib and EmailMessage, rendered per reader, {number} × process",
            rate(one["rate"]),
            "",
            f"{one['cpu']:,.0f}",
        )
        for number in (1, 2)
        if (one := speed.get(f"usual {number}"))
    ]
    source = speed.get("source", {})
    for words in ("connections kept", "a connection a mail"):
        if words in source:
            one = source[words]
            rows.append((f"smtp-source, {words}", rate(one["our sink"]), rate(one["smtp-sink"]), ""))
    if not rows:
        return ""
    text = (
        "The usual way is `bench/baseline.py`: the templates of the real digest, compiled once, with their styles "
        "inlined beforehand and all rendered for each reader; one connection for each process; no ledger. smtp-source "
        f"is Postfix' own ({source.get('version', 'not had')}): {source.get('sessions', 0)} sessions, messages of "
        f"{source.get('bytes', 0):,} octets made of nothing, no ledger. Our sink takes far more than we send, so it is "
        "not the limit; smtp-sink would be nearer to one."
    )
    return f"## The others\n\n{table(('', 'into our sink', 'into smtp-sink', 'CPU for one mail, µs'), rows)}\n\n{text}"


def _run(results: Results) -> str:
    lines = ["## On what it was measured"]
    known = list(results.parts.values())
    if known:
        lines.append(table(("", ""), [(name, value) for name, value in known[-1]["machine"].items()]))
    settings = ", ".join(f"`{name}={value}`" for name, value in (DURABLE | TUNED).items())
    lines.append(
        f"PostgreSQL is durable, with the settings that [operations.md](operations.md) recommends: {settings}."
    )
    rows = [
        (
            f"`{name}`",
            part["run"],
            part["commit"],
            "" if part["whole"] else f"not to its end: {part.get('why', 'stopped')}",
        )
        for name, part in results.parts.items()
    ]
    lines.append(table(("part", "run of", "commit", ""), rows))
    lines.append("Again: `make bench`; one part: `.venv/bin/python -m bench --only speed`.")
    return "\n\n".join(lines)


if __name__ == "__main__":
    sys.exit("The page is written by: python -m bench --page")
