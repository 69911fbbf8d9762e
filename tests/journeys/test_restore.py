"""A backup is put back: nothing leaves it before a person says so, and who left since has left."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from core import clock
from core.database import db
from delivery.models import Delivery
from digests import editions
from subscribers import joining
from tasks import digests
from tests import servers
from tests.installation import settings_for
from tests.journeys import houses
from tests.journeys.houses import House, wait_until
from tests.web.readers import Reader, Readers


@dataclass
class Sqlite:
    """A database that is a file."""

    file: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def back_up(self, to: Path) -> None:
        with closing(sqlite3.connect(self.file)) as here, closing(sqlite3.connect(to)) as there:
            here.backup(there)

    def put_back(self, from_: Path) -> None:
        for left in self.file.parent.glob(f"{self.file.name}*"):
            left.unlink()
        shutil.copy(from_, self.file)


@dataclass
class Postgres:
    """A database of a PostgreSQL server."""

    url: str

    def back_up(self, to: Path) -> None:
        self._run("pg_dump", "--format=custom", f"--file={to}", self.url)

    def put_back(self, from_: Path) -> None:
        self._run("pg_restore", "--clean", "--if-exists", "--exit-on-error", f"--dbname={self.url}", str(from_))

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([servers.postgres_place() / "bin" / program, *words], check=True, timeout=60)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> Sqlite | Postgres:
    if request.param == "sqlite":
        return Sqlite(tmp_path / "postrider.db")
    return Postgres(request.getfixturevalue("postgres_database"))


@pytest.fixture
def house(database, tmp_path) -> Iterator[House]:
    with houses.post_office(tmp_path, database_url=database.url) as house:
        yield house


@pytest.fixture
def app(house) -> Iterator[Flask]:
    """The site of that house, in this process."""
    settings = replace(
        settings_for(house.environment["DATABASE_URL"]),
        secret_key=houses.KEYS["SECRET_KEY"].encode(),
        hash_key=houses.KEYS["HASH_KEY"].encode(),
        consent_key=houses.KEYS["CONSENT_KEY"].encode(),
        state_dir=Path(house.environment["STATE_DIR"]),
    )
    made = create_app(settings)
    with made.app_context():
        yield made
        db.session.remove()
        db.engine.dispose()


def let_go() -> None:
    """Hold no connection, as the database is about to be another one."""
    db.session.remove()
    db.engine.dispose()


def start_sender(house: House) -> None:
    house.start("sender", sys.executable, "-m", "flask", "--app", "app", "delivery", "pump")


def send(house: House, count: int) -> None:
    """Run a sender until so many mails have arrived in all."""
    start_sender(house)
    wait_until(lambda: len(house.recipients()) >= count, f"{count} mails", house)
    assert house.stop("sender", signal.SIGTERM) == 0
    assert len(house.recipients()) == count


def compose() -> None:
    """Open and compose what is due, as beat and a worker do."""
    digests.open_due()
    db.session.rollback()
    for wave in editions.unfinished(clock.utc_now()):
        digests.compose(wave)
    db.session.remove()


def planned() -> int:
    db.session.rollback()
    return len(db.session.scalars(select(Delivery.id).where(Delivery.state == "planned")).all())


def states(reader: Reader) -> list[str]:
    return [one.state for one in joining.subscriptions_of(reader.row).values()]


def test_a_backup_sends_nothing_before_a_person_says_so_and_who_left_since_has_left(house, app, database, tmp_path):
    readers, site = Readers(app), app.test_client(use_cookies=False)
    _anna, boris = readers.join("anna@example.org"), readers.join("boris@example.org")
    send(house, 2)
    compose()
    assert planned() == 2, "the backup is made while two editions wait"
    database.back_up(tmp_path / "backup")
    send(house, 4)
    assert site.post(boris.unsubscribe).status_code == 200
    assert states(boris) == ["off"]
    let_go()
    database.put_back(tmp_path / "backup")
    assert (planned(), states(boris)) == (2, ["on"]), "the backup knows nothing of all that"

    start_sender(house)
    wait_until(lambda: "mail held" in house.logs(), "a sender that says why", house)
    assert house.stop("sender", signal.SIGTERM) == 0
    assert len(house.recipients()) == 4
    db.session.rollback()
    readers.ask("carla@example.org")
    assert site.get("/en/").status_code == 200 and planned() == 3, "forms and pages work meanwhile, and mail waits"

    said = house.flask("restore", "finish", "--yes")
    assert "Brought back: 1 opt-out." in said
    assert "edition:asia-daily:first" in said and "2 waiting" in said
    send(house, 6)
    assert sorted(house.recipients()) == [
        *["anna@example.org"] * 3,  # her edition twice: the ledger could not know
        *["boris@example.org"] * 2,
        "carla@example.org",
    ]
    assert states(boris) == ["off"]
