"""What is looked at before a wave goes out, and a wave that must not: see digests.preflight."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

from core import clock, database, probing
from core.database import db
from digests import parts, preflight
from tasks import nudge

THREADS = 16
LONGEST_S = 10.0
"""A wave is on time: what has not answered by then is taken to be there."""
LONGEST_BREAKING_S = 1.0
"""The same for breaking mail, which is claimable within two seconds of its flag."""


def look(wave_id: int, *, is_breaking: bool = False) -> bool:
    """Look at a wave once, before its first chunk; return whether it may go."""
    if not preflight.is_to_do(wave_id):
        db.session.rollback()
        return True
    stories = preflight.stories(wave_id)
    bare = [] if is_breaking else preflight.without_picture(stories)
    db.session.rollback()
    probe = partial(gone, longest_s=LONGEST_BREAKING_S if is_breaking else LONGEST_S)
    found = [*preflight.check(stories, probe), *bare]
    try:
        with database.write_turn():
            preflight.keep(wave_id, found, now=clock.utc_now())
            db.session.commit()
    except preflight.Stopped as stopped:
        stop(wave_id, str(stopped))
        return False
    for other in parts.others(wave_id):
        # They have waited for what was found.
        nudge.wave(other)
    db.session.rollback()
    return True


def stop(wave_id: int, why: str) -> None:
    """Put a wave off that must not go out."""
    with database.write_turn():
        preflight.stop(wave_id, why, now=clock.utc_now())
        db.session.commit()


def gone(urls: Sequence[str], *, longest_s: float = LONGEST_S) -> dict[str, int]:
    """Return which pages are gone, of those that answer in time."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="probe")
    asked = {url: pool.submit(probing.answer_if_gone, url) for url in dict.fromkeys(urls)}
    wait(asked.values(), timeout=longest_s)
    pool.shutdown(wait=False, cancel_futures=True)
    answers = {url: one.result() for url, one in asked.items() if one.done() and not one.cancelled()}
    return {url: status for url, status in answers.items() if status is not None}
