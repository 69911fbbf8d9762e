"""Subscribe a run's readers to the demo's digest, have its next edition due in a moment, and say what each must get.

`python -m tests.chaos.readers plan.json < wish.json`: like tests.chaos.seed, for runs in which two beats open the
edition and two workers compose it.
"""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from app import create_app
from commands import demo
from core import addresses, clock, database
from core.database import db
from core.services import Services, current
from delivery.models import LinkSet
from subscribers import offer, rhythm, tastes
from subscribers.models import Rhythm, Subscriber, Subscription
from tests.chaos.seed import tokens

DIGEST = "asia-daily"
DUE_IN = timedelta(seconds=4)
"""By then both beats and both workers look."""


def main() -> None:
    """Read the wish, subscribe the readers, write the plan."""
    wish = json.load(sys.stdin)
    with create_app().app_context():
        demo.load_publication()
        now, services = clock.utc_now(), current()
        with database.write_turn():
            made = [(one, *_reader(one["to"], services)) for one in wish["readers"]]
            row = db.session.get_one(Rhythm, made[0][2].rhythm_id)
            row.next_due_at = now + DUE_IN
            mailing = f"edition:{DIGEST}:regular:{row.slot}"
            not_after = now + timedelta(seconds=offer.by_key(DIGEST).not_after_s)
            plan = [_planned(one, person, mailing, not_after.timestamp(), services) for one, person, _row in made]
            db.session.commit()
    Path(sys.argv[1]).write_text(json.dumps({"seed": wish["seed"], "recipients": plan}))


def _reader(mailbox: str, services: Services) -> tuple[Subscriber, Subscription]:
    """Subscribe one reader, to whom every story is new."""
    now = clock.utc_now()
    address, digest = addresses.parse(mailbox), offer.by_key(DIGEST)
    choice = rhythm.choose("daily", minute=7 * 60, zone="Asia/Hong_Kong")
    person = Subscriber(
        public_id=os.urandom(16),
        address=address.mailbox,
        addr_hash=services.keyring.hash(address),
        state="active",
        language="en",
        zone="Asia/Hong_Kong",
        created_at=now,
    )
    db.session.add(person)
    db.session.flush()
    subscription = Subscription(
        subscriber_id=person.id,
        digest_id=digest.id,
        state="on",
        taste_id=tastes.taste_row(topics=[], countries=[], most=12, format="both").id,
        rhythm_id=rhythm.rhythm_row(digest, choice, now=now).id,
        fresh_from=now - timedelta(days=3650),
        created_at=now,
    )
    db.session.add(subscription)
    db.session.flush()
    return person, subscription


def _planned(
    one: dict[str, Any], person: Subscriber, mailing: str, not_after: float, services: Services
) -> dict[str, Any]:
    return {
        **one,
        "mailing": mailing,
        "policy": "resend",
        "once_key": person.addr_hash.hex(),
        "reader_key": person.public_id.hex(),
        "addr_hash": person.addr_hash.hex(),
        "not_after": not_after,
        "marks": [],
        "tokens": tokens(person.public_id, f"digest:{DIGEST}", LinkSet.READER, services),
    }


if __name__ == "__main__":
    main()
