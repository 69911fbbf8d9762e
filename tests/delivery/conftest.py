"""The ledger on both databases, and mails to put into it."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text, update

from core import addresses, clock, database, mailtext
from core.database import Base, db
from core.services import Services
from delivery import outbox
from delivery.models import Delivery, DeliveryEvent, Mailing
from delivery.pump import Pump
from tests import installation, servers
from tests.delivery.relay import Relay


@dataclass
class Ledger:
    """A ledger, with the few things that tests do to it."""

    engine: Engine
    services: Services

    def queue(self, recipient: str = "ok@example.org", *, hours: float = 24) -> int:
        """Put one system mail into the ledger; return the delivery's id."""
        now = clock.utc_now()
        link = mailtext.place("confirm")
        mail = mailtext.Mail("en", "Please confirm", f"Open {link}", f'<p><a href="{link}">Yes</a></p>')
        once_key = os.urandom(16)
        with database.write_turn():
            outbox.queue_mail(
                outbox.Recipient(addresses.parse(recipient), reader_key=once_key),
                mailing="system:confirm",
                once_key=once_key,
                mail=mail,
                link_set=outbox.LinkSet.REQUEST,
                not_after=now + timedelta(hours=hours),
                now=now - timedelta(seconds=1),
                services=self.services,
            )
            db.session.commit()
        return db.session.execute(select(Delivery.id).where(Delivery.once_key == once_key)).scalar_one()

    def row(self, delivery_id: int) -> Delivery:
        """Return a delivery as it is now."""
        db.session.rollback()
        return db.session.get_one(Delivery, delivery_id, populate_existing=True)

    def change(self, delivery_id: int, **values: object) -> None:
        """Age or bend a delivery, as time would."""
        with database.write_turn():
            db.session.execute(update(Delivery).where(Delivery.id == delivery_id).values(values))
            db.session.commit()

    def change_mailing(self, **values: object) -> None:
        """Bend every mailing, as an operator would."""
        with database.write_turn():
            db.session.execute(update(Mailing).values(values))
            db.session.commit()

    def kinds(self, delivery_id: int) -> list[str]:
        """Return the kinds of the abnormal steps of a delivery, in order."""
        db.session.rollback()
        wanted = select(DeliveryEvent.kind).where(DeliveryEvent.delivery_id == delivery_id)
        return list(db.session.scalars(wanted.order_by(DeliveryEvent.id)))

    def pump(self, relay: Relay) -> Pump:
        """Return a sender for a relay."""
        settings = installation.settings_for("sqlite://", smtp_port=relay.port)
        return Pump(self.engine, relay=settings.relay, services=self.services)

    def wait_until_sent(self, delivery_id: int) -> None:
        """Wait for a sender in another thread to hand a mail over; the test says what it found."""
        deadline = time.monotonic() + 10
        while self.row(delivery_id).state != "sent" and time.monotonic() < deadline:
            time.sleep(0.02)

    def send_all(self, relay: Relay) -> None:
        """Run a sender until nothing more is due."""
        pump = self.pump(relay)
        while pump.send_due(threading.Event()):
            pass
        pump.hang_up()


@pytest.fixture(scope="session")
def ledger_file(tmp_path_factory) -> Path:
    """An SQLite file with all tables and nothing in them, made once."""
    path: Path = tmp_path_factory.mktemp("delivery") / "empty.db"
    with installation.rooms_on(installation.settings_for(f"sqlite:///{path}")):
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return path


@pytest.fixture(scope="session")
def ledger_postgres(postgres_server: servers.Postgres) -> Iterator[str]:
    """A PostgreSQL database for all ledgers of this pytest process, one after the other."""
    with postgres_server.database("ledgers") as url:
        yield url


def empty(engine: Engine) -> None:
    """Take out what the test before has left: much quicker than a new database."""
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """An empty ledger, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_ledger")
        return
    settings = installation.settings_for(request.getfixturevalue("ledger_postgres"))
    with installation.rooms_on(settings):
        empty(db.engine)
        yield Ledger(db.engine, installation.services_for(settings))


@pytest.fixture
def sqlite_ledger(tmp_path: Path, ledger_file: Path) -> Iterator[Ledger]:
    """An empty ledger on SQLite only, for what no database makes a difference to."""
    settings = installation.settings_for(f"sqlite:///{shutil.copy(ledger_file, tmp_path / 'ledger.db')}")
    with installation.rooms_on(settings):
        yield Ledger(db.engine, installation.services_for(settings))


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A scripted relay."""
    with Relay() as running:
        yield running
