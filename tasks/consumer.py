"""The part of a worker that takes tasks from the queue, and does nothing else there."""

import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.worker import consumer


class BareConsumer(consumer.Consumer):
    """A consumer without events, heartbeats and gossip.

    Each of these speaks to Redis in the worker's main thread, and tries for ever when there is no answer: the worker
    would hear no signal any more.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        bare = {"without_heartbeat": True, "without_gossip": True, "without_mingle": True}
        options["worker_options"] = (options.get("worker_options") or {}) | bare
        super().__init__(*args, **options)
        # At each loss of the connection it would say at length what 6.0 will do about tasks.
        warnings.filterwarnings("ignore", message=r"\sIn Celery 5\.1 we", category=CPendingDeprecationWarning)
