"""The proof of the doorbell: Redis and workers fail in every way; mail leaves, and new nudges soon count again.

Beat is stopped, and senders look by themselves only once a minute. So a confirmation that comes within seconds says
that the form's nudge was heard, by a worker and by a sender. `make proof-doorbell` runs all of it, and writes
docs/proofs/doorbell.md; `make test` runs a part.
"""

import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import redis
from celery import Celery

from tests import servers
from tests.journeys import houses, readers
from tests.journeys.houses import WORKERS, House
from tests.proofs import page
from tests.servers import Guard

SOON_S = 15.0
"""A nudge counts again so soon after the return of what was away."""
END_S = 30.0
"""A worker has ended so soon after it was asked to."""
HELD = 8
"""What two workers of four threads take from the queue at most."""
WAITING = 4
SUBSCRIBERS = 8
CONFIG = """
[relays.main]
rate = 4

[delivery]
look_seconds = 60
"""
"""So slow that Redis can be taken away in the middle of an edition; looking as seldom as can be set."""
LEASED = "SELECT count(*) FROM deliveries WHERE state IN ('claimed', 'sending')"
IN_VAIN = "Cannot connect to redis"
DOUBTS = "SELECT count(*) FROM deliveries WHERE doubts > 0"


@dataclass(frozen=True, slots=True)
class Outage:
    """A way in which Redis is missed: how it begins and ends, as orders to its guard."""

    words: str
    begin: str
    end: str


HUNG = Outage("hung", "STOP", "CONT")
AWAY = Outage("was away, killed", "KILL", "again")


@dataclass
class Doorbell:
    """A fleet, its Redis, and what was found out about them."""

    house: House
    redis_url: str
    guard: Guard
    rows: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _visitors: Iterator[int] = field(default_factory=count)
    _asides: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def ring(self) -> str:
        """Fill in the form, whose nudge asks for a confirmation; return the address."""
        address = f"visitor{next(self._visitors)}@example.org"
        readers.subscribe(self.house, address, "asia-daily")
        return address

    def heard(self, what: str) -> None:
        """Ring until somebody hears it, and see that from then on every ring is heard."""
        began = time.monotonic()
        self._until_heard()
        self.note(f"until nudges counted, {what}", began)
        for _ in range(3):
            asked = time.monotonic()
            self.arrives(self.ring())
            if time.monotonic() - asked > SOON_S:
                self.faults.append(f"{what}: a later nudge took {time.monotonic() - asked:.1f} s")

    def note(self, what: str, began: float) -> None:
        """Write down how long something took that must not take long."""
        took = time.monotonic() - began
        self.rows[what] = f"{took:.1f} s"
        if took > SOON_S:
            self.faults.append(f"{what}: {took:.1f} s")

    def arrives(self, address: str) -> None:
        """Wait for a mail to this address."""
        self.wait_until(lambda: address in self.house.recipients(), f"a mail to {address}")

    def _until_heard(self) -> None:
        rung: list[str] = []
        asked = 0.0

        def answered() -> bool:
            nonlocal asked
            if time.monotonic() - asked > 1:
                asked = time.monotonic()
                rung.append(self.ring())
            return not set(rung).isdisjoint(self.house.recipients())

        self.wait_until(answered, "the first nudge that counts")

    def wait_until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait for what must come."""
        houses.wait_until(reached, what, self.house)

    def ask(self, statement: str) -> int:
        """Ask the ledger for a number."""
        with psycopg.connect(self.house.environment["DATABASE_URL"]) as connection:
            row = connection.execute(statement).fetchone()
        assert row
        return int(row[0])

    def rung(self) -> int:
        """Return how often somebody rang since Redis was started."""
        with self.client() as client:
            return int(client.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))

    def rings_more_often_than(self, often: int) -> None:
        """Wait until somebody has rung more often."""
        self.wait_until(lambda: self.rung() > often, "beat")

    def client(self) -> redis.Redis:
        """Return a connection to Redis."""
        return redis.Redis.from_url(self.redis_url)

    def wait_for_redis(self) -> None:
        """Wait until Redis answers."""

        def answers() -> bool:
            with contextlib.suppress(redis.RedisError), self.client() as client:
                return bool(client.ping())
            return False

        self.wait_until(answers, "Redis")

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Keep every thread of both workers at a task that cannot go on, with more tasks behind them."""
        with psycopg.connect(self.house.environment["DATABASE_URL"]) as connection:
            connection.execute("LOCK TABLE signup_requests IN ACCESS EXCLUSIVE MODE")
            taken = self.taken()
            visitor = Celery("visitor", broker=self.redis_url, set_as_current=False)
            for _ in range(HELD + WAITING):
                visitor.send_task("tasks.signup.answer_waiting", queue="work")
            visitor.close()
            self.wait_until(lambda: self.taken() == taken + HELD, "tasks at work")
            yield

    def taken(self) -> int:
        """Return how many tasks were taken from the queue and not acknowledged, with those of dead workers."""
        with self.client() as client:
            return int(client.hlen("unacked"))

    def edition(self) -> int:
        """Have an edition go out to a few subscribers; return how many mails there will be when it is out."""
        addresses = [f"subscriber{number}@example.org" for number in range(SUBSCRIBERS)]
        with ThreadPoolExecutor(4) as visitors:
            list(visitors.map(lambda address: readers.join(self.house, address, "asia-daily"), addresses))
        before = len(self.house.recipients())
        self._asides.submit(self.house.flask, "demo", "tomorrow")
        self.wait_until(lambda: len(self.house.recipients()) > before, "the first mail of the edition")
        return before + SUBSCRIBERS


