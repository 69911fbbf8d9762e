"""Mailings in any state of affairs, written straight into the ledger."""

import hashlib
import os
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import insert

from core import clock, database
from core.database import db
from delivery import states
from delivery.models import Content, Delivery, Lane, LinkSet, Mailing, Shell
from delivery.states import State

KEY = "edition:asia-daily:regular:2026-11-24"


def mailing(
    key: str = KEY,
    *,
    lane: Lane = Lane.DIGEST,
    doubt_policy: str = "resend",
    sender: str = "news@monsoon.example.org",
    **values: object,
) -> int:
    """Write a mailing without mails; return its id."""
    frame = {"stream": "digest:asia-daily", "sender_name": "The Monsoon Courier", "feedback": "a:b:c:monsoon"}
    row = {"key": key, "lane": int(lane), "doubt_policy": doubt_policy, "sender": sender, "state": "running", **frame}
    with database.write_turn():
        made = db.session.execute(
            insert(Mailing)
            .values({**row, "revision": 1, "created_at": clock.utc_now(), **values})
            .returning(Mailing.id)
        ).scalar_one()
        db.session.commit()
    return made


def mails(mailing_id: int, counts: Mapping[State, int], **values: object) -> list[int]:
    """Write so many mails in each state into a mailing; return their ids in that order."""
    with database.write_turn():
        lane = db.session.get_one(Mailing, mailing_id).lane
        content = _content(mailing_id)
        wanted = [state for state, count in counts.items() for _ in range(count)]
        rows = [
            {"mailing_id": mailing_id, "content_id": content, "lane": lane, **_mail(state), **values}
            for state in wanted
        ]
        statement = insert(Delivery).returning(Delivery.id, sort_by_parameter_order=True)
        made = list(db.session.scalars(statement, rows)) if rows else []
        db.session.commit()
    return made


def _content(mailing_id: int) -> int:
    shell = {"mailing_id": mailing_id, "language": "en", "format": "both", "pieces": "{}"}
    found = db.session.query(Content.id).filter_by(mailing_id=mailing_id).first()
    if found is not None:
        return int(found[0])
    shell_id = db.session.execute(insert(Shell).values(shell).returning(Shell.id)).scalar_one()
    values = {"mailing_id": mailing_id, "shell_id": shell_id, "subject": "News", "block_ids": b""}
    fingerprint = hashlib.sha256(str(mailing_id).encode()).digest()
    return db.session.execute(
        insert(Content).values(**values, fingerprint=fingerprint).returning(Content.id)
    ).scalar_one()


def _mail(state: State) -> dict[str, object]:
    """Return a row that is true to its state, as the table's constraints have it."""
    now = clock.utc_now()
    begun = state in (State.SENDING, State.SENT, State.FAILED, State.IN_DOUBT)
    leased, ended = state in states.LEASED, state in states.TERMINAL
    return {
        "once_key": os.urandom(16),
        "link_set": int(LinkSet.NONE),
        "link_version": 1,
        "addr_hash": os.urandom(16),
        "address_sealed": None if ended else b"sealed",
        "provider": 1,
        "state": state,
        "epoch": 1,
        "attempts": int(begun),
        "doubts": int(state is State.IN_DOUBT),
        "next_attempt_at": now - timedelta(seconds=30),
        "not_after": now + timedelta(hours=12),
        "worker_id": "w" if leased else None,
        "lease_until": now + timedelta(minutes=2) if leased else None,
        "dated_at": now if begun else None,
        "intent_at": now if begun else None,
        "doubt_at": now if state is State.IN_DOUBT else None,
        "done_at": now if ended else None,
    }
