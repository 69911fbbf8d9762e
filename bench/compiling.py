"""Compiling: a digest of thirty stories from nothing, and a further one of stories that are compiled already."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median

from sqlalchemy import update

from core import addresses, clock, services
from core.database import db
from digests import cohorts, making, rendering, sorting
from digests.copies import Copy, Group
from digests.kept import Kept
from subscribers import offer
from subscribers.duereaders import DueReader
from subscribers.models import Digest, Taste

STORIES = 30
TRIES = 9


def measure(digest_key: str) -> dict[str, object]:
    """Return how long both take, in seconds: the medians of some tries."""
    db.session.execute(update(Digest).values(most=STORIES))
    db.session.commit()
    whole, further = [], []
    for number in range(TRIES):
        rendering.forget()
        copy, chunk = _copy(digest_key)
        if len(copy.shown.stories) != STORIES:
            raise ValueError(f"The digest has {len(copy.shown.stories)} stories.")
        whole.append(_compiled(chunk, [copy]))
        # Others get the same stories in another order, by their own topics, and have another link to them.
        turned = replace(copy.shown, stories=(copy.shown.stories[0], *reversed(copy.shown.stories[1:])))
        opening = replace(copy.opening, preheader=f"Another one, {number}", view_url=f"{copy.opening.view_url}{number}")
        further.append(_compiled(chunk, [replace(copy, shown=turned, opening=opening)]))
    return {"stories": STORIES, "whole": median(whole), "further": median(further)}


def _compiled(chunk: cohorts.Chunk, copies: Sequence[Copy]) -> float:
    groups = tuple(Group((), copy, None) for copy in copies)
    began = time.perf_counter()
    making.make(replace(chunk, groups=groups), services.current())
    return time.perf_counter() - began


def _copy(digest_key: str) -> tuple[Copy, cohorts.Chunk]:
    """Return what somebody gets who wants everything, and an empty chunk for it."""
    now, digest, kept = clock.utc_now(), offer.by_key(digest_key), Kept()
    reading = sorting.Reading(
        digest, "regular", slot=now.date(), due_at=now, now=now, services=services.current(), kept=kept
    )
    (group,) = reading.sort_out([_reader(digest, now)]).groups
    shell = rendering.shell_view(digest, services.current())
    times = {"slot": now.date(), "due_at": now, "seen_until": now, "not_after": now}
    numbers = {"wave_id": 0, "edition_id": 0, "mailing_id": 0, "digest_id": digest.id, "cursor": 0, "last": 0}
    chunk = cohorts.Chunk(
        language=digest.language,
        kind="regular",
        finished=True,
        groups=(),
        empty=(),
        waiting=(),
        shell=shell,
        kept=kept,
        **numbers,
        **times,  # type: ignore[arg-type]
    )
    db.session.rollback()
    return group.copy, chunk


def _reader(digest: Digest, now: datetime) -> DueReader:
    address = addresses.stored("reader@example.org")
    taste = Taste(id=0, topics=[], countries=[], most=STORIES, format="both")
    fresh_from = now - 2 * (now - now.replace(hour=0))
    return DueReader(
        0, 0, bytes(16), address, bytes(16), 1, taste, fresh_from, digest.default_rhythm, digest.default_zone
    )
