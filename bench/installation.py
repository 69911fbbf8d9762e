"""An installation on the ground: its own database, its settings, and the shipped processes, run from outside."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis
from flask import Flask

from bench.ground import TEMPLATE, BenchError, Ground, wait_until
from core import database, services, settings
from core.database import db
from core.settings import ROOT
from tasks.celery_app import init_celery
from tests import servers

KEYS = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuv",
    "HASH_KEY": "vutsrqponmlkjihgfedcba9876543210",
    "CONSENT_KEY": "0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p",
}
CONFIG = """
[publication]
languages = ["en"]
zone = "Asia/Hong_Kong"
base_url = "https://news.monsoon.example.org"
postal_address = "1 Quay Street, Hong Kong"
contact = "desk@monsoon.example.org"
[publication.name]
en = "The Monsoon Courier"
[publication.motto]
en = "News from Asia, carried to your door."
[mail]
sender = "news@monsoon.example.org"
domain = "monsoon.example.org"
bounce_domain = "bounces.monsoon.example.org"
feedback_sender = "monsoon"
[signup]
most_unconfirmed = 1000000
[relays.main]
connections = {connections}
"""
FLASK = (sys.executable, "-m", "flask", "--app", "app")
QUIET = ("--without-gossip", "--without-mingle")
PROCESSES = {
    "site": (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:site()"),
    "pump": (*FLASK, "delivery", "pump"),
    "worker": (sys.executable, "-m", "celery", "-A", "worker", "worker", *QUIET),
    "profiled pump": (sys.executable, "-m", "bench.profile"),
}
"""The site; and the processes that send: the one without Celery, a worker, and the first of them with a profiler."""
ENDS_WITHIN_S = 40


@dataclass
class Sender:
    """A running process of the service."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Return its number."""
        return self.process.pid

    def check(self) -> None:
        """Raise BenchError, with its last words, when it has ended."""
        if self.process.poll() is not None:
            words = self.log.read_text("utf-8", "replace")[-1500:]
            raise BenchError(f"A sender ended with status {self.process.returncode}. Its last words: {words}")

    def stop(self) -> None:
        """End it as an operator does, and wait for it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass
class Installation:
    """One database with its settings. `rooms` is an application context in this process, without doors."""

    folder: Path
    environment: Mapping[str, str]
    database_url: str
    senders: list[Sender] = field(default_factory=list)

    def start(self, kind: str, **extra: str) -> Sender:
        """Start one of PROCESSES."""
        number = len(self.senders) + 1
        log = self.folder / f"sender-{number}.log"
        command = [*PROCESSES[kind], *(("-n", f"bench-{number}@here") if kind == "worker" else ())]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.senders.append(Sender(process, log))
        return self.senders[-1]

    def stop(self) -> None:
        """End every process that is left."""
        for sender in self.senders:
            sender.stop()
        self.senders.clear()

    def complaints(self) -> dict[str, int]:
        """Return which warnings and errors the senders logged, and how often: a good run has none."""
        found = Counter[str]()
        for sender in self.senders:
            for line in sender.log.read_text("utf-8", "replace").splitlines():
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    event = json.loads(line)
                    if event["level"] in ("warning", "error", "critical"):
                        words = str(event.get("error", "")).partition("\\n")[0]
                        found[re.sub(r"\d+", "#", f"{event['event']} {words}").strip()[:120]] += 1
        return dict(found)

    def flask(self, *words: str) -> str:
        """Run one of the service's commands; return what it printed. Raises BenchError when it fails."""
        done = subprocess.run([*FLASK, *words], cwd=ROOT, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"flask {' '.join(words)} failed: {(done.stderr or done.stdout)[-1500:]}")
        return done.stdout

    @contextlib.contextmanager
    def rooms(self) -> Iterator[Flask]:
        """Have the rooms in this process, as a door has them."""
        known = settings.load(self.environment)
        app = Flask("postrider", root_path=str(ROOT))
        app.config["SQLALCHEMY_DATABASE_URI"] = known.database_url
        app.extensions["postrider"] = services.from_settings(known)
        db.init_app(app)
        init_celery(app, known)
        with app.app_context():
            database.prepare_engine(db.engine)
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query on the installation's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def settle(self) -> None:
        """Have the tables analysed, and what was written before on the disk: the next measurement begins even."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def wait_until_done(self, *, within_s: float = 60.0) -> None:
        """Wait until the ledger says that nothing is open any more."""
        open_row = "SELECT 1 FROM deliveries WHERE state IN ('planned', 'claimed', 'sending') LIMIT 1"
        wait_until(lambda: not self.ask(open_row), within_s=within_s, otherwise="The ledger has open rows left.")

    def states(self) -> dict[str, int]:
        """Return how many deliveries there are in each state."""
        return {str(row[0]): int(str(row[1])) for row in self.ask("SELECT state, count(*) FROM deliveries GROUP BY 1")}


@contextlib.contextmanager
def installation(ground: Ground, *, smtp_port: int, connections: int, settings: str = "") -> Iterator[Installation]:
    """Make an installation with an empty ledger; its processes and its database are gone at the end.

    `settings` are tables of TOML that it has besides.
    """
    _migrate(ground)
    with redis.Redis.from_url(ground.redis_url) as client:
        client.flushdb()
    with servers.run_folder() as folder, ground.postgres.database(template=TEMPLATE) as url:
        made = Installation(folder, _environment(ground, folder, url, smtp_port, connections, settings), url)
        try:
            yield made
        finally:
            made.stop()


def _migrate(ground: Ground) -> None:
    """Make the database that others are copied from, once."""
    with psycopg.connect(ground.postgres.url("postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
            return
        connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0".encode())
    with servers.run_folder() as folder:
        url = ground.postgres.url(TEMPLATE)
        Installation(folder, _environment(ground, folder, url, 25, 1), url).flask("db", "upgrade")


def _environment(
    ground: Ground, folder: Path, url: str, smtp_port: int, connections: int, settings: str = ""
) -> dict[str, str]:
    config = folder / "postrider.toml"
    config.write_text(CONFIG.format(connections=connections) + settings, "utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return (
        kept
        | KEYS
        | {
            "PYTHONUNBUFFERED": "1",
            "POSTRIDER_CONFIG": str(config),
            "DATABASE_URL": url,
            "REDIS_URL": ground.redis_url,
            "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        }
    )