def forgetful(bell: Doorbell) -> None:
    """Redis forgets everything while tasks are at work and others wait."""
    with bell.busy(), bell.client() as client:
        client.flushall()
    bell.heard("after FLUSHALL, with tasks at work and in the queue")


def missed(bell: Doorbell, outage: Outage, seconds: float) -> None:
    """Redis is missed while an edition goes out and visitors come."""
    expected = bell.edition()
    bell.guard.order(outage.begin)
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
        bell.guard.order(outage.begin)
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
    houses.start_worker(bell.house, WORKERS[0])


def ended(bell: Doorbell, *, relay_hangs: bool) -> None:
    """Workers are told to end, more than once, while a mail is under way and Redis hangs."""
    what = f"a worker's end while Redis {'and the relay hang' if relay_hangs else 'hangs'}"
    relay = bell.house.processes["relay"]
    relay.send_signal(signal.SIGSTOP)
    address = bell.ring()
    bell.wait_until(lambda: bell.ask(LEASED) == 1, "a mail under way")
    bell.guard.order("STOP")
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        for name in WORKERS:
            bell.house.processes[name].send_signal(number)
        time.sleep(0.3)
    if not relay_hangs:
        relay.send_signal(signal.SIGCONT)
    for name in WORKERS:
        status = bell.house.processes.pop(name).wait(60)
        took = time.monotonic() - began
        bell.rows[f"{what}: {name}"] = f"{took:.1f} s"
        if took > END_S or status:
            bell.faults.append(f"{what}: {name} ended after {took:.1f} s with {status}")
    if bell.ask(LEASED) or bell.ask(DOUBTS):
        bell.faults.append(f"{what}: {bell.ask(LEASED)} claims were not given back, {bell.ask(DOUBTS)} are in doubt")
    _start_again(bell)
    bell.arrives(address)
    bell.heard(f"after {what}, and a new start")
    if bell.house.recipients().count(address) != 1:
        bell.faults.append(f"{what}: the mail under way went out more than once")


def _start_again(bell: Doorbell) -> None:
    bell.house.processes["relay"].send_signal(signal.SIGCONT)
    bell.guard.order("CONT")
    for name in WORKERS:
        houses.start_worker(bell.house, name)


def beat_goes_on(bell: Doorbell, outage: Outage, seconds: float) -> None:
    """Beat asks on after Redis was missed."""
    houses.start_beat(bell.house)
    bell.rings_more_often_than(bell.rung())
    bell.guard.order(outage.begin)
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
    bell.guard.order(outage.begin)
    _start_in_vain(bell, name)
    if bell.house.stop(name):
        bell.faults.append(f"{name} did not end in order when it had started while Redis {outage.words}")
    _start_in_vain(bell, name)
    bell.guard.order(outage.end)
    bell.wait_for_redis()
    bell.heard(f"after a worker had started while Redis {outage.words}")
    houses.start_worker(bell.house, WORKERS[1])


def _start_in_vain(bell: Doorbell, name: str) -> None:
    """Start a worker, and wait until it has seen that Redis does not answer."""
    log = bell.house.folder / f"{name}.log"
    before = log.read_text("utf-8").count(IN_VAIN)
    houses.start_worker(bell.house, name)
    bell.wait_until(lambda: log.read_text("utf-8").count(IN_VAIN) > before, IN_VAIN)


@contextlib.contextmanager
def doorbell(folder: Path, *, database_url: str) -> Iterator[Doorbell]:
    """A fleet without beat, with a Redis of its own."""
    (folder / "postrider.toml").write_text((houses.ROOT / "demo" / "postrider.toml").read_text("utf-8") + CONFIG)
    with contextlib.ExitStack() as stack:
        redis_url, guard = stack.enter_context(servers.guarded_redis())
        house = stack.enter_context(
            houses.fleet(
                folder,
                database_url=database_url,
                redis_url=redis_url,
                POSTRIDER_CONFIG=str(folder / "postrider.toml"),
            )
        )
        houses.open_relay(house)
        house.stop("beat")
        bell = Doorbell(house, redis_url, guard)
        bell.heard("at first")
        yield bell


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.postgres_server() as postgres,
        postgres.database() as database_url,
        doorbell(Path(folder), database_url=database_url) as bell,
    ):
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
    page.write(
        "doorbell",
        title="Redis is a doorbell, and no more",
        claim=(
            "Redis forgets everything, is killed, or hangs for a minute, and workers crash: mail leaves meanwhile, "
            f"and new nudges count again within {SOON_S:.0f} seconds of the return. Beat is stopped, and senders look "
            "by themselves only once a minute, so what is heard is heard by the bell. A worker that is told to end "
            f"has ended within {END_S:.0f} seconds, also while Redis hangs."
        ),
        seed=0,
        rows=bell.rows,
        faults=bell.faults,
    )
    return 1 if bell.faults else 0


if __name__ == "__main__":
    sys.exit(main())
