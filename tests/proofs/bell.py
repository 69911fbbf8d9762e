"""A fleet with a Redis of its own, without beat, to be listened at: which nudges are heard, and how soon."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis
from celery import Celery

from tests import servers
from tests.journeys import houses, readers
from tests.journeys.houses import House
from tests.servers import Guard
from tests.wire import Wire

SOON_S = 15.0
"""A nudge counts again so soon after the return of what was away."""
HELD = 8
"""What two workers of four threads take from the queue at most."""
WAITING = 4
SUBSCRIBERS = 6
CONFIG = """
[relays.main]
rate = 4

[delivery]
look_seconds = 60
"""
"""So slow that Redis can be taken away in the middle of an edition; looking as seldom as can be set."""


@dataclass
class Doorbell:
    """A fleet, its Redis, and what was found out about them."""

    house: House
    redis_url: str
    guard: Guard
    wire: Wire
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

    def start(self, name: str, until: str = " ready.") -> None:
        """Start a worker, and wait until it has said so."""
        log = self.house.folder / f"{name}.log"
        before = log.read_text("utf-8").count(until)
        houses.start_worker(self.house, name)
        self.wait_until(lambda: log.read_text("utf-8").count(until) > before, f"{name}: {until}")

    def take_away(self, order: str) -> None:
        """Give Redis an order that makes it missed, and wait until it is."""
        self.guard.order(order)

        def silent() -> bool:
            try:
                with redis.Redis.from_url(self.redis_url, socket_timeout=0.2) as client:
                    return not client.ping()
            except redis.RedisError:
                return True

        self.wait_until(silent, "the silence of Redis")

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


@contextlib.contextmanager
def doorbell(folder: Path, *, database_url: str, wired: bool = False) -> Iterator[Doorbell]:
    """A fleet without beat, with a Redis of its own; wired, they speak to it over a wire that can go dead."""
    (folder / "postrider.toml").write_text((houses.ROOT / "demo" / "postrider.toml").read_text("utf-8") + CONFIG)
    with contextlib.ExitStack() as stack:
        redis_url, guard = stack.enter_context(servers.guarded_redis())
        port = urlsplit(redis_url).port or 0
        wire = stack.enter_context(Wire(port))
        house = stack.enter_context(
            houses.fleet(
                folder,
                database_url=database_url,
                redis_url=redis_url.replace(f":{port}/", f":{wire.port}/") if wired else redis_url,
                POSTRIDER_CONFIG=str(folder / "postrider.toml"),
            )
        )
        houses.open_relay(house)
        house.stop("beat")
        bell = Doorbell(house, redis_url, guard, wire)
        bell.heard("at first")
        yield bell
