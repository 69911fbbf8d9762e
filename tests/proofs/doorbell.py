"""The proof of the doorbell: Redis and workers fail in every way; mail leaves, and new nudges soon count again.

Beat is stopped, and senders look by themselves only once a minute. So a confirmation that comes within seconds says
that the form's nudge was heard, by a worker and by a sender. `make proof-doorbell` runs all of it, and writes
docs/proofs/doorbell.md; `make test` runs a part.
"""

import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests import servers
from tests.journeys import houses
from tests.journeys.houses import WORKERS
from tests.proofs import page
from tests.proofs.bell import SOON_S, SUBSCRIBERS, Doorbell, doorbell

END_S = 30.0
"""A worker has ended so soon after it was asked to."""
LEASED = "SELECT count(*) FROM deliveries WHERE state IN ('claimed', 'sending')"
BY_FORCE = "ended by force"
IN_VAIN = "Cannot connect to redis"
DOUBTS = "SELECT count(*) FROM deliveries WHERE doubts > 0"


@dataclass(frozen=True, slots=True)
class Outage:
    """A way in which Redis is missed: how it begins and ends, as orders to its guard."""

    words: str
    begin: str
    end: str


HUNG = Outage("hung", "STOP", "CONT")
AWAY = Outage("was killed and away", "KILL", "again")


def forgetful(bell: Doorbell) -> None:
    """Redis forgets everything while tasks are at work and others wait."""
    with bell.busy(), bell.client() as client:
        client.flushall()
    bell.heard("after FLUSHALL, with tasks at work and in the queue")


def missed(bell: Doorbell, outage: Outage, seconds: float) -> None:
    """Redis is missed while an edition goes out and visitors come."""
    expected = bell.edition()
    bell.take_away(outage.begin)
    left = expected - len(bell.house.recipients())
    until = time.monotonic() + seconds
    for _ in range(4):
        bell.ring()
    bell.wait_until(lambda: len(bell.house.recipients()) == expected, "the rest of the edition, without Redis")
    bell.rows[f"mails of an edition of {SUBSCRIBERS} that left while Redis {outage.words}"] = str(left)
    if not left:
        bell.faults.append(f"the edition was over before Redis {outage.words}")
    time.sleep(max(0.0, until - time.monotonic()))
    bell.guard.order(outage.end)
    bell.wait_for_redis()
    bell.heard(f"after Redis {outage.words} for {seconds:.0f} s while an edition went out")


def missed_at_work(bell: Doorbell, outage: Outage, seconds: float) -> None:
    """Redis is missed while tasks are at work, which then cannot be acknowledged."""
    with bell.busy():
        bell.take_away(outage.begin)
    until = time.monotonic() + seconds
    bell.ring()
    time.sleep(max(0.0, until - time.monotonic()))
    bell.guard.order(outage.end)
    bell.wait_for_redis()
    bell.heard(f"after Redis {outage.words} for {seconds:.0f} s with tasks at work")


def crashed(bell: Doorbell) -> None:
    """A worker dies with tasks at work."""
    with bell.busy():
        bell.house.stop(WORKERS[0], signal.SIGKILL)
    bell.heard("after kill -9 of one of two workers, with tasks at work")
    with bell.client() as client:
        bell.wait_until(lambda: client.llen("work") == client.llen("pump") == 0, "an empty queue")
    bell.start(WORKERS[0])


def cut_off(bell: Doorbell) -> None:
    """Every line to Redis goes dead, and nobody is told."""
    bell.wire.go_dead()
    bell.heard("after every line to Redis had gone dead without a word")


def ended(bell: Doorbell, *, relay_hangs: bool) -> None:
    """Workers are told to end, more than once, while a mail is under way and Redis hangs."""
    what = f"a worker's end while Redis {'and the relay hang' if relay_hangs else 'hangs'}"
    relay = bell.house.processes["relay"]
    relay.send_signal(signal.SIGSTOP)
    address = bell.ring()
    bell.wait_until(lambda: bell.ask(LEASED) == 1, "a mail under way")
    bell.take_away("STOP")
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        for name in WORKERS:
            bell.house.processes[name].send_signal(number)
        time.sleep(0.3)
    if not relay_hangs:
        relay.send_signal(signal.SIGCONT)
    _wait_for_ends(bell, what, began, by_force=relay_hangs)
    if bell.ask(LEASED) or bell.ask(DOUBTS):
        bell.faults.append(f"{what}: {bell.ask(LEASED)} claims were not given back, {bell.ask(DOUBTS)} are in doubt")
    _start_again(bell)
    bell.arrives(address)
    bell.heard(f"after {what}, and a new start")
    if bell.house.recipients().count(address) != 1:
        bell.faults.append(f"{what}: the mail under way went out more than once")


