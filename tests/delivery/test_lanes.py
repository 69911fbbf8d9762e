"""Which mails leave first: those of a better lane, however many of another one wait already."""

from datetime import timedelta

from sqlalchemy import select

from core import clock, identity
from core.database import db
from delivery import supplier
from delivery.models import Delivery, Lane
from delivery.states import State
from tests.delivery.conftest import Ledger
from tests.delivery.mailings import mailing, mails


def test_a_digest_of_many_that_is_being_sent_lets_a_breaking_mail_go_first(ledger: Ledger, monkeypatch):
    digest = mailing()
    long_ago = clock.utc_now() - timedelta(hours=1)
    mails(digest, {State.PLANNED: 40}, next_attempt_at=long_ago)
    monkeypatch.setattr(supplier, "AHEAD", 20)
    pump = ledger.pump(identity.Relay("127.0.0.1", 1, "none"))
    (pool,) = [one for one in pump.pools if not one.urgent]
    # Without the thread that keeps the guard, a sender takes its ledger for one that was put back.
    monkeypatch.setattr(pump._supplier, "_guard", None)
    claims = pump._supplier._fill
    assert claims(pool) and len(pool.supply) == 20, "the digest is being sent"
    pool.supply.clear()
    breaking = mails(mailing("breaking:asia-daily:1", lane=Lane.BREAKING), {State.PLANNED: 5})
    pump._supplier.look()
    assert claims(pool)
    db.session.rollback()
    claimed = [one.claimed.id for one in pool.supply]
    assert claimed[:5] == breaking
    rest = db.session.scalars(select(Delivery.lane).where(Delivery.id.in_(claimed[5:]))).all()
    assert len(rest) == 15 and set(rest) == {Lane.DIGEST}
