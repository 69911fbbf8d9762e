"""An edition to measure with: fictional stories through the real templates, readers, and their rows in the ledger."""

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask, current_app
from sqlalchemy import insert

from bench.ground import BenchError
from core import clock, database
from core.addresses import Address
from core.database import db
from core.services import Services
from delivery import outbox
from delivery.models import Content, Lane
from digests import cohorts, rendering

LANGUAGE = "en"
DIGEST = "asia-daily"
STORIES = 60
"""Stories of the day. Each mail holds SHOWN of them."""
SHOWN = 12
HEAVY = ("example.org", "example.com", "example.net")
"""Where most readers have their address; the others are spread over SMALL domains."""
SMALL = 2000
PLANNERS = 2
"""Waves that are composed at once: a worker has four threads for its tasks."""
SLICE = 50_000
"""Readers that are made up at once."""
Choose = Callable[[int], int]
"""Which content a reader gets."""
SUBJECT = "The Monsoon Courier: {headline}"
_WORDS = [
    "harbour",
    "ferry",
    "monsoon",
    "market",
    "teachers",
    "railway",
    "island",
    "valley",
    "school",
    "council",
    "rice",
    "river",
    "fishing",
    "village",
    "border",
    "minister",
    "summer",
    "energy",
    "station",
    "court",
    "exports",
    "museum",
    "factory",
    "workers",
    "spring",
    "water",
    "bridge",
    "library",
    "hospital",
    "town",
    "farmers",
    "city",
    "night",
    "morning",
    "talks",
    "agreement",
    "price",
    "winter",
    "season",
    "record",
    "north",
    "south",
    "coast",
    "mountain",
    "open",
    "begin",
    "carry",
    "build",
    "agree",
    "promise",
    "return",
    "watch",
    "mend",
    "learn",
    "share",
    "between",
    "after",
    "before",
    "without",
    "under",
    "across",
]


def stories() -> list[rendering.StoryView]:
    """Return the day's stories; the same at every call."""
    chance = random.Random(20261123)

    def sentence(words: int) -> str:
        return " ".join(chance.choices(_WORDS, k=words)).capitalize()

    return [
        rendering.StoryView(
            article_id=number,
            revision=1,
            language=LANGUAGE,
            headline=sentence(9),
            standfirst=". ".join(sentence(14) for _sentence in range(5)) + ".",
            minutes=4,
            published="Monday, 23 November 2026, 06:00",
            url=f"https://news.monsoon.example.org/en/{number:08x}",
            share_url=f"https://news.monsoon.example.org/en/{number:08x}/send",
        )
        for number in range(STORIES)
    ]


def opening(shown: Sequence[rendering.StoryView]) -> rendering.Opening:
    """Return what stands before the stories of a mail."""
    return rendering.Opening(
        publication="The Monsoon Courier",
        digest="Asia Daily",
        date="Monday, 23 November 2026",
        stories=len(shown),
        minutes=sum(story.minutes for story in shown),
        preheader=" · ".join(story.headline for story in shown[1:3]),
        first=False,
        rhythm_next="",
        begins=(),
    )


def shell_view(services: Services) -> rendering.ShellView:
    """Return what the frame of the edition's mails says."""
    return rendering.ShellView("Asia Daily", LANGUAGE, services.links.to("subscribe", language=LANGUAGE))


def reader(number: int) -> outbox.Recipient:
    """Return one reader: two of three are at a few heavy domains, the others at thousands of small ones."""
    domain = HEAVY[number % 2] if number % 3 else f"d{number % SMALL}.{HEAVY[2]}"
    mailbox = f"reader{number:07d}@{domain}"
    return outbox.Recipient(Address(mailbox, mailbox), hashlib.blake2b(mailbox.encode(), digest_size=16).digest())


def choice(number: int, most: int) -> list[int]:
    """Return which stories a reader gets where each gets a different digest: other ones, in another order."""
    return random.Random(number).sample(range(STORIES), most)


@dataclass(frozen=True, slots=True)
class Edition:
    """An opened mailing with its compiled parts."""

    mailing_id: int
    shell_id: int
    opening_id: int
    story_ids: Sequence[int]
    services: Services


