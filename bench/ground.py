"""What a measurement stands on: PostgreSQL that is durable, Redis, and a sink that takes the mail."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from bench.sink import COUNTS, DEFAULT_MARK
from core.settings import ROOT
from tests import servers
from tests.servers import Postgres

DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}
"""What makes a COMMIT that was answered survive a power cut: PostgreSQL's own defaults, said aloud."""
TUNED = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
}
"""What is set beside them, as docs/operations.md recommends it."""
MOST_CONNECTIONS = "200"
TEMPLATE = "migrated"
"""The database that every measurement gets a copy of."""


class BenchError(Exception):
    """A measurement cannot be made; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The servers that all measurements share, with the processes that they are."""

    postgres: Postgres
    postmaster: int
    redis_url: str
    redis_pid: int
    sync_us: float


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """Run PostgreSQL and Redis for as long as the measurements take."""
    with durable_postgres() as (postgres, postmaster), servers.redis_server() as redis_url:
        with redis.Redis.from_url(redis_url) as client:
            redis_pid = int(client.info("server")["process_id"])
        with servers.run_folder() as folder:
            sync_us = _sync_us(folder)
        yield Ground(postgres, postmaster, redis_url, redis_pid, sync_us)


def _sync_us(folder: Path) -> float:
    """Return how many microseconds it takes to have 8 kB on the disk, where the database is."""
    tries = 200
    with (folder / "sync").open("wb", buffering=0) as file:
        started = time.monotonic()
        for _try in range(tries):
            file.write(bytes(8192))
            os.fdatasync(file.fileno())
        return (time.monotonic() - started) / tries * 1e6


@contextlib.contextmanager
def durable_postgres() -> Iterator[tuple[Postgres, int]]:
    """Run PostgreSQL as an installation should: what it has committed is on the disk. Give it and its process id."""
    with servers.run_folder() as folder:
        owner = servers.ordinary_user()
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        programs_folder = servers.postgres_programs(folder, owner)
        port, password = servers.free_port(), servers.make_cluster(programs_folder, folder, owner)
        place = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
        settings = place | {"max_connections": MOST_CONNECTIONS} | DURABLE | TUNED
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(programs_folder / "postgres"), "-D", str(folder / "data"), *options]
        # Its files go with it, so at the end it need not write them out.
        with servers.guarded(command, folder, stop="QUIT", owner=owner) as guard:
            server = Postgres(port, password, guard, folder / "log")
            server.wait_until_ready()
            yield server, int((folder / "data" / "postmaster.pid").read_text("ascii").split()[0])


@dataclass(frozen=True, slots=True)
class Counted:
    """What a sink has taken: how many, and the monotonic times of the first and the last."""

    taken: int
    first: float
    last: float

    @property
    def rate(self) -> float:
        """Return messages a second, from the first acceptance to the last."""
        return (self.taken - 1) / (self.last - self.first) if self.taken > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Sink:
    """A running sink of ours."""

    port: int
    pid: int
    folder: Path

    def counted(self) -> Counted:
        """Return what it has taken so far."""
        return Counted(*COUNTS.unpack((self.folder / "counts").read_bytes()))

    def arrivals(self) -> dict[str, float]:
        """Return when the first mail to each marked address came, on the monotonic clock."""
        found: dict[str, float] = {}
        for line in (self.folder / "arrivals").read_text("ascii").splitlines():
            at, _space, address = line.partition(" ")
            found.setdefault(address, float(at))
        return found


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    """Run a sink of ours; it begins at nought."""
    port = servers.free_port()
    with servers.run_folder() as folder:
        command = [sys.executable, "-m", "bench.sink", "--port", str(port), "--folder", str(folder)]
        process = subprocess.Popen([*command, "--mark", DEFAULT_MARK], cwd=ROOT, stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: listens(port), within_s=20, otherwise="The sink does not listen.")
            yield Sink(port, process.pid, folder)
        finally:
            process.terminate()
            process.wait(10)


def listens(port: int) -> bool:
    """Return whether somebody takes connections at a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_until(reached: Callable[[], bool], *, within_s: float, otherwise: str, every_s: float = 0.02) -> None:
    """Wait for something that must come. Raises BenchError when it does not."""
    deadline = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > deadline:
            raise BenchError(otherwise)
        time.sleep(every_s)
