"""Say "look" to a worker, after the commit: never later than 0.2 s, never an error, never with anything in it."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

from celery import current_app

from core import logs

log = logs.get(__name__)

PATIENCE_S = 0.2
"""The most that a nudge may cost a visitor when the broker is out of reach."""
_PUBLISHERS = 2
_TRIES = 2
"""The first may only find out that its line to the broker was dead; the second has a new one."""

_free = threading.BoundedSemaphore(_PUBLISHERS)
_threads = ThreadPoolExecutor(_PUBLISHERS, thread_name_prefix="nudge")


def signup() -> None:
    """Requests wait for an answer."""
    _nudge("tasks.signup.answer_waiting")


def addresses() -> None:
    """Readers want mail at another address."""
    _nudge("tasks.notices.answer_addresses")


def changes() -> None:
    """Something was changed that is told at once."""
    _nudge("tasks.notices.tell")


def digests() -> None:
    """An edition may be due."""
    _nudge("tasks.digests.open_due")


def wave(wave_id: int) -> None:
    """A wave waits to be composed."""
    _nudge("tasks.digests.compose", wave_id)


def post() -> None:
    """Mails wait in the ledger."""
    _nudge("tasks.delivery.ring")


def webhooks() -> None:
    """A mail service told something."""
    _nudge("tasks.webhooks.work_off")


def _nudge(task: str, *args: int) -> None:
    """Publish in a thread of our own, and stop waiting when it takes long: the beat finds the row anyway."""
    if not _free.acquire(blocking=False):
        # Both publishers hang on a broker that does not answer; a third would hang too.
        return
    wait([_threads.submit(_publish, task, args)], timeout=PATIENCE_S)


def _publish(task: str, args: tuple[int, ...]) -> None:
    try:
        for tries_left in reversed(range(_TRIES)):
            try:
                current_app.send_task(task, args, expires=60, retry=False)
                break
            except Exception as error:  # noqa: BLE001 - a lost nudge costs seconds, an error would cost the visitor's page
                if not tries_left:
                    log.warning("nudge lost", task=task, error=type(error).__name__)
    finally:
        _free.release()
