"""What several runs share: a database server, a pattern of an empty database with all tables, and Redis."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import servers
from tests.chaos.house import KEYS, ROOT
from tests.servers import Guard, Postgres

PATTERN = "chaos_pattern"


@dataclass(frozen=True, slots=True)
class Ground:
    """The servers of a series of runs on one kind of database."""

    folder: Path
    postgres: Postgres | None = None
    redis_url: str = ""
    redis: Guard | None = None

    @contextmanager
    def database(self, folder: Path) -> Iterator[str]:
        """Make an empty database with all tables for one run; give its address."""
        if self.postgres is None:
            yield f"sqlite:///{shutil.copy(self.folder / 'pattern.db', folder / 'ledger.db')}"
            return
        with self.postgres.database(template=PATTERN) as url:
            yield url


@contextmanager
def prepared(database: str, folder: Path, *, with_redis: bool = False) -> Iterator[Ground]:
    """Start what runs on `sqlite` or `postgresql` need, and bring the pattern to the newest step."""
    with ExitStack() as stack:
        redis_url, redis = stack.enter_context(servers.guarded_redis()) if with_redis else ("", None)
        if database == "sqlite":
            _migrate(f"sqlite:///{folder / 'pattern.db'}", folder)
            # What still stands beside the file would not be in its copies.
            with closing(sqlite3.connect(folder / "pattern.db")) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            yield Ground(folder, None, redis_url, redis)
            return
        postgres = stack.enter_context(servers.postgres_server())
        with postgres.database(PATTERN) as url:
            _migrate(url, folder)
            yield Ground(folder, postgres, redis_url, redis)


def _migrate(url: str, folder: Path) -> None:
    """Make the tables as an installation does."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "SMTP_URL": "smtp://127.0.0.1:9", **KEYS}
    environment |= {"POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml"), "STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
