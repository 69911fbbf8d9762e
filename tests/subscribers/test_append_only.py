"""The proof of consent can only grow: the database itself holds that, on both kinds."""

from collections.abc import Iterator

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Executable, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from app import create_app
from core import services
from core.database import Base, db
from subscribers import consentchain, offer
from subscribers.consentchain import Sealer
from tests.installation import settings_for
from tests.subscribers import people

ENTRIES, OWN = Base.metadata.tables["consent_entries"], Base.metadata.tables["consent_particulars"]


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest, tmp_path) -> Iterator[Flask]:
    """An application on a database as the migrations make it, with two entries, of which the first is sealed."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'consent.db'}" if sqlite else request.getfixturevalue("postgres_database")
    app = create_app(settings_for(url))
    with app.app_context():
        flask_migrate.upgrade()
        offer.apply([people.ASIA])
        for name in ("one", "two"):
            people.joined(services.current(), f"{name}@example.org")
        db.session.commit()
        consentchain.seal_next(Sealer(b"key"), None, generation=0, limit=1)
        db.session.commit()
        yield app
        db.session.remove()
        db.engine.dispose()


def rows() -> list[object]:
    return [list(db.session.execute(select(table).order_by(text("1")))) for table in (ENTRIES, OWN)]


REFUSED = (
    delete(ENTRIES),
    update(ENTRIES).values(wording="other"),
    update(ENTRIES).where(ENTRIES.c.seq == 1).values(seal=b"other"),
    update(ENTRIES).where(ENTRIES.c.seq == 1).values(seq=7),
    update(ENTRIES).where(ENTRIES.c.seq == 1).values(seq=None, seal=None),
    update(ENTRIES).where(ENTRIES.c.seq.is_(None)).values(seq=2, seal=b"seal", kind="change"),
    update(ENTRIES).where(ENTRIES.c.seq.is_(None)).values(seq=2),
    update(OWN).values(form="other"),
    update(OWN).where(OWN.c.entry_id == 1).values(salt=b"other"),
)


def test_what_would_change_or_take_out_an_entry_is_refused(migrated):
    before = rows()
    for statement in REFUSED:
        with pytest.raises(DBAPIError, match=r"proof of consent|consent_entries_sealed"):
            db.session.execute(statement)
        db.session.rollback()
        assert rows() == before, statement


def test_an_entry_that_waits_is_sealed_once_and_particulars_are_erased(migrated):
    assert consentchain.seal_next(Sealer(b"key"), None, generation=0, limit=9).count == 1
    db.session.execute(delete(OWN).where(OWN.c.entry_id == 1))
    db.session.commit()
    assert db.session.scalars(select(OWN.c.entry_id)).all() == [2]


def test_no_way_around_the_trigger_takes_an_entry_out(migrated):
    before = rows()
    if db.engine.dialect.name == "sqlite":
        one = dict(db.session.execute(select(ENTRIES).where(ENTRIES.c.seq == 1)).one()._mapping)
        around: Executable = insert(ENTRIES).prefix_with("OR REPLACE").values(one | {"wording": "other"})
    else:
        around = text("TRUNCATE consent_entries CASCADE")
    with pytest.raises(DBAPIError, match="proof of consent"):
        db.session.execute(around)
    db.session.rollback()
    assert rows() == before
