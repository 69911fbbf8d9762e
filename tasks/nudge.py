"""Say "look" to a worker, after the commit: never in a visitor's time, never an error, never with anything in it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from celery import current_app

from core import logs

log = logs.get(__name__)

APART_S = 0.1
"""Between two nudges of one kind: who looks finds everything that was committed until then."""
MOST_WAITING = 100
"""Nudges that wait for the broker; more are not said, since the beat looks anyway."""
_PUBLISHERS = 2
_TRIES = 2
"""The first may only find out that its line to the broker was dead; the second has a new one."""

Nudge = tuple[str, tuple[int, ...]]
"""A task, and what it is asked with."""

_threads = ThreadPoolExecutor(_PUBLISHERS, thread_name_prefix="nudge")
_lock = threading.Lock()
_waiting: set[Nudge] = set()
_said: dict[Nudge, float] = {}
"""When each was said last, by time.monotonic."""


def signup() -> None:
    """Requests wait for an answer."""
    _nudge("tasks.signup.answer_waiting")


def addresses() -> None:
    """Readers want mail at another address."""
    _nudge("tasks.notices.answer_addresses")


def sharing() -> None:
    """Somebody sends a story to friends."""
    _nudge("tasks.sharing.answer")


def changes() -> None:
    """Something was changed that is told at once."""
    _nudge("tasks.notices.tell")


def digests() -> None:
    """An edition may be due."""
    _nudge("tasks.digests.open_due")


def breaking() -> None:
    """Something was flagged as breaking news, or is none any more."""
    _nudge("tasks.breaking.look")


def wave(wave_id: int) -> None:
    """A wave waits to be composed."""
    _nudge("tasks.digests.compose", wave_id)


def remake() -> None:
    """Mails wait to be made anew."""
    _nudge("tasks.digests.remake")


def corrections() -> None:
    """Readers wait to be told of a correction."""
    _nudge("tasks.corrections.tell")


def post() -> None:
    """Mails wait in the ledger."""
    _nudge("tasks.delivery.ring")


def webhooks() -> None:
    """A mail service told something."""
    _nudge("tasks.webhooks.work_off")


def pictures() -> None:
    """Stories came in with pictures."""
    _nudge("tasks.pictures.fetch_due")


def full_texts() -> None:
    """Stories came in whose text may be on their page."""
    _nudge("tasks.fulltext.fetch_due")


def _nudge(task: str, *args: int) -> None:
    """Have it said by a thread of our own. What waits to be said already is said once, and says this, too."""
    nudge = (task, args)
    with _lock:
        if nudge in _waiting or len(_waiting) >= MOST_WAITING:
            return
        _waiting.add(nudge)
    _threads.submit(_say, nudge)


def _say(nudge: Nudge) -> None:
    with _lock:
        rest = _said.get(nudge, 0.0) + APART_S - time.monotonic()
    time.sleep(max(0.0, rest))
    with _lock:
        # Whoever commits from here on may be too late for this one, and nudges anew.
        _waiting.discard(nudge)
        _said[nudge] = time.monotonic()
        if len(_said) > MOST_WAITING:
            del _said[next(iter(_said))]
    _publish(*nudge)


def _publish(task: str, args: tuple[int, ...]) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            current_app.send_task(task, args, expires=60, retry=False)
            break
        except Exception as error:  # noqa: BLE001 - a lost nudge costs seconds, and there is nobody who could help it
            if not tries_left:
                log.warning("nudge lost", task=task, error=type(error).__name__)