def open_edition(name: str, services: Services) -> Edition:
    """Open a mailing, and compile and store the day's stories, as the digests room does."""
    now = clock.utc_now()
    frame = outbox.Frame(
        lane=Lane.DIGEST,
        stream=f"digest:{DIGEST}",
        sender_name=services.publication.name(LANGUAGE),
        sender=services.identity.sender,
        feedback=f"{DIGEST}:digest:postrider:{services.identity.feedback_sender}",
        doubt_policy="resend",
        list_id=f"<{DIGEST}.{services.identity.domain}>",
        reply_to="desk@monsoon.example.org",
    )
    views = stories()
    head, foot = rendering.shell_parts(shell_view(services), services.publication)
    with database.write_turn():
        mailing_id = outbox.open_mailing(f"edition:bench:{name}", frame=frame, now=now)
        shell_id = outbox.add_shell(mailing_id, language=LANGUAGE, format="both", head=head, foot=foot)
        made = Edition(
            mailing_id,
            shell_id,
            outbox.add_block(rendering.part(opening(views[:SHOWN]), LANGUAGE)),
            [outbox.add_block(rendering.part(view, LANGUAGE)) for view in views],
            services,
        )
        db.session.commit()
    return made


def one_content(edition: Edition) -> Choose:
    """Write the one recipe that every reader gets; return how a reader finds it."""
    subject = SUBJECT.format(headline=stories()[0].headline)
    blocks = [edition.opening_id, *edition.story_ids[:SHOWN]]
    with database.write_turn():
        found = outbox.add_content(edition.mailing_id, shell_id=edition.shell_id, subject=subject, block_ids=blocks)
        db.session.commit()
    return lambda _number: found


def own_contents(edition: Edition, count: int) -> Choose:
    """Write a recipe for each reader, no two alike; return how a reader finds theirs.

    They are written at once, past the outbox: what is measured with them is the sending.
    """
    views = stories()
    ids: list[int] = []
    for first in range(0, count, 2000):
        rows = []
        for number in range(first, min(count, first + 2000)):
            chosen = choice(number, SHOWN)
            blocks = [edition.opening_id, *(edition.story_ids[one] for one in chosen)]
            packed = b"".join(block.to_bytes(8, "big") for block in blocks)
            rows.append(
                {
                    "mailing_id": edition.mailing_id,
                    "shell_id": edition.shell_id,
                    "subject": SUBJECT.format(headline=views[chosen[0]].headline),
                    "block_ids": packed,
                    "fingerprint": hashlib.sha256(packed + number.to_bytes(8, "big")).digest(),
                }
            )
        with database.write_turn():
            ids += db.session.scalars(insert(Content).returning(Content.id), rows).all()
            db.session.commit()
    return ids.__getitem__


def planned(edition: Edition, numbers: Sequence[int], content_of: Choose) -> list[outbox.Planned]:
    """Return the rows of some readers, not written yet."""
    keyring = edition.services.keyring
    made = []
    for number in numbers:
        recipient = reader(number)
        made.append(outbox.Planned(recipient, keyring.hash(recipient.address), content_of(number)))
    return made


def plan(edition: Edition, numbers: range, content_of: Choose) -> Iterator[tuple[int, float]]:
    """Write readers' rows as a worker does that composes several waves at once; yield size and seconds of each slice.

    A chunk is a transaction of its own. The clock runs from the first look for rows that are there to the answer of the
    last COMMIT. It stands still while the readers are made up, whom an installation has in its database.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    with ThreadPoolExecutor(PLANNERS) as planners:
        for first in range(numbers.start, numbers.stop, SLICE):
            rows = planned(edition, range(first, min(numbers.stop, first + SLICE)), content_of)
            chunks = [rows[start : start + cohorts.CHUNK] for start in range(0, len(rows), cohorts.CHUNK)]
            db.session.rollback()
            started = time.monotonic()
            written = sum(planners.map(lambda chunk: _write(app, edition, chunk), chunks))
            seconds = time.monotonic() - started
            if written != len(rows):
                raise BenchError(f"{len(rows)} deliveries were to be planned, but {written} were.")
            yield written, seconds


def _write(app: Flask, edition: Edition, rows: Sequence[outbox.Planned]) -> int:
    """Write the rows of one chunk as the digests room does; return how many are new."""
    with app.app_context(), database.write_turn():
        known = outbox.already_queued(edition.mailing_id, [row.once_key for row in rows])
        written = outbox.queue_bulk(
            [row for row in rows if row.once_key not in known],
            mailing_id=edition.mailing_id,
            lane=Lane.DIGEST,
            link_set=outbox.LinkSet.READER,
            not_after=clock.utc_now() + timedelta(hours=12),
            services=edition.services,
        )
        db.session.commit()
    return written
