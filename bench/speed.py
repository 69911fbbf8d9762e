"""How fast a list leaves, beside the usual way to mail one and beside Postfix' smtp-source, all in one run."""

import resource
import subprocess
import sys
from collections.abc import Callable

from bench import ground as grounds
from bench import installation, postfix, sending
from bench.ground import BenchError, Ground
from bench.progress import Progress
from bench.sizes import Sizes
from core.settings import ROOT

Keep = Callable[[dict[str, object]], None]


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure the usual way, smtp-source into both sinks, and our own senders: one process and two."""
    found: dict[str, object] = {}
    for processes in (1, 2):
        found[f"usual {processes}"] = usual(ground, sizes, processes)
        keep(found)
    try:
        found["source"] = source(sizes)
    except BenchError as error:
        found["source"] = {"missing": str(error)}
        print(f"  {error}", flush=True)
    keep(found)
    for senders in (1, 2):
        one = sending.send_list(
            ground,
            sizes,
            name=f"the same digest, {senders} x pump",
            readers=sizes.readers,
            kind="pump",
            senders=senders,
        )
        found[f"pump {senders}"] = one.table()
        keep(found)


def usual(ground: Ground, sizes: Sizes, processes: int) -> dict[str, float]:
    """Return what a loop with Jinja2, EmailMessage and smtplib comes to in so many processes."""
    progress = Progress(f"smtplib and EmailMessage, {processes} x process", sizes.usual * processes)
    with (
        grounds.sink() as taking,
        installation.installation(ground, smtp_port=taking.port, connections=1) as house,
    ):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "bench.baseline", "--port", str(taking.port)]
        running = [
            subprocess.Popen(
                [*command, "--first", str(number * sizes.usual), "--last", str((number + 1) * sizes.usual)],
                cwd=ROOT,
                env=house.environment,
            )
            for number in range(processes)
        ]
        if any(process.wait() for process in running):
            raise BenchError("The loop with smtplib ended with an error; its words stand above.")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        counted = taking.counted()
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    progress.done(f"{counted.rate:,.0f}/s")
    return {"rate": counted.rate, "readers": counted.taken, "cpu": spent / counted.taken * 1e6}


def source(sizes: Sizes) -> dict[str, object]:
    """Return the rates of smtp-source into our sink and into smtp-sink, keeping its connections and not."""
    programs = postfix.find()
    found: dict[str, object] = {"version": programs.version, "bytes": postfix.BYTES, "sessions": postfix.SESSIONS}
    for keep in (True, False):
        words = "connections kept" if keep else "a connection a mail"
        progress = Progress(f"smtp-source, {words}", sizes.source)
        with grounds.sink() as ours:
            own = postfix.source_rate(programs, ours.port, sizes.source, keep=keep)
            if ours.counted().taken != sizes.source:
                raise BenchError(f"smtp-source sent {sizes.source} mails, and the sink counted {ours.counted().taken}.")
        with postfix.sink(programs) as port:
            theirs = postfix.source_rate(programs, port, sizes.source, keep=keep)
        progress.done(f"{own:,.0f}/s into our sink, {theirs:,.0f}/s into smtp-sink")
        found[words] = {"our sink": own, "smtp-sink": theirs}
    return found
