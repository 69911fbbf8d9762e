"""The Celery application for `celery -A worker worker` and `celery -A worker beat`."""

import signal
import time

from celery.bootsteps import StartStopStep
from celery.signals import celeryd_after_setup, setup_logging, worker_shutdown, worker_shutting_down

from app import site
from core import garbage
from tasks import alerts, delivery
from tasks.celery_app import QUEUES
from tasks.ending import Ending

flask_app = site()
celery = flask_app.extensions["celery"]
_senders: list[delivery.Sender] = []
_watches: list[alerts.Watch] = []
_endings: list[Ending] = []


@setup_logging.connect
def _keep_our_logs(**_signal: object) -> None:
    """Our own formatter masks tokens and addresses; Celery must not put another in its place."""


@celeryd_after_setup.connect
def _start_threads(**_signal: object) -> None:
    """Every worker that takes the queue `pump` sends mail in a thread of its own.

    It starts before the worker has reached Redis: what stands in the ledger leaves although the broker is down.
    """
    garbage.look_seldom()
    _endings.append(Ending(_stop_threads))
    if QUEUES[1] not in celery.amqp.queues.consume_from:
        return
    _senders.append(delivery.start_sender(flask_app))
    _watches.append(alerts.start_watch(flask_app))


def _stop_threads(patience_s: float) -> bool:
    """Let the mails in hand come to their end; return whether they did."""
    until = time.monotonic() + patience_s
    for watch in _watches:
        watch.stop()
    stopped = [one.stop(until - time.monotonic()) for one in _senders]
    return all(stopped)


class OneEnd(StartStopStep):
    """A worker ends in one way, whoever asks and how often: a thread cannot be cut off, and a sender must not be."""

    def start(self, _worker: object) -> None:
        """Let SIGINT and SIGQUIT, which Celery ends tasks by, do what SIGTERM does."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.getsignal(signal.SIGTERM))


celery.steps["worker"].add(OneEnd)


@worker_shutting_down.connect
def _begin_to_end(**_signal: object) -> None:
    """Begin beside the tasks that come to their end now. This is called by a signal handler: it must not wait."""
    for ending in _endings:
        ending.ask()


@worker_shutdown.connect
def _end(**_signal: object) -> None:
    """Keep the process for its sender's last words."""
    for ending in _endings:
        ending.wait()
