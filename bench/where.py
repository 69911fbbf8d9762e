"""Where the time of a sender goes: one process under the profiler, and each of its threads' CPU time without it."""

from bench import profile, sending, watch
from bench.ground import Ground
from bench.sizes import Sizes
from bench.speed import Keep


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Send a list with a profiled sender and say which code used the CPU."""
    with sending.prepared(ground, sizes, name="profiled", readers=sizes.profiled) as ready:
        path = ready.house.folder / "profile"
        sender = ready.house.start("profiled pump", **{profile.INTO: str(path)})
        sending.follow(ready, sizes.profiled, "profiled, sending")
        ready.house.wait_until_done()
        busiest = sorted((cpu.both for cpu in watch.threads_of(sender.pid).values()), reverse=True)
        ready.house.stop()
        found = profile.shares(path)
    keep({"readers": sizes.profiled, "threads": busiest[:8], "number of threads": len(busiest)} | found)
    for name, share in found["groups"].items():
        print(f"  {share:6.1%}  {name}", flush=True)
    print(f"  The dearest functions, of {found['seconds']:.1f} s:", flush=True)
    for what, calls, share in found["functions"]:
        print(f"  {share:6.1%}  {calls / sizes.profiled:8.2f} calls a mail  {what}", flush=True)