def _wait_for_ends(bell: Doorbell, what: str, began: float, *, by_force: bool) -> None:
    for name in WORKERS:
        status = bell.house.processes.pop(name).wait(60)
        took = time.monotonic() - began
        bell.rows[f"{what}: {name}"] = f"{took:.1f} s"
        if took > END_S or status:
            bell.faults.append(f"{what}: {name} ended after {took:.1f} s with {status}")
    if not by_force and BY_FORCE in bell.house.logs():
        bell.faults.append(f"{what}: it was by force")


def _start_again(bell: Doorbell) -> None:
    bell.house.processes["relay"].send_signal(signal.SIGCONT)
    bell.guard.order("CONT")
    for name in WORKERS:
        bell.start(name)


def beat_goes_on(bell: Doorbell, outage: Outage, seconds: float) -> None:
    """Beat asks on after Redis was missed."""
    houses.start_beat(bell.house)
    bell.rings_more_often_than(bell.rung())
    bell.take_away(outage.begin)
    time.sleep(seconds)
    bell.guard.order(outage.end)
    began = time.monotonic()
    bell.wait_for_redis()
    # What beat was saying when Redis stopped is heard at once; what it says then counts.
    bell.rings_more_often_than(bell.rung() + (outage is HUNG))
    bell.note(f"until beat asked again, after Redis {outage.words} for {seconds:.0f} s", began)
    if bell.house.stop("beat"):
        bell.faults.append("beat did not end in order")


def started_without(bell: Doorbell, outage: Outage) -> None:
    """A worker is told to end, is started while Redis is missed, told to end again, and started for good."""
    name = WORKERS[0]
    bell.house.stop(WORKERS[1])
    bell.house.stop(name)
    bell.take_away(outage.begin)
    bell.start(name, until=IN_VAIN)
    if bell.house.stop(name):
        bell.faults.append(f"{name} did not end in order when it had started while Redis {outage.words}")
    bell.start(name, until=IN_VAIN)
    bell.guard.order(outage.end)
    bell.wait_for_redis()
    bell.heard(f"after a worker had started while Redis {outage.words}")
    bell.start(WORKERS[1])


def run(folder: Path, postgres: servers.Postgres) -> tuple[dict[str, str], list[str]]:
    """Let everything happen; return what was found, and the faults in it."""
    rows: dict[str, str] = {}
    faults: list[str] = []
    for part in (_direct, _wired):
        (folder / part.__name__).mkdir()
        with (
            postgres.database() as database_url,
            doorbell(folder / part.__name__, database_url=database_url, wired=part is _wired) as bell,
        ):
            part(bell)
        rows |= bell.rows
        faults += bell.faults
    return rows, faults


def _direct(bell: Doorbell) -> None:
    forgetful(bell)
    crashed(bell)
    missed(bell, HUNG, 60)
    for seconds in (3, 60, 120):
        missed_at_work(bell, AWAY, seconds)
    missed_at_work(bell, HUNG, 20)
    started_without(bell, AWAY)
    started_without(bell, HUNG)
    ended(bell, relay_hangs=False)
    ended(bell, relay_hangs=True)
    beat_goes_on(bell, HUNG, 30)
    beat_goes_on(bell, AWAY, 30)


def _wired(bell: Doorbell) -> None:
    missed(bell, AWAY, 20)
    cut_off(bell)


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    with tempfile.TemporaryDirectory() as folder, servers.postgres_server() as postgres:
        rows, faults = run(Path(folder), postgres)
    page.write(
        "doorbell",
        title="Redis is a doorbell, and no more",
        claim=(
            "Redis forgets everything, is killed, or hangs for a minute, and workers crash: mail leaves meanwhile, "
            f"and new nudges count again within {SOON_S:.0f} seconds of the return. Beat is stopped, and senders look "
            "by themselves only once a minute, so what is heard is heard by the bell. A worker that is told to end "
            f"has ended within {END_S:.0f} seconds, also while Redis hangs."
        ),
        rows=rows,
        faults=faults,
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
