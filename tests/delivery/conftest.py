"""The ledger on both databases, and mails to put into it."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, and_, exists, or_, select, text, update

from core import addresses, clock, database, identity, mailtext
from core.database import Base, db
from core.services import Services
from delivery import batches, content, outbox
from delivery.bell import Bell
from delivery.models import Delivery, DeliveryEvent, Lane, Mailing
from delivery.moves import Claimed, Intent, Result
from delivery.pump import Pump
from delivery.sweeping import Swept
from tests import installation, servers
from tests.delivery.relay import Relay

TIMING = identity.Timing()
QUICK = identity.Timing(look_s=0.2)


@dataclass
class Ledger:
    """A ledger, with the few things that tests do to it."""

    engine: Engine
    services: Services
    bell: Bell

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

    def queue_bulk(
        self,
        *recipients: str | addresses.Address,
        lane: Lane = Lane.DIGEST,
        key: str = "edition:1",
        text: str = "News.",
    ) -> list[int]:
        """Put one bulk mail for each recipient into the ledger; return the deliveries' ids in that order."""
        frame = outbox.Frame(lane, "digest:asia-daily", "Courier", "news@example.org", "f:d:p:monsoon", "resend")
        parsed = [addresses.parse(one) if isinstance(one, str) else one for one in recipients]
        keys = [os.urandom(16) for _ in parsed]
        with database.write_turn():
            mailing = outbox.open_mailing(key, frame=frame, now=clock.utc_now())
            empty_part = content.Part((), ())
            shell = outbox.add_shell(mailing, language="en", format="text", head=empty_part, foot=empty_part)
            block = outbox.add_block(content.Part(content.cut(text), ()))
            made = outbox.add_content(mailing, shell_id=shell, subject="News", block_ids=[block])
            outbox.queue_bulk(
                [
                    outbox.Planned(outbox.Recipient(address, None), once_key, made)
                    for address, once_key in zip(parsed, keys, strict=True)
                ],
                mailing_id=mailing,
                lane=lane,
                link_set=outbox.LinkSet.NONE,
                not_after=clock.utc_now() + timedelta(hours=12),
                services=self.services,
            )
            db.session.commit()
        found = dict(
            db.session.execute(select(Delivery.once_key, Delivery.id).where(Delivery.once_key.in_(keys))).all()
        )
        return [found[one] for one in keys]

    def states(self, *deliveries: int) -> list[str]:
        """Return the states of deliveries, in that order."""
        db.session.rollback()
        rows = db.session.execute(select(Delivery.id, Delivery.state).where(Delivery.id.in_(deliveries)))
        found = dict(rows.all())
        return [found[one] for one in deliveries]

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

    def claim(self, worker: str = "one", limit: int = 10, *, lanes: Sequence[Lane] = tuple(Lane)) -> list[Claimed]:
        """Claim as a sender does: look what there is, then take some of it."""
        board = batches.look(self.engine, "main", [int(lane) for lane in lanes])
        return batches.claim(self.engine, worker, board.queues, {}, limit=limit, timing=TIMING).claimed

    def exchange(self, worker: str, results: Sequence[Result], wanted: Sequence[Claimed]) -> list[Intent]:
        """Hand in results and ask for intents, as a committer does."""
        return batches.exchange(self.engine, worker, results, {"main": wanted}, timing=TIMING)

    def intend(self, worker: str = "one") -> list[Intent]:
        """Claim, and have the intents made durable."""
        return self.exchange(worker, [], self.claim(worker))

    def sweep(self) -> Swept:
        """Sweep once."""
        return batches.sweep(self.engine, TIMING)

    def pump(self, relay: Relay | identity.Relay | identity.PostOffice, timing: identity.Timing = QUICK) -> Pump:
        """Return a sender for a relay, or for several with the lanes of `services`."""
        if isinstance(relay, Relay):
            relay = identity.Relay("127.0.0.1", relay.port, "none")
        post = relay if isinstance(relay, identity.PostOffice) else identity.PostOffice({"main": relay}, timing)
        folder = installation.state_folder()
        return Pump(self.engine, post=post, services=self.services, bell=self.bell, state_dir=folder)

    def wait_until_sent(self, delivery_id: int) -> None:
        """Wait for a sender in another thread to hand a mail over; the test says what it found."""
        self.wait_until(lambda: self.row(delivery_id).state == "sent")

    @staticmethod
    def wait_until(reached: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for something that a sender in another thread does; the test says what it found."""
        deadline = time.monotonic() + seconds
        while not reached() and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextmanager
    def sending(
        self,
        relay: Relay | identity.Relay | identity.PostOffice,
        timing: identity.Timing = QUICK,
        *,
        patience_s: float = 5,
    ) -> Iterator[Pump]:
        """Have a sender run meanwhile."""
        pump, stop = self.pump(relay, timing), threading.Event()
        thread = threading.Thread(target=pump.run, args=(stop,), kwargs={"patience_s": patience_s})
        thread.start()
        try:
            yield pump
        finally:
            stop.set()
            self.bell.set()
            thread.join(patience_s + 10)
            assert not thread.is_alive()

    def send_all(self, relay: Relay | identity.Relay) -> None:
        """Run a sender until nothing more is due."""
        with self.sending(relay):
            self.wait_until(self._nothing_due)

    def _nothing_due(self) -> bool:
        db.session.rollback()
        due = Delivery.next_attempt_at <= database.ledger_now(db.session.connection())
        open_rows = or_(Delivery.state.in_(["claimed", "sending"]), and_(Delivery.state == "planned", due))
        return not db.session.scalar(select(exists().where(open_rows)))


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
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """An empty ledger, on SQLite and on PostgreSQL."""
    found: Ledger = request.getfixturevalue("sqlite_ledger" if request.param == "sqlite" else "postgres_ledger")
    return found


@pytest.fixture
def postgres_ledger(ledger_postgres: str) -> Iterator[Ledger]:
    """An empty ledger on PostgreSQL only, for what is of that database alone."""
    settings = installation.settings_for(ledger_postgres)
    with installation.rooms_on(settings):
        empty(db.engine)
        bell = Bell()
        yield Ledger(db.engine, installation.services_for(settings), bell)
        bell.close()


@pytest.fixture
def sqlite_ledger(tmp_path: Path, ledger_file: Path) -> Iterator[Ledger]:
    """An empty ledger on SQLite only, for what no database makes a difference to."""
    settings = installation.settings_for(f"sqlite:///{shutil.copy(ledger_file, tmp_path / 'ledger.db')}")
    with installation.rooms_on(settings):
        bell = Bell()
        yield Ledger(db.engine, installation.services_for(settings), bell)
        bell.close()


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A scripted relay."""
    with Relay() as running:
        yield running
