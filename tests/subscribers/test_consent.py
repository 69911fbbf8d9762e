"""The proof of consent."""

import hashlib
import json

import pytest
from sqlalchemy import delete, select

from core.database import db
from subscribers import consent
from subscribers.models import ConsentEntry, ConsentParticulars
from tests.subscribers.people import NOW, joined


@pytest.mark.parametrize(
    ("origin", "kept", "read"),
    [
        ("192.0.2.77", "192.0.2.0/24", "192.0.2.x"),
        ("192.0.2.0/24", "192.0.2.0/24", "192.0.2.x"),
        ("::ffff:192.0.2.77", "192.0.2.0/24", "192.0.2.x"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48", "2001:db8:1:x"),
        ("2001:db8:1::/48", "2001:db8:1::/48", "2001:db8:1:x"),
        ("::1", "::/48", "::x"),
        ("fe80::1%eth0", "fe80::/48", "fe80:x"),
        ("unknown", "", ""),
        ("192.0.2.77, 198.51.100.1", "", ""),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_an_origin_is_kept_without_its_last_part(origin, kept, read):
    assert consent.truncated(origin) == kept
    assert consent.shown(kept) == read


def test_an_opt_in_says_what_was_agreed_to_and_when(app, services):
    joined(services)
    entry = db.session.scalars(select(ConsentEntry)).one()
    assert (entry.kind, entry.at, entry.wording) == ("opt_in", NOW, "v1")


def test_whose_proof_it_is_stands_apart(app, services):
    subscriber = joined(services).subscriber
    own = db.session.scalars(select(ConsentParticulars)).one()
    assert (own.subscriber_id, own.addr_hash) == (subscriber.id, subscriber.addr_hash)
    assert (own.form, own.origin_truncated) == ("/en/subscribe", "192.0.2.0/24")


def test_the_commitment_can_be_computed_again_from_what_is_stored(app, services):
    subscriber = joined(services).subscriber
    db.session.commit()
    entry = db.session.scalars(select(ConsentEntry)).one()
    own = db.session.get_one(ConsentParticulars, entry.id)
    committed = {
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "digest": "asia-daily",
        "wording": entry.wording,
        "subscriber": subscriber.public_id.hex(),
        "addr_hash": own.addr_hash.hex(),
        "form": own.form,
        "origin": own.origin_truncated,
    }
    assert hashlib.sha256(own.salt + json.dumps(committed, sort_keys=True).encode()).digest() == entry.commitment


def test_an_entry_outlives_its_particulars(app, services):
    joined(services)
    db.session.execute(delete(ConsentParticulars))
    db.session.commit()
    assert db.session.scalars(select(ConsentEntry)).one().kind == "opt_in"


def test_two_proofs_of_the_same_agreement_do_not_look_alike(app, services):
    for number in range(2):
        joined(services, f"r{number}@example.org")
    commitments = db.session.scalars(select(ConsentEntry.commitment)).all()
    assert len(set(commitments)) == 2
